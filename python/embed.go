package python

import _ "embed"

var (
	//go:embed job.sh
	jobScript []byte
	//go:embed workload.py
	workloadScript []byte
	//go:embed packages.toml
	packagesTOML []byte
	//go:embed proof/check.py
	checkScript []byte
	//go:embed proof/probe.c
	probeSource []byte
	//go:embed proof/embed.c
	embedSource []byte
	//go:embed proof/frames.py
	framesScript []byte
	//go:embed vary/disorder.c
	disorderSource []byte
	//go:embed externally-managed
	externallyManaged []byte
)

// format moves when the packages change for the same inputs because of the Go
// code here.
const format = "1"

// Maintainer is the field of that name in all packages (Debian policy 5.6.2).
const Maintainer = "pybake <pybake@users.noreply.github.com>"
