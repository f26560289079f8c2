// Package image makes runtime images out of baked Pythons and wheelhouses: in
// layers, each with a key of its own, each made only when its key moved, and
// installed from files that never enter the image.
//
// NewPlan is pure: the definitions of a chain of images, what they install, and
// pins in; the layers with their keys out. Builder.Ensure makes it.
//
// # Layers
//
//	base     the distro's base image, without documentation, locales and the state of
//	         apt, with the ordinary user
//	python   the packages of the Python, what they depend on, and an empty /venv
//	apt      packages of the distro: the image's own, and those that the house lists
//	wheels   the wheels of the house, in /venv
//	app      the project alone, in /venv
//	files    files of the project; the line of a user who is not the default one
//
// An image that stands on another has the layers of that one and then its own.
// base, python and apt are what a container leaves behind that has no network and
// is given the packages on a read-only volume. wheels and app are put together
// from trees: the files that one wheel installs, with bytecode, made once for a
// wheel and a Python, in a container, and kept in a cache.
//
// Every layer is an artifact of the store, of kind "layer":
//
//	layer.tar.gz    as package layer writes it: sorted, no time later than Epoch
//	layer.json      a Layer
//	facts.json      what the checks ask of its contents: check.Facts
//
// and every image one of kind "image", with the name "image web trixie amd64":
//
//	image.json      an Image: the layers, the configuration, the identities
//	layers.json     where each layer came from when it was made: a list of Reported
//
// Nothing in layers and image.json depends on the time, the machine or its engine: the same inputs
// have the same digest everywhere.
//
// # In the engine
//
// Layers that something is installed on are images of their own there, named
// pybake/layer:trixie-amd64-HASH by what they hold. The finished image is
// pybake/checking:KEY-RANDOM until it has passed its checks; then it gets its tags,
// so that until then a tag means what it meant, and the image that had them before
// is removed if it has no other and nothing uses it.
package image

import "time"

// Kinds of artifacts.
const (
	Kind      = "image"
	KindLayer = "layer"
)

// Format moves when the same inputs give other layers or another image.
const Format = "3"

// Labels of finished images: the key, and the name in pybake.toml.
const (
	LabelKey  = "org.pybake.key"
	LabelName = "org.pybake.name"
)

// Epoch is the latest time that a file of a layer has (SOURCE_DATE_EPOCH of the
// base images, too): what is later was made here, or might have been.
var Epoch = time.Unix(1577836800, 0).UTC()

// Names and places in every image.
const (
	Venv        = "/venv"
	DefaultUser = "app"
	defaultUID  = 1000
	defaultHome = "/home/app"
)
