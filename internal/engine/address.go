package engine

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
)

// Address says where the engine is. The fields are the environment of the
// docker command, read by cmd; the zero value means "find a local engine".
type Address struct {
	Host       string // DOCKER_HOST: "unix:///run/docker.sock", "tcp://10.0.0.5:2376", "ssh://me@box"; wins over Context
	Context    string // DOCKER_CONTEXT: "desktop-linux"; empty is currentContext of ConfigDir/config.json
	TLSVerify  bool   // DOCKER_TLS_VERIFY is set: tcp is TLS and the server's certificate is checked
	CertPath   string // DOCKER_CERT_PATH: directory of ca.pem, cert.pem, key.pem; empty is ConfigDir
	ConfigDir  string // DOCKER_CONFIG, else $HOME/.docker
	RuntimeDir string // XDG_RUNTIME_DIR, where rootless engines listen
}

// target is one place to try.
type target struct {
	host string
	tls  *tlsFiles // nil: no TLS
}

// tlsFiles names PEM files; an empty name is a file that is not there.
type tlsFiles struct {
	ca, cert, key string
	skipVerify    bool
}

// targets resolves the address the way the docker command does: host, then
// named context, then current context, then the well-known local sockets.
func (a Address) targets() ([]target, error) {
	if a.Host != "" {
		t := target{host: a.Host}
		if strings.HasPrefix(a.Host, "tcp://") && (a.TLSVerify || a.CertPath != "") {
			dir := a.CertPath
			if dir == "" {
				dir = a.ConfigDir
			}
			t.tls = filesIn(dir, !a.TLSVerify)
		}
		return []target{t}, nil
	}
	name, err := a.contextName()
	if err != nil {
		return nil, err
	}
	if name != "" && name != "default" {
		t, err := a.context(name)
		if err != nil {
			return nil, fmt.Errorf("docker context %q: %w", name, err)
		}
		return []target{t}, nil
	}
	local := []target{{host: "unix:///var/run/docker.sock"}}
	if a.RuntimeDir != "" {
		local = append(local,
			target{host: "unix://" + filepath.Join(a.RuntimeDir, "docker.sock")},
			target{host: "unix://" + filepath.Join(a.RuntimeDir, "podman", "podman.sock")})
	}
	return append(local, target{host: "unix:///run/podman/podman.sock"}), nil
}

// contextName is the context asked for; empty when none is.
func (a Address) contextName() (string, error) {
	if a.Context != "" || a.ConfigDir == "" {
		return a.Context, nil
	}
	path := filepath.Join(a.ConfigDir, "config.json")
	data, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return "", nil
	}
	if err != nil {
		return "", fmt.Errorf("read docker config: %w", err)
	}
	var config struct {
		CurrentContext string `json:"currentContext"`
	}
	if err := json.Unmarshal(data, &config); err != nil {
		return "", fmt.Errorf("read docker config %s: %w", path, err)
	}
	return config.CurrentContext, nil
}

// context reads a context of the docker command: contexts/meta/ID/meta.json
// and contexts/tls/ID/docker/*.pem, where ID is the SHA-256 of its name.
func (a Address) context(name string) (target, error) {
	sum := sha256.Sum256([]byte(name))
	id := hex.EncodeToString(sum[:])
	path := filepath.Join(a.ConfigDir, "contexts", "meta", id, "meta.json")
	data, err := os.ReadFile(path)
	if err != nil {
		return target{}, err
	}
	var meta struct {
		Endpoints map[string]struct {
			Host          string
			SkipTLSVerify bool
		}
	}
	if err := json.Unmarshal(data, &meta); err != nil {
		return target{}, fmt.Errorf("read %s: %w", path, err)
	}
	docker := meta.Endpoints["docker"]
	if docker.Host == "" {
		return target{}, fmt.Errorf("read %s: no host for endpoint docker", path)
	}
	t := target{host: docker.Host}
	files := filesIn(filepath.Join(a.ConfigDir, "contexts", "tls", id, "docker"), docker.SkipTLSVerify)
	if files.ca != "" || files.cert != "" || files.skipVerify {
		t.tls = files
	}
	return t, nil
}

// filesIn names the TLS files that dir holds.
func filesIn(dir string, skipVerify bool) *tlsFiles {
	find := func(name string) string {
		path := filepath.Join(dir, name)
		if _, err := os.Stat(path); err != nil {
			return ""
		}
		return path
	}
	return &tlsFiles{ca: find("ca.pem"), cert: find("cert.pem"), key: find("key.pem"), skipVerify: skipVerify}
}
