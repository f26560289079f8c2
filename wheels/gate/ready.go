package gate

import (
	"archive/tar"
	"bytes"
	"context"
	_ "embed"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/pybake/pybake/internal/distro"
	"github.com/pybake/pybake/internal/engine"
)

var (
	//go:embed proof/common.py
	commonText string
	//go:embed proof/install.py
	installText string
	//go:embed proof/use.py
	useText string
	//go:embed proof/attempt.py
	attemptText string
	//go:embed proof/house.py
	mainText string
)

// houseText is house.py as a container gets it: one file, for modules of ours could be
// taken for those of a wheel.
func houseText() string {
	return commonText + installText + useText + attemptText + mainText
}

// What images of this package are, as labels and names say it.
const (
	readyImage  = "proof"
	ProvedImage = "proved" // has a house that was proved, for the next proof to begin with
)

// Ready makes sure that the engine has the image that proofs begin with, and
// returns its name: the base with the packages of the Python and what they depend
// on, and an empty virtual environment.
func (g *Gate) Ready(ctx context.Context) (string, error) {
	sum := hashOf(Format, g.Base.Digest, g.PythonPackages, g.Python, g.Prefix, houseText())
	ref := "pybake/" + readyImage + ":" + g.Target.String() + "-" + g.Series + "-" + sum[:12]
	if _, found, err := g.Distros.Engine.Image(ctx, ref); found || err != nil {
		return ref, err
	}
	done := g.Report.Step("image to prove houses in")
	err := g.makeReady(ctx, ref)
	done(err)
	if err != nil {
		return "", fmt.Errorf("image to prove houses in: %w", err)
	}
	return ref, nil
}

func (g *Gate) makeReady(ctx context.Context, ref string) error {
	own, err := g.pythonFiles(ctx)
	if err != nil {
		return err
	}
	c, err := g.start(ctx, distro.BaseRef(g.Target, g.Base.Digest))
	if err != nil {
		return err
	}
	defer c.Remove(ctx)
	if err := g.Distros.Install(ctx, c, own); err != nil {
		return fmt.Errorf("packages of the Python: %w", err)
	}
	config, err := json.Marshal(g.places())
	if err != nil {
		return err
	}
	files, err := proofFiles(config)
	if err != nil {
		return err
	}
	if err := c.Put(ctx, "/", files); err != nil {
		return err
	}
	var said lastBytes
	out := io.MultiWriter(g.Report.Output(), &said)
	err = c.Exec(ctx, engine.Command{Argv: g.house("prepare"), User: "0:0", Dir: "/", Stdout: out, Stderr: out})
	if errors.As(err, new(*engine.ExitError)) && !engine.IsGone(err) {
		return fmt.Errorf("%w: %s", err, strings.TrimSpace(string(said)))
	}
	if err != nil {
		return err
	}
	_, err = c.Commit(ctx, ref, engine.ImageConfig{Labels: g.labels(readyImage)})
	if err != nil {
		return err
	}
	return c.Remove(ctx)
}

// labels are those of an image that stands on the base.
func (g *Gate) labels(purpose string) map[string]string {
	return map[string]string{distro.Label: purpose, "org.pybake.base": g.Base.Digest}
}

// start starts a container of root with no network.
func (g *Gate) start(ctx context.Context, image string) (*engine.Container, error) {
	return g.Distros.Start(ctx, engine.Spec{Image: image, Purpose: "house-" + g.Target.String(), NoNames: true})
}

// places say where things are, in the words of house.py.
func (g *Gate) places() map[string]any {
	return map[string]any{
		"python": g.Prefix + "/bin/python" + g.Series, "venv": venvDir, "house": houseDir, "state": stateDir, "tmp": tmpDir,
	}
}

// house runs house.py.
func (g *Gate) house(mode string) []string {
	return []string{g.Prefix + "/bin/python" + g.Series, "-I", "-B", "-u", proofDir + "/house.py", mode, proofDir + "/config.json"}
}

// proofFiles is a tar of house.py and its configuration.
func proofFiles(config []byte) (io.Reader, error) {
	var b bytes.Buffer
	w := tar.NewWriter(&b)
	if err := putProof(w, config); err != nil {
		return nil, err
	}
	return &b, w.Close()
}

func putProof(tw *tar.Writer, config []byte) error {
	for _, f := range []struct {
		name string
		data []byte
	}{{proofDir + "/house.py", []byte(houseText())}, {proofDir + "/config.json", config}} {
		h := tar.Header{Name: strings.TrimPrefix(f.name, "/"), Typeflag: tar.TypeReg, Mode: 0o644, Size: int64(len(f.data))}
		if err := tw.WriteHeader(&h); err != nil {
			return err
		}
		if _, err := tw.Write(f.data); err != nil {
			return err
		}
	}
	return nil
}
