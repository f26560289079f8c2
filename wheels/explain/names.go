package explain

// moduleNames are projects whose modules have other names.
var moduleNames = map[string]string{
	"Crypto": "pycryptodome", "Cython": "cython", "OpenSSL": "pyopenssl", "PIL": "pillow", "attr": "attrs", "flit_core": "flit-core",
	"dateutil": "python-dateutil", "git": "gitpython", "hatch_vcs": "hatch-vcs", "jupyter_packaging": "jupyter-packaging",
	"mesonpy": "meson-python", "pdm": "pdm-backend", "poetry": "poetry-core", "scikit_build_core": "scikit-build-core",
	"setuptools_git": "setuptools-git", "setuptools_rust": "setuptools-rust", "setuptools_scm": "setuptools-scm", "skbuild": "scikit-build", "sklearn": "scikit-learn",
	"sipbuild": "sip", "yaml": "pyyaml",
}

// programProjects are projects that bring a program; what a distro has of them is for
// the distro's own Python.
var programProjects = map[string]string{
	"cython": "cython", "cython3": "cython", "meson": "meson", "pybind11-config": "pybind11", "pythran": "pythran", "pythran-config": "pythran",
	"numpy-config": "numpy", "f2py": "numpy", "sip-build": "sip", "maturin": "maturin", "scons": "scons",
}

// headerProjects are projects that bring headers.
var headerProjects = map[string]string{
	"numpy/arrayobject.h": "numpy", "numpy/ndarrayobject.h": "numpy", "numpy/npy_math.h": "numpy", "numpy/ufuncobject.h": "numpy",
	"pybind11/pybind11.h": "pybind11", "pybind11/numpy.h": "pybind11", "pybind11/stl.h": "pybind11", "nanobind/nanobind.h": "nanobind",
	"greenlet/greenlet.h": "greenlet", "cppy/cppy.h": "cppy",
}

// moduleProjects are projects that bring what CMake and meson look for.
var moduleProjects = map[string]string{
	"pybind11": "pybind11", "nanobind": "nanobind", "numpy": "numpy", "cython": "cython", "pythran": "pythran", "scikitbuild": "scikit-build",
}

// pillowHeaders are of the features of pillow.
var pillowHeaders = map[string]string{
	"jpeg": "jpeglib.h", "zlib": "zlib.h", "tiff": "tiffio.h", "freetype": "ft2build.h", "raqm": "raqm.h", "lcms": "lcms2.h", "webp": "webp/decode.h",
	"jpeg2000": "openjpeg.h", "imagequant": "libimagequant.h", "xcb": "xcb/xcb.h", "avif": "avif/avif.h",
}

// moduleFiles are what CMake and meson know by names that no file has; in lower case.
var moduleFiles = map[string][]string{
	"alsa":       {"/alsa.pc"},
	"blas":       {"/libblas.so", "/openblas.pc"},
	"boost":      {"/BoostConfig.cmake", "/boost/version.hpp"},
	"bzip2":      {"/bzlib.h"},
	"curl":       {"/libcurl.pc"},
	"expat":      {"/expat.pc"},
	"ffi":        {"/libffi.pc"},
	"fftw":       {"/fftw3.pc"},
	"freetype":   {"/freetype2.pc"},
	"gdal":       {"/gdal.pc"},
	"geos":       {"/geos.pc"},
	"git":        {"/bin/git"},
	"glib":       {"/glib-2.0.pc"},
	"gmp":        {"/gmp.h"},
	"hdf5":       {"/hdf5.pc", "/hdf5.h"},
	"jpeg":       {"/libjpeg.pc", "/jpeglib.h"},
	"lapack":     {"/liblapack.so", "/openblas.pc"},
	"liblzma":    {"/liblzma.pc"},
	"libxml2":    {"/libxml-2.0.pc"},
	"libxslt":    {"/libxslt.pc"},
	"lz4":        {"/liblz4.pc"},
	"mpi":        {"/mpi.h"},
	"mysql":      {"/mariadb.pc"},
	"netcdf":     {"/netcdf.pc"},
	"opencv":     {"/opencv4.pc"},
	"opengl":     {"/gl.pc"},
	"openblas":   {"/openblas.pc"},
	"openssl":    {"/openssl.pc"},
	"png":        {"/libpng.pc"},
	"postgresql": {"/libpq.pc", "/libpq-fe.h"},
	"proj":       {"/proj.pc"},
	"protobuf":   {"/protobuf.pc"},
	"sdl2":       {"/sdl2.pc"},
	"sqlite3":    {"/sqlite3.pc"},
	"tiff":       {"/libtiff-4.pc"},
	"udev":       {"/libudev.pc"},
	"webp":       {"/libwebp.pc"},
	"x11":        {"/x11.pc"},
	"yaml":       {"/yaml-0.1.pc"},
	"zeromq":     {"/libzmq.pc"},
	"zlib":       {"/zlib.pc"},
	"zstd":       {"/libzstd.pc"},
}
