// Filters the matrix by state and by text. Without it everything is shown.
(function () {
  "use strict";
  var form = document.getElementById("filter");
  var find = document.getElementById("find");
  var shown = document.getElementById("shown");
  var boxes = Array.from(form.querySelectorAll("input[type=checkbox]"));
  var rows = Array.from(document.querySelectorAll("table.matrix tbody tr"));
  var folds = Array.from(document.querySelectorAll("details.folded"));
  var all = document.querySelectorAll("[data-s]").length;
  var names = new Map();
  document.querySelectorAll("[data-s]").forEach(function (cell) {
    names.set(cell, cell.firstElementChild.textContent.toLowerCase());
  });

  function filter() {
    var words = find.value.toLowerCase().split(/\s+/).filter(Boolean);
    var only = boxes.filter(function (b) { return b.checked; }).map(function (b) { return b.value; });
    var active = words.length + only.length !== 0;
    var total = 0;
    rows.forEach(function (row) {
      var hits = 0;
      row.querySelectorAll("[data-s]").forEach(function (cell) {
        var text = names.get(cell);
        var out = only.length !== 0 ? !only.includes(cell.dataset.s) : false;
        cell.hidden = out || !words.every(function (w) { return text.includes(w); });
        hits += cell.hidden ? 0 : 1;
      });
      row.hidden = hits === 0;
      total += hits;
    });
    folds.forEach(function (fold) {
      var any = fold.querySelector("tbody tr:not([hidden])") !== null;
      fold.hidden = !any;
      fold.open = active ? any : false;
    });
    document.querySelectorAll(".kind").forEach(function (part) {
      part.hidden = part.querySelector("tbody tr:not([hidden])") === null;
    });
    shown.textContent = active ? total + " of " + all + " shown" : "";
  }

  // A link to a cell opens it, also where the filter hid it.
  function open() {
    var cell = document.getElementById(decodeURIComponent(location.hash.slice(1)));
    if (cell === null) { return; }
    if (names.has(cell)) {
      if (cell.hidden) { form.reset(); filter(); }
      var fold = cell.closest("details.folded");
      if (fold !== null) { fold.open = true; }
      cell.open = true;
      cell.scrollIntoView({ block: "center" });
      cell.firstElementChild.focus({ preventScroll: true });
    }
  }

  form.hidden = all === 1;
  form.addEventListener("input", filter);
  form.addEventListener("submit", function (e) { e.preventDefault(); });
  window.addEventListener("hashchange", open);
  filter();
  open();
})();
