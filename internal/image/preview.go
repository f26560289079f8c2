package image

import "github.com/pybake/pybake/artifacts"

// Preview says of each layer of a plan whether the store has it ("reused"), or why it
// would be made ("built"): what changed since the image that has the name now.
func Preview(store *artifacts.Store, p *Plan) []Reported {
	b := &Builder{Store: store}
	before := b.before(p)
	for _, l := range p.Layers {
		_, err := store.Find(KindLayer, l.Key)
		b.reported(l, Layer{Name: l.Name, Image: l.Image, Key: l.Key, By: l.By}, err == nil, before)
	}
	return b.report
}
