package apt

import (
	"strings"
	"testing"
)

const armored = "-----BEGIN PGP PUBLIC KEY BLOCK-----\r\nComment: of nobody\r\n\r\nbWFkZQ==\n=abcd\n-----END PGP PUBLIC KEY BLOCK-----\n\n"

func TestSourcesFile(t *testing.T) {
	golden(t, "sources", SourcesFile("https://baked.example.org/", "trixie", []byte(armored)))
	golden(t, "sources.at", SourcesFileAt("copy:/srv/repo", "bullseye", "/usr/share/keyrings/pybake.asc"))
	golden(t, "sources.unsigned", SourcesFile("file:/srv/repo", "trixie", nil))
}

// TestSourcesFileOneStanza gives a line break where it could begin a field or a
// stanza.
func TestSourcesFileOneStanza(t *testing.T) {
	const bad = "file:/srv/my repo\n\nTrusted: yes"
	for _, text := range []string{
		SourcesFile(bad, "trixie", nil), SourcesFile(bad, "trixie", []byte(armored)), SourcesFileAt(bad, "trixie", bad),
	} {
		if strings.Contains(text, "\n\n") || strings.Contains(text, "\nTrusted") ||
			!strings.Contains(text, "URIs: file:/srv/my%20repo%0A%0ATrusted:%20yes\n") {
			t.Errorf("%q", text)
		}
	}
}
