"""What PGO trains on beside CPython's own tests: programs in small, as people run them.

    python workload.py SECONDS

Every piece below is run for SECONDS of processor time, so that each counts as much as any other: the compiler optimises
what is hot and keeps the rest small, and the tests, which try everything once, say nothing about what is hot. A module
that a series or a build does not have is left out, and named on stderr. Runs on CPython 3.8 to 3.15.
"""
import abc
import array
import ast
import asyncio
import base64
import bisect
import collections
import configparser
import contextlib
import copy
import csv
import dataclasses
import datetime
import decimal
import difflib
import enum
import fractions
import functools
import hashlib
import heapq
import html
import io
import itertools
import json
import logging
import math
import operator
import os
import pickle
import pprint
import queue
import random
import re
import string
import struct
import subprocess
import sys
import tempfile
import textwrap
import threading
import time
import tokenize
import typing
import unicodedata
import urllib.parse
import uuid
import xml.etree.ElementTree as ElementTree
import zlib

random.seed(20)
WORDS = [random.choice("bcdfgklmnprst") + random.choice("aeiou") + random.choice("lmnrst") * random.randrange(1, 3) for _ in range(400)]
TEXT = "\n".join(" ".join(random.choices(WORDS, k=12)) + "; %d-%02d" % (n, n % 60) for n in range(300))
SOURCE = open(dataclasses.__file__, encoding="utf-8").read()


@dataclasses.dataclass
class Order:
    number: int
    customer: str
    items: list = dataclasses.field(default_factory=list)
    paid: bool = False

    def total(self):
        return sum(item["price"] * item["count"] for item in self.items)


@dataclasses.dataclass(order=True, frozen=True)
class Point:
    x: float
    y: float = 0.0


def orders(n):
    return [
        Order(i, WORDS[i % 400].title(), [{"name": w, "price": len(w) * 1.25, "count": i % 3 + 1} for w in WORDS[i % 390:i % 390 + 4]], i % 2 == 0)
        for i in range(n)
    ]


ORDERS = orders(60)
RECORDS = [dataclasses.asdict(o) for o in ORDERS]
NESTED = {"orders": RECORDS, "empty": {}, "none": None, "text": TEXT[:200], "umlaut": "Grüße, 世界 \U0001f600", "numbers": [i * 0.37 for i in range(100)] + list(range(300))}


def json_dump():
    for value in (NESTED, RECORDS[0], [], {}, {"a": [1, 2.5, "x", None, True]}):
        json.dumps(value)
        json.dumps(value, ensure_ascii=False, sort_keys=True)
    for record in RECORDS:
        json.dumps(record)
    json.dumps(NESTED, indent=2)


DUMPED = json.dumps(NESTED), json.dumps(NESTED, indent=2, ensure_ascii=False), "[]", '{"a": 1}'


def json_load():
    for text in DUMPED:
        json.loads(text)
    json.loads(DUMPED[0].encode())
    json.loads(DUMPED[0], object_pairs_hook=collections.OrderedDict)


def xml_build():
    root = ElementTree.Element("orders", version="1")
    for record in RECORDS:
        element = ElementTree.SubElement(root, "order", number=str(record["number"]), customer=record["customer"])
        for item in record["items"]:
            child = ElementTree.SubElement(element, "item")
            child.text, child.tail = item["name"], "\n"
            child.set("price", "%.2f" % item["price"])
    return root


XML = ElementTree.tostring(xml_build())


def xml_write():
    ElementTree.tostring(xml_build(), encoding="unicode")
    ElementTree.ElementTree(xml_build()).write(io.BytesIO(), encoding="utf-8", xml_declaration=True)


def xml_parse():
    root = ElementTree.fromstring(XML)
    for order in root.findall("order"):
        [item.text for item in order.iter("item")], order.find("item"), order.findtext("item"), order.get("number")
    root.findall(".//item[@price='5.00']")
    for _, element in ElementTree.iterparse(io.BytesIO(XML), events=("start", "end")):
        element.tag
    parser = ElementTree.XMLPullParser()
    parser.feed(XML)
    list(parser.read_events())
    sum(1 for _ in root.iter())
    copy.deepcopy(root)


def money():
    two, total = decimal.Decimal("0.01"), decimal.Decimal(0)
    rates = decimal.Decimal("0.0013"), decimal.Decimal("0.00894")
    for i in range(400):
        price = (decimal.Decimal(i * 7919 % 3600) * rates[i & 1]).quantize(two, decimal.ROUND_HALF_EVEN)
        tax = (price * decimal.Decimal("0.0675")).quantize(two, decimal.ROUND_DOWN)
        total += price + tax
        str(total), "%s" % price, total > price
    format(total, ",.2f")


def decimals():
    with decimal.localcontext() as context:
        context.prec = 60
        term, total, n = decimal.Decimal(3), decimal.Decimal(3), 1
        for n in range(1, 60, 2):
            term = term * n / (n + 1) / 4
            total += term / (n + 2)
        total.sqrt(), total.ln(), int(total), float(total)
    sum(fractions.Fraction(1, i) for i in range(1, 40))


class Sink(logging.Handler):
    def emit(self, record):
        self.format(record)


LOGGER = logging.getLogger("workload.a.b")
LOGGER.propagate = False
for handler in (logging.StreamHandler(io.StringIO()), Sink()):
    handler.setFormatter(logging.Formatter("%(asctime)s %(name)s %(levelname)s %(message)s"))
    LOGGER.addHandler(handler)
LOGGER.setLevel(logging.INFO)


def log_written():
    LOGGER.handlers[0].stream.seek(0)
    for i in range(60):
        LOGGER.info("order %d of %s", i, "someone")
        LOGGER.warning("plain")
        LOGGER.error("%s: %r", "value", {"a": i})
    try:
        raise ValueError("x")
    except ValueError:
        LOGGER.exception("caught")


def log_silent():
    for i in range(1000):
        LOGGER.debug("not written: %d", i)
        LOGGER.debug("nor this")


PATTERNS = [
    re.compile(p, f) for p, f in (
        (r"\b[a-z]+(?:nn|ll|ss)\b", 0), (r"(\w+)\s+(\w+)", 0), (r"^(?P<head>\S+) .*?; (?P<a>\d+)-(?P<b>\d\d)$", re.M),
        (r"[^;]*;", 0), (r"be|ne|te|[aeiou]{2}", re.I), (r"(?:(?:a|b)*c)+|d\d?", 0), (r"(?<=; )\d+(?=-)", 0), (r".*end", re.S),
    )
]


def regex_search():
    for pattern in PATTERNS:
        pattern.findall(TEXT)
        pattern.sub("-", TEXT[:4000])
        pattern.sub(lambda m: m.group(0).upper(), TEXT[:2000])
        for match in pattern.finditer(TEXT[:4000]):
            match.span(), match.groups()
    for line in TEXT.splitlines()[:100]:
        match = PATTERNS[2].match(line)
        match and (match.groupdict(), match["a"])
        PATTERNS[1].split(line)
        re.search("nn", line)


def regex_compile():
    for pattern in PATTERNS:
        re.purge()
        re.compile(pattern.pattern, pattern.flags & ~re.U)


def pickles():
    for value in (NESTED, ORDERS, [Point(i, i / 3) for i in range(50)], collections.deque(WORDS), {i: (i, str(i)) for i in range(200)}):
        for protocol in (2, pickle.HIGHEST_PROTOCOL):
            pickle.loads(pickle.dumps(value, protocol))
    pickle.Unpickler(io.BytesIO(pickle.dumps(NESTED))).load()


def deep_copies():
    copy.deepcopy(RECORDS[:20])
    copy.deepcopy(ORDERS[:10])
    copy.copy(ORDERS[0])
    [dataclasses.replace(o, paid=True) for o in ORDERS], dataclasses.asdict(ORDERS[3])


async def child(depth, lock):
    if depth == 0:
        await asyncio.sleep(0)
        return 1
    async with lock:
        pass
    return sum(await asyncio.gather(*(child(depth - 1, lock) for _ in range(3))))


async def produce(channel, n):
    for i in range(n):
        await channel.put(i)
    await channel.put(None)


async def consume(channel):
    while await channel.get() is not None:
        pass


async def ticker(n):
    for i in range(n):
        yield i
        if i % 16 == 0:
            await asyncio.sleep(0)


async def serve(reader, writer):
    while True:
        line = await reader.readline()
        if not line:
            break
        writer.write(line)
        await writer.drain()
    writer.close()


async def talk():
    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    reader, writer = await asyncio.open_connection(*server.sockets[0].getsockname())
    for i in range(50):
        writer.write(b"line %d\n" % i)
        await reader.readline()
    writer.write_eof()
    await reader.read()
    writer.close()
    server.close()


async def together():
    lock, channel = asyncio.Lock(), asyncio.Queue(8)
    await child(5, lock)
    await asyncio.gather(produce(channel, 200), consume(channel))
    [i async for i in ticker(300)]
    task = asyncio.ensure_future(asyncio.sleep(10))
    await asyncio.sleep(0)
    task.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await task
    await asyncio.wait_for(child(2, lock), 5)


def event_loop():
    asyncio.run(together())


def streams():
    asyncio.run(talk())


class Vector:
    __slots__ = "x", "y", "z"

    def __init__(self, x, y, z):
        self.x, self.y, self.z = x, y, z

    def __add__(self, other):
        return Vector(self.x + other.x, self.y + other.y, self.z + other.z)

    def __mul__(self, n):
        return Vector(self.x * n, self.y * n, self.z * n)

    def __eq__(self, other):
        return (self.x, self.y, self.z) == (other.x, other.y, other.z)

    def dot(self, other):
        return self.x * other.x + self.y * other.y + self.z * other.z

    @property
    def length(self):
        return math.sqrt(self.dot(self))


def vectors():
    at, speed = Vector(0.0, 1.0, 2.0), Vector(0.1, -0.2, 0.3)
    for i in range(600):
        at = at + speed * 0.01
        if at.length > 100 or at == speed:
            break
        speed.x += math.sin(at.y) * 0.001


class Node:
    made = 0

    def __init__(self, key, parent=None):
        self.key, self.parent, self.children, self.mark = key, parent, [], None
        type(self).made += 1

    def add(self, key):
        node = self.__class__(key, self)
        self.children.append(node)
        return node

    def visit(self, seen):
        seen.add(self.key)
        for one in self.children:
            one.visit(seen)

    @staticmethod
    def odd(n):
        return n % 2 == 1

    @classmethod
    def root(cls):
        return cls(0)


class Marked(Node):
    def __init__(self, key, parent=None):
        super().__init__(key, parent)
        self.mark = isinstance(parent, Marked) and self.odd(key)

    def visit(self, seen):
        if self.mark:
            seen.add(-self.key)
        super().visit(seen)


def objects():
    for kind in (Node, Marked):
        root, seen = kind.root(), set()
        nodes = [root]
        for i in range(1, 200):
            nodes.append(nodes[i // 3].add(i))
        root.visit(seen)
        for node in nodes:
            depth, at = 0, node
            while at.parent is not None:
                at, depth = at.parent, depth + 1
            node.mark = depth
            getattr(node, "nothing", None), hasattr(node, "key")


class Shape(abc.ABC):
    @abc.abstractmethod
    def area(self):
        """Of the shape."""


class Square(Shape):
    def __init__(self, side):
        self.side = side

    def area(self):
        return self.side ** 2


class Named(typing.NamedTuple):
    a: int
    b: str = "b"


Color = enum.Enum("Color", "RED GREEN BLUE")
if hasattr(typing, "Protocol"):
    @typing.runtime_checkable
    class HasArea(typing.Protocol):
        def area(self):
            """Of the shape."""


def types():
    for i in range(40):
        isinstance(Square(i), Shape), isinstance(i, collections.abc.Sized), issubclass(list, collections.abc.Sequence)
        isinstance(Square(i), HasArea), isinstance(i, HasArea)
        Color(i % 3 + 1).name, Color["RED"], list(Color)
        Named(i)._replace(b="c").a
        Point(i) < Point(i + 1), hash(Point(i)), repr(Point(i))
        type("Made", (Node,), {"x": i})
    dataclasses.make_dataclass("Row", [("a", int), ("b", str, "x")])


def fibonacci(n):
    return n if n < 2 else fibonacci(n - 1) + fibonacci(n - 2)


def spread(*args, key=None, **kw):
    return len(args) + len(kw) + (key is None)


def calls():
    fibonacci(15)
    double = lambda x, n=2: x * n
    partial = functools.partial(spread, 1, key=2)
    for i in range(200):
        spread(i, i, key=i, other=i), spread(*(i, i), **{"key": i}), double(i), double(i, n=3), partial(i)
    cached = functools.lru_cache(maxsize=64)(lambda a, b=1: a + b)
    for i in range(300):
        cached(i % 80)
    functools.reduce(operator.add, range(200))


def comprehensions():
    for _ in range(5):
        squares = [x * x for x in range(200) if x % 3]
        {x: str(x) for x in squares}, {x % 17 for x in squares}, tuple(x + 1 for x in squares)
        [[a * b for a in range(10)] for b in range(10)]
        sum(x for x in squares), any(x > 10 ** 9 for x in squares), max(squares, key=lambda x: -x)
        list(zip(squares, reversed(squares))), dict(enumerate(squares)), list(map(str, squares)), list(filter(None, squares))
        sorted((o for o in ORDERS if o.paid), key=lambda o: (o.customer, o.number))
        [o.total() for o in ORDERS]


def tree(n):
    if n:
        yield from tree(n - 1)
        yield n
        yield from tree(n - 1)


def echo():
    got = None
    while True:
        got = yield got


def generators():
    list(tree(8))
    coroutine = echo()
    next(coroutine)
    for i in range(300):
        coroutine.send(i)
    with contextlib.suppress(ValueError):
        coroutine.throw(ValueError("x"))
    list(itertools.islice(itertools.chain.from_iterable(itertools.repeat(range(5), 50)), 200))
    list(itertools.permutations(range(5))), list(itertools.product("abc", repeat=4)), list(itertools.accumulate(range(100)))
    for _, group in itertools.groupby(WORDS, key=len):
        list(group)


@contextlib.contextmanager
def entered(n):
    yield n


def exceptions():
    for i in range(150):
        try:
            if i % 3:
                {}[i]
            int("x")
        except (KeyError, IndexError) as e:
            str(e)
        except ValueError:
            pass
        finally:
            i += 1
        with entered(i) as n, contextlib.suppress(ZeroDivisionError):
            n / 0


def floats():
    at, total = [(i * 0.5, i * 0.25, i * 0.125) for i in range(12)], 0.0
    for _ in range(10):
        for i, (x, y, z) in enumerate(at):
            for x2, y2, z2 in at[:i]:
                dx, dy, dz = x - x2, y - y2, z - z2
                total += 1.0 / (dx * dx + dy * dy + dz * dz + 0.01) ** 1.5
    [math.sin(i) * math.exp(-i / 50) + abs(complex(i, 1)) for i in range(100)]
    [round(i / 7, 3) for i in range(100)], float("1.5e3"), repr(total), "%.3f" % total, math.fsum(at[3])


def matrices():
    n = 12
    a = [array.array("d", [i * j % 7 for j in range(n)]) for i in range(n)]
    b = [[0.0] * n for _ in range(n)]
    for i in range(n):
        for j in range(n):
            b[i][j] = sum(a[i][k] * a[k][j] for k in range(n))
    sieve = bytearray([1]) * 3000
    for i in range(2, 55):
        if sieve[i]:
            sieve[i * i::i] = bytes(len(range(i * i, 3000, i)))


def integers():
    q, r, t, k, n, l = 1, 0, 1, 1, 3, 3
    for _ in range(300):
        if 4 * q + r - t < n * t:
            q, r, n = 10 * q, 10 * (r - n * t), 10 * (3 * q + r) // t - 10 * n
        else:
            q, r, t, k, n, l = q * k, (2 * q + r) * l, t * l, k + 1, (q * (7 * k + 2) + r * l) // (t * l), l + 2
    x = 12345
    for i in range(500):
        x = (x * 1103515245 + 12345) & 0x7FFFFFFF
        x ^ i, x >> 3, x // 7, x % 13, -x, x | 1, divmod(x, 10), hex(x), str(x), int(str(x)), x.bit_length()
    pow(3, 200, 10 ** 40 + 7), math.factorial(60), math.gcd(x, 360), str(3 ** 500), (1 << 400).to_bytes(64, "big")


def board():
    """Queens, with sets and lists."""
    n, found = 6, 0
    for columns in itertools.permutations(range(n)):
        if n == len({columns[i] + i for i in range(n)}) == len({columns[i] - i for i in range(n)}):
            found += 1
    grid = [[(x * y) % 5 for x in range(20)] for y in range(20)]
    todo, seen = [(0, 0)], set()
    while todo:
        x, y = todo.pop()
        if (x, y) in seen or not (0 <= x < 20 and 0 <= y < 20) or grid[y][x] == 3:
            continue
        seen.add((x, y))
        todo += [(x + 1, y), (x - 1, y), (x, y + 1), (x, y - 1)]


def strings():
    lines = TEXT.splitlines()
    for n, line in enumerate(lines[:150]):
        words = line.split(" ")
        ",".join(words), line.upper(), line.title(), line.strip(), line.replace("a", "ä"), line.find("nn"), "nn" in line, line.partition(";")
        line.startswith(("b", "c")), line[::-1], line[3:20], line.encode(), line.count("e"), line.isalnum(), line.zfill(90), line.casefold()
        f"{n:>5}: {line!r:.20} {n / 3:.2f} {words[0]}", "%s %d %5.1f" % (words[0], n, n), "{} {name}".format(n, name=words[1])
        line.encode().decode("utf-8"), ("ä" + line).encode("utf-8").decode(), ("é" + line).encode("latin-1"), line.translate({97: "A"})
        text = ""
        for word in words:
            text += word + " "
        len(text), ord(text[0]), text == line, hash(text), text < line
    string.Template("$a and ${b}").substitute(a=1, b=2)
    textwrap.fill(TEXT[:1500]), html.escape(TEXT[:3000]), html.unescape("&lt;&amp;&auml;")
    unicodedata.normalize("NFD", "Grüße, Žluťoučký kůň" * 5), unicodedata.category("ä")


def binary():
    packer, data = struct.Struct("<IhfdB8s"), TEXT.encode()
    for i in range(150):
        packer.unpack(packer.pack(i, -i, i / 2, i / 3, i % 256, b"pybake"))
    for i in range(20):
        base64.b64decode(base64.b64encode(data[:1000])), data[:500].hex(), bytes.fromhex("00ff" * 50), data.split(b"\n")
        memoryview(data)[10:50].tobytes(), bytearray(data[:100]) + b"x", data.translate(None, b"ae"), data.find(b"nn")
        int.from_bytes(data[:8], "little"), base64.urlsafe_b64encode(data[:99]), zlib.crc32(data)
    array.array("I", range(300)).tobytes()


def hashes():
    data = TEXT.encode()
    for name in ("md5", "sha1", "sha256", "sha512", "sha3_256", "blake2b"):
        with contextlib.suppress(ValueError):  # a build or a policy without it
            hashlib.new(name, data).hexdigest()
        for i in range(20):
            getattr(hashlib, name)(data[i:i + 60]).hexdigest()
    zlib.decompress(zlib.compress(data))
    str(uuid.UUID(int=5)), uuid.uuid5(uuid.NAMESPACE_DNS, "example.org")


def dates():
    day = datetime.datetime(2024, 2, 28, 12, 30, tzinfo=datetime.timezone.utc)
    for i in range(150):
        later = day + datetime.timedelta(hours=i * 7, seconds=i)
        datetime.datetime.fromisoformat(later.isoformat()), later.strftime("%Y-%m-%d %H:%M"), (later - day).total_seconds()
        later > day, later.date().weekday(), later.replace(hour=1), later.timestamp(), hash(later)
    for _ in range(5):
        datetime.datetime.strptime("2024-02-28 12:30:15", "%Y-%m-%d %H:%M:%S")
    time.strftime("%c"), datetime.datetime.fromtimestamp(1e9)


def tables():
    out = io.StringIO()
    writer = csv.DictWriter(out, ["number", "customer", "paid"], extrasaction="ignore")
    writer.writeheader()
    writer.writerows(RECORDS * 3)
    text = out.getvalue()
    list(csv.reader(io.StringIO(text))), list(csv.DictReader(io.StringIO(text))), list(csv.reader(['a;"b ""c""";d'], delimiter=";"))
    parser = configparser.ConfigParser()
    parser.read_string("[a]\nb = 1\nc = %(b)s2\n[d]\ne: text\n  more\n" * 1)
    parser.get("a", "c"), parser.sections()


def containers():
    counter = collections.Counter(TEXT[:3000])
    counter.most_common(5), counter + counter
    groups, ordered, ends = collections.defaultdict(list), collections.OrderedDict(), collections.deque(maxlen=50)
    for n, word in enumerate(WORDS):
        groups[len(word)].append(word)
        ordered[word] = n
        ends.append(word)
        ends.appendleft(n)
    for word in WORDS[:100]:
        ordered.pop(word, None)
    heap = []
    for word in WORDS:
        heapq.heappush(heap, (len(word), word))
    [heapq.heappop(heap) for _ in range(len(heap))], heapq.nsmallest(5, WORDS)
    sorted(WORDS), sorted(WORDS, key=len, reverse=True), sorted(range(300), key=lambda i: i * 7919 % 300), bisect.bisect(sorted(WORDS), "m")
    plain = {w: i for i, w in enumerate(WORDS)}
    for word in WORDS:
        plain[word] += 1
        plain.get(word + "x"), word in plain, plain.setdefault(word, 0)
    {**plain, "x": 1}, set(WORDS) & set(WORDS[:50]), set(WORDS) - {"x"}, frozenset(WORDS) | {"y"}, list(plain.items()), tuple(plain.values())
    flat = []
    for i in range(200):
        flat.append(i)
        flat.insert(0, i) if i % 10 == 0 else flat.extend((i, i))
    a, b, *rest = flat
    flat.sort(), flat.reverse(), flat.index(7), flat.pop(), flat.copy(), flat[5:50:2], flat * 2, rest == flat


def files():
    with tempfile.TemporaryDirectory() as tmp:
        name = os.path.join(tmp, "file.txt")
        with open(name, "w", encoding="utf-8") as f:
            for line in TEXT.splitlines():
                f.write(line + "\n")
        with open(name, encoding="utf-8") as f:
            for line in f:
                line.rstrip()
        with open(name, "rb") as f:
            f.read(100), f.readline(), f.seek(0), f.read()
        import pathlib

        path = pathlib.Path(tmp)
        [p.name for p in path.iterdir()], (path / "a" / "b").with_suffix(".py").parts, path.joinpath("x").exists(), list(path.glob("*.txt"))
        os.listdir(tmp), os.stat(name).st_size, os.path.normpath(name + "/../x"), os.path.splitext(name), [e.is_file() for e in os.scandir(tmp)]
        list(os.walk(tmp))


def addresses():
    import ipaddress

    for i in range(40):
        parts = urllib.parse.urlsplit("https://user@example.org:8080/a/%d;p?q=1&r=%%20x#frag" % i)
        parts.hostname, parts.port, urllib.parse.parse_qs(parts.query), urllib.parse.quote("a b/ü"), urllib.parse.unquote("a%20b"), parts.geturl()
        urllib.parse.urljoin("https://example.org/a/b", "../c"), urllib.parse.urlencode({"a": i, "b": "x y"})
        ipaddress.ip_address("192.0.2.%d" % i) in ipaddress.ip_network("192.0.2.0/24")


def compiler():
    tree = ast.parse(SOURCE)
    compile(tree, "workload", "exec")
    sum(1 for _ in ast.walk(tree))
    list(itertools.islice(tokenize.generate_tokens(io.StringIO(SOURCE).readline), 1200))
    eval("1 + 2 * x", {"x": 3}), exec("a = [i for i in range(10)]", {})


def text_tools():
    a, b = TEXT.splitlines()[:40], TEXT.splitlines()[3:43]
    list(difflib.unified_diff(a, b)), difflib.SequenceMatcher(None, a[0], b[0]).ratio()
    pprint.pformat(RECORDS[:8]), repr(RECORDS)
    import argparse

    parser = argparse.ArgumentParser(prog="x")
    parser.add_argument("--number", type=int, default=1, help="a number")
    parser.add_argument("files", nargs="*")
    parser.parse_args(["--number", "3", "a", "b"]), parser.format_help()


def threads():
    channel, out, lock = queue.Queue(), [], threading.Lock()

    def work():
        while True:
            item = channel.get()
            if item is None:
                return
            with lock:
                out.append(item * 2)

    workers = [threading.Thread(target=work) for _ in range(3)]
    for worker in workers:
        worker.start()
    for i in range(300):
        channel.put(i)
    for worker in workers:
        channel.put(None)
    for worker in workers:
        worker.join()


def chance():
    source = random.Random(7)
    for i in range(200):
        source.random(), source.randrange(100), source.choice(WORDS), source.uniform(0, 1), source.gauss(0, 1)
    source.shuffle(list(range(100))), source.sample(range(1000), 20)
    import statistics

    statistics.mean(range(50)), statistics.stdev([1.5, 2.5, 4.0]), statistics.median(range(51))


def garbage():
    import gc

    nodes = [[] for _ in range(1000)]
    for i, node in enumerate(nodes):
        node.append(nodes[i - 1])
    del nodes
    gc.collect()


def database():
    import sqlite3

    db = sqlite3.connect(":memory:")
    db.row_factory = sqlite3.Row
    db.create_function("twice", 1, lambda x: x * 2)
    db.execute("create table orders (number integer primary key, customer text, total real, data blob)")
    with db:
        db.executemany("insert into orders values (?, ?, ?, ?)", [(o.number, o.customer, o.total(), b"x") for o in ORDERS])
    for row in db.execute("select number, customer, twice(total) as t from orders where total > ? order by customer", (10,)):
        row["customer"], row[0], tuple(row)
    db.execute("update orders set customer = :c where number = :n", {"c": "x", "n": 5})
    db.execute("select count(*), avg(total) from orders").fetchone()
    db.close()


def settings():
    import tomllib

    tomllib.loads('title = "x"\n[a.b]\nn = [1, 2, 3]\nt = 2024-02-28T12:30:00Z\nf = 1.5\ns = """\nmore\n"""\n' + "\n".join("k%d = 'v'" % i for i in range(100)))


def start_up():
    imports = "import json, re, logging, argparse, collections, datetime, decimal, pathlib, subprocess, asyncio"
    for args in (["-c", "pass"], ["-I", "-S", "-c", "pass"], ["-c", imports]):
        subprocess.run([sys.executable] + args, check=True)


PIECES = [
    json_dump, json_load, xml_write, xml_parse, money, decimals, log_written, log_silent, regex_search, regex_compile, pickles, deep_copies,
    event_loop, streams, vectors, objects, types, calls, comprehensions, generators, exceptions, floats, matrices, integers, board,
    strings, binary, hashes, dates, tables, containers, files, addresses, compiler, text_tools, threads, chance, garbage, database,
    settings, start_up,
]


def main():
    seconds = float(sys.argv[1])
    for piece in PIECES:
        # The children of start_up count too.
        clock = lambda: sum(os.times()[:4])
        end = clock() + seconds
        try:
            while clock() < end:
                piece()
        except ImportError as e:
            print("%s: left out: %s" % (piece.__name__, e), file=sys.stderr)


if __name__ == "__main__":
    main()
