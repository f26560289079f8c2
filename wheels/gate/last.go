package gate

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"

	"github.com/pybake/pybake/artifacts"
	"github.com/pybake/pybake/internal/engine"
)

// maxKept is how many bytes of wheels an image is made of at most: what is
// larger takes longer to keep than to prove.
const maxKept = 256 << 20

// keeps is whether something would be made of the container when all is well.
func (p *proof) keeps() bool {
	if p.house.Owner == "" || p.house.Key == "" {
		return false
	}
	var size int64
	for _, part := range p.parts {
		info, err := os.Stat(filepath.Join(p.house.Dir, part.File))
		if err != nil || part.startup || p.house.SHA256[part.File] == "" {
			return false
		}
		size += info.Size()
	}
	return size <= maxKept
}

// complete notes what the use of the wheels told, and is true if all of it is there.
func (r *record) complete(records map[string]json.RawMessage) bool {
	for name, k := range r.Wheels {
		if k.Used = records[name]; k.Used == nil {
			return false
		}
	}
	return true
}

// keep makes the image of a house out of the container in which it was proved, in
// place of that of the owner's last one. If it cannot be made, the next house is
// proved from its beginning.
func (p *proof) keep(ctx context.Context, c *engine.Container) {
	defer c.Remove(ctx)
	if err := p.makeImage(ctx, c); err != nil && ctx.Err() == nil {
		p.Report.Note("the proved house is not kept for the next proof: %v", err)
	}
}

func (p *proof) makeImage(ctx context.Context, c *engine.Container) error {
	label, err := p.new.encode()
	if err != nil || len(label) > maxLabel {
		return err
	}
	labels := p.labels(ProvedImage)
	labels[recordLabel] = label
	ref := provedRef(p.Target, p.house.Owner)
	last, found, err := p.Distros.Engine.Image(ctx, ref)
	if err != nil {
		return err
	}
	if _, err := c.Commit(ctx, ref, engine.ImageConfig{Labels: labels}); err != nil || !found {
		return err
	}
	_ = p.Distros.Engine.RemoveImage(ctx, last.ID) // another proof may be in it: it has no name any more, and clean removes it
	return nil
}

// fromLast proves a house by its differences from the last one that was proved for
// the same owner, if the engine still has that. A reason says why the whole house is
// to be proved: so it is too when a check fails.
func (p *proof) fromLast(ctx context.Context) (checks map[string]artifacts.Check, reason string, err error) {
	if p.house.Owner == "" || p.house.Key == "" || p.Full {
		return nil, "nothing else shall count", nil
	}
	if p.aptErr != nil {
		return nil, p.aptErr.Error(), nil
	}
	img, found, err := p.Distros.Engine.Image(ctx, provedRef(p.Target, p.house.Owner))
	if err != nil {
		return nil, "", err
	}
	if !found {
		return nil, "there is no image of another one", nil
	}
	old, err := decodeRecord(img.Labels[recordLabel])
	if err != nil {
		return nil, err.Error(), nil
	}
	d, reason := since(old, p.new, p.parts)
	if reason != "" {
		return nil, reason, nil
	}
	checks, reason, err = p.differences(ctx, img.ID, old, d)
	if err == nil && reason == "" && !allOK(checks) {
		reason = "a check failed"
	}
	return checks, reason, err
}

// differences proves a house in an image of another one.
func (p *proof) differences(ctx context.Context, image string, old *record, d difference) (map[string]artifacts.Check, string, error) {
	c, err := p.start(ctx, image)
	if err != nil {
		return nil, "", err
	}
	defer p.later(func() { c.Remove(ctx) })
	files := []string{}
	install, records := map[string][]string{}, map[string]json.RawMessage{}
	for _, part := range d.install {
		files = append(files, part.File)
		install[part.Name] = part.places()
	}
	for name, k := range old.Wheels {
		records[name] = k.Used
	}
	config, err := p.config(map[string]any{"keep": false, "since": map[string]any{
		"key": artifacts.Key(old.Key).Short(), "remove": d.remove, "install": install, "again": d.again, "linked": d.linked, "records": records,
	}})
	if err != nil {
		return nil, "", err
	}
	if err := putHouse(ctx, c, p.house.Dir, files, config); err != nil {
		return nil, "", err
	}
	said, err := p.run(ctx, c)
	if err != nil {
		return nil, "", err
	}
	said.checks[aptCheck] = artifacts.Check{
		Name: aptCheck, OK: true, Detail: fmt.Sprintf("%s, installed with %s", p.packages(), artifacts.Key(old.Key).Short()),
	}
	if !said.ended && said.full == "" {
		said.full = "its differences could not be looked at"
	}
	return said.checks, said.full, nil
}
