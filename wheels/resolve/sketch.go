package resolve

import (
	"errors"
	"strings"
)

type mdata struct {
	Name, ReleaseVersion, RequiresPython string
	RequiresDist, ProvidesExtra          []string
}

func parseMetadata(text []byte) (mdata, error) {
	var m mdata
	for line := range strings.SplitSeq(string(text), "\n") {
		line = strings.TrimRight(line, "\r")
		if line == "" {
			break
		}
		k, v, ok := strings.Cut(line, ":")
		if !ok {
			continue
		}
		v = strings.TrimSpace(v)
		switch strings.ToLower(k) {
		case "name":
			m.Name = v
		case "version":
			m.ReleaseVersion = v
		case "requires-python":
			m.RequiresPython = v
		case "requires-dist":
			m.RequiresDist = append(m.RequiresDist, v)
		case "provides-extra":
			m.ProvidesExtra = append(m.ProvidesExtra, v)
		}
	}
	if m.Name == "" {
		return m, errors.New("no name")
	}
	return m, nil
}
