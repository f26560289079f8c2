package engine

import (
	"crypto/sha256"
	"encoding/hex"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestTargets(t *testing.T) {
	sum := sha256.Sum256([]byte("tls"))
	contextTLS := filepath.Join("testdata/config/contexts/tls", hex.EncodeToString(sum[:]), "docker")
	docker := target{host: "unix:///var/run/docker.sock"}
	podman := target{host: "unix:///run/podman/podman.sock"}
	far := target{host: "ssh://me@box.example.org"}
	tests := []struct {
		name string
		a    Address
		want []target
	}{
		{"nothing", Address{}, []target{docker, podman}},
		{"no config file", Address{ConfigDir: "testdata/none"}, []target{docker, podman}},
		{"config without a context", Address{ConfigDir: "testdata/plain"}, []target{docker, podman}},
		{"rootless", Address{RuntimeDir: "/run/user/7"}, []target{docker, {host: "unix:///run/user/7/docker.sock"}, {host: "unix:///run/user/7/podman/podman.sock"}, podman}},
		{"current context", Address{ConfigDir: "testdata/config"}, []target{far}},
		{"host over context", Address{ConfigDir: "testdata/config", Context: "tls", Host: "unix:///x.sock"}, []target{{host: "unix:///x.sock"}}},
		{"default over current context", Address{ConfigDir: "testdata/config", Context: "default"}, []target{docker, podman}},
		{"context with TLS", Address{ConfigDir: "testdata/config", Context: "tls"}, []target{{host: "tcp://box.example.org:2376", tls: &tlsFiles{
			ca: contextTLS + "/ca.pem", cert: contextTLS + "/cert.pem", key: contextTLS + "/key.pem"}}}},
		{"context that does not verify", Address{ConfigDir: "testdata/config", Context: "lax"}, []target{{host: "tcp://box.example.org:2376", tls: &tlsFiles{skipVerify: true}}}},
		{"tcp", Address{Host: "tcp://box.example.org:2375"}, []target{{host: "tcp://box.example.org:2375"}}},
		{"tcp with TLS", Address{Host: "tcp://box.example.org:2376", TLSVerify: true, CertPath: contextTLS}, []target{{host: "tcp://box.example.org:2376", tls: &tlsFiles{
			ca: contextTLS + "/ca.pem", cert: contextTLS + "/cert.pem", key: contextTLS + "/key.pem"}}}},
		{"tcp with certificates in the config", Address{Host: "tcp://box.example.org:2376", TLSVerify: true, ConfigDir: contextTLS}, []target{{host: "tcp://box.example.org:2376", tls: &tlsFiles{
			ca: contextTLS + "/ca.pem", cert: contextTLS + "/cert.pem", key: contextTLS + "/key.pem"}}}},
		{"TLS that does not verify", Address{Host: "tcp://box.example.org:2376", CertPath: "testdata/none"}, []target{{host: "tcp://box.example.org:2376", tls: &tlsFiles{skipVerify: true}}}},
		{"unix needs no TLS", Address{Host: "unix:///x.sock", TLSVerify: true}, []target{{host: "unix:///x.sock"}}},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			got, err := test.a.targets()
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(test.want, got, cmp.AllowUnexported(target{}, tlsFiles{})); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestTargetsFail(t *testing.T) {
	tests := []struct {
		name string
		a    Address
		want string
	}{
		{"unknown context", Address{ConfigDir: "testdata/config", Context: "nowhere"}, `docker context "nowhere"`},
		{"broken config", Address{ConfigDir: "testdata/broken"}, "testdata/broken/config.json"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			got, err := test.a.targets()
			if err == nil || !strings.Contains(err.Error(), test.want) {
				t.Errorf("got %v, %v; want an error with %s", got, err, test.want)
			}
		})
	}
}
