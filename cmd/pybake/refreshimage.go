package main

import (
	"context"
	"errors"
	"fmt"

	"github.com/pybake/pybake/artifacts"
	"github.com/pybake/pybake/internal/image"
	"github.com/pybake/pybake/internal/project"
	"github.com/pybake/pybake/internal/refresh"
)

// imageRunOf is what makes the image of a cell.
func (r *refreshRun) imageRunOf(sub *app, s *scoped, c refresh.Cell) (*imageRun, project.Image, error) {
	one, ok := r.project.ImageNamed(c.Image)
	if !ok {
		return nil, one, fmt.Errorf("image %s: pybake.toml has none of that name", c.Image)
	}
	run, err := sub.newImageRun(r.project, imageFlags{frozen: r.flags.frozen, jobs: r.flags.jobs})
	if err != nil {
		return nil, one, err
	}
	run.set, run.pins, run.logs = r.set, r.pins, r.logs(c)
	run.baked, run.versions = r.bakedBy(c.Distro)
	run.connecting = r.makerOf(s)
	return run, one, nil
}

func (r *refreshRun) lookImage(ctx context.Context, c refresh.Cell) (refresh.Look, error) {
	sub, s := r.part(c)
	due := refresh.Look{State: refresh.Due}
	run, one, err := r.imageRunOf(sub, s, c)
	if err != nil {
		return due, err
	}
	run.looking = true
	if one.App != "" {
		run.ask(ctx, run.file(one.App))
	}
	req, err := run.request(ctx, one)
	if would, ok := errors.AsType[*wouldMakeError](err); ok {
		due.Reasons = []string{would.Error()}
		return due, nil
	}
	if err != nil {
		return due, err
	}
	pins, err := r.pins.Read()
	if err != nil {
		return due, err
	}
	plan, err := image.NewPlan(req, pins)
	if unpinned, ok := errors.AsType[*image.UnpinnedError](err); ok {
		due.Reasons = []string{unpinned.Error()}
		return due, r.mayPin(unpinned)
	}
	if errors.As(err, new(*image.ConflictError)) { // packages that moved at different times: they are pinned together
		due.Reasons = []string{err.Error()}
		return due, nil
	}
	if err != nil {
		return due, run.refused(one, err)
	}
	found, err := image.Find(ctx, r.store, plan)
	if err == nil {
		r.setTags(c, plan.Tags)
		return refresh.Look{State: refresh.Fresh, Artifact: found, Compared: len(plan.Inputs)}, nil
	}
	for _, l := range image.Preview(r.store, plan) {
		if l.Origin == "built" {
			due.Reasons = append(due.Reasons, "layer "+l.Name+": "+oneLine(l.Why))
		}
	}
	if len(due.Reasons) == 0 {
		due.Reasons = r.reasons(c, plan.Inputs, err)
	}
	due.Compared = len(plan.Inputs)
	return due, nil
}

func (r *refreshRun) makeImage(ctx context.Context, c refresh.Cell) (made *artifacts.Artifact, built bool, err error) {
	sub, s := r.part(c)
	defer func() { r.keepTail(c, s, err) }()
	run, one, err := r.imageRunOf(sub, s, c)
	if err != nil {
		return nil, false, err
	}
	if one.App != "" {
		run.ask(ctx, run.file(one.App))
	}
	m, err := run.one(ctx, one)
	if errors.As(err, new(*image.ConflictError)) && !r.flags.frozen {
		s.Note("%v: what the image installs is resolved together, and pinned anew", err)
		run.flags.repin = true
		m, err = run.one(ctx, one)
	}
	if err != nil {
		return nil, false, err
	}
	r.setTags(c, m.Tags)
	made, err = r.store.Find(image.Kind, m.Key)
	return made, m.Origin == "built", err
}
