package cargo

import (
	"bytes"
	"errors"
	"fmt"
	"strings"

	"github.com/pelletier/go-toml/v2"
)

// taken are the tables of a configuration that say where crates are, and what is left
// out of them: programs, which would run, and files of this machine.
var taken = map[string][]string{
	"source":     nil,
	"registries": {"credential-provider"},
	"registry":   {"credential-provider", "global-credential-providers"},
	"http":       {"cainfo", "proxy-cainfo"},
	"net":        {"git-fetch-with-cli", "ssh", "offline"},
}

// Places is the part of a configuration of cargo (config.toml, credentials.toml) that
// says where crates are, for a container. file is what errors call it; env looks up
// variables: CARGO_REGISTRIES_CORP_TOKEN is the token of the registry "corp". A source
// that is a directory is an error, because a container does not have it.
func Places(file string, text []byte, env func(string) string) ([]byte, error) {
	var all map[string]any
	if err := toml.Unmarshal(text, &all); err != nil {
		if bad, ok := errors.AsType[*toml.DecodeError](err); ok {
			line, col := bad.Position()
			return nil, fmt.Errorf("%s:%d:%d: %w", file, line, col, err)
		}
		return nil, fmt.Errorf("%s: %w", file, err)
	}
	out := map[string]any{}
	for name, without := range taken {
		table, ok := all[name].(map[string]any)
		if !ok {
			continue
		}
		leave(table, without)
		for of, entry := range table {
			entry, ok := entry.(map[string]any)
			if !ok {
				continue
			}
			leave(entry, without)
			for _, key := range []string{"directory", "local-registry"} {
				if dir, ok := entry[key]; ok && name == "source" {
					return nil, fmt.Errorf("%s: source.%s.%s: %v: cargo runs in a container, which has no files of this machine; want a registry", file, of, key, dir)
				}
			}
			if token := env("CARGO_REGISTRIES_" + strings.ToUpper(strings.ReplaceAll(of, "-", "_")) + "_TOKEN"); token != "" && name == "registries" {
				entry["token"] = token
			}
		}
		out[name] = table
	}
	var b bytes.Buffer
	err := toml.NewEncoder(&b).Encode(out)
	return b.Bytes(), err
}

func leave(table map[string]any, keys []string) {
	for _, key := range keys {
		delete(table, key)
	}
}
