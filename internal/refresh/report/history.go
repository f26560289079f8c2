package report

import "time"

// past is nights.json; see the package comment.
type past struct {
	Format    int          `json:"format"`
	Nights    []pastNight  `json:"nights"`
	Artifacts []pastColumn `json:"artifacts"`
}

type pastNight struct {
	Started    time.Time      `json:"started"`
	Finished   time.Time      `json:"finished"`
	Generation int            `json:"generation,omitempty"`
	Trouble    int            `json:"trouble,omitempty"` // how much could not be looked at
	States     map[string]int `json:"states"`            // those that occur
}

type pastColumn struct {
	Name    string    `json:"name"`
	Kind    string    `json:"kind"`
	States  string    `json:"states"`
	Bytes   []int64   `json:"bytes"`
	Seconds []float64 `json:"seconds"`
}

var letters = map[string]byte{Fresh: 'f', Rebuilt: 'r', Stale: 's', Failed: 'x', Skipped: 'k'}

// columns are nights in the form of nights.json.
func columns(nights []Night) past {
	p := past{Format: format, Nights: []pastNight{}, Artifacts: []pastColumn{}}
	for i := range nights {
		n := &nights[i]
		had := map[string]int{}
		for _, c := range counts(n) {
			if c.N > 0 {
				had[c.State] = c.N
			}
		}
		p.Nights = append(p.Nights, pastNight{n.Started, n.Finished, n.Generation, len(n.Trouble), had})
	}
	l := newLedger(nights)
	for i := range nights[0].Artifacts {
		now := &nights[0].Artifacts[i]
		c := pastColumn{Name: now.Name, Kind: now.Kind}
		for _, a := range l.row(now.Name) {
			if a == nil {
				c.States += "-"
				c.Bytes, c.Seconds = append(c.Bytes, 0), append(c.Seconds, 0)
				continue
			}
			letter, ok := letters[a.State]
			if !ok {
				letter = '?'
			}
			seconds := 0.0
			if a.built() {
				seconds = a.Seconds
			}
			c.States += string(letter)
			c.Bytes, c.Seconds = append(c.Bytes, a.Size), append(c.Seconds, seconds)
		}
		p.Artifacts = append(p.Artifacts, c)
	}
	return p
}
