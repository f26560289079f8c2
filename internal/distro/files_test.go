package distro

import (
	"testing"

	"github.com/google/go-cmp/cmp"
)

// TestHoldersIn has lines of trixie's indexes.
func TestHoldersIn(t *testing.T) {
	const out = `usr/include/postgresql/libpq-fe.h   libdevel/libpq-dev
usr/bin/pg_config   libdevel/libpq-dev
usr/bin/pg_config   database/postgresql-common
usr/include/botan-2/botan/ffi.h   libdevel/libbotan-2-dev
usr/include/botan-3/botan/ffi.h   libdevel/libbotan-3-dev
usr/include/x86_64-linux-gnu/ffi.h   libdevel/libffi-dev
usr/include/flann/io/hdf5.h   libdevel/libflann-dev
usr/include/hdf5/mpich/hdf5.h   libdevel/libhdf5-mpich-dev
usr/include/hdf5/openmpi/hdf5.h   libdevel/libhdf5-openmpi-dev
usr/include/hdf5/serial/hdf5.h   libdevel/libhdf5-dev
usr/lib/conky/libcairo.so   contrib/utils/conky-all
usr/lib/x86_64-linux-gnu/libcairo.so   libdevel/libcairo2-dev
usr/lib/x86_64-linux-gnu/pkgconfig/cairo.pc   libdevel/libcairo2-dev
usr/include/zlib.h   libdevel/zlib1g-dev
usr/include/tbox/zip/zlib.h   libdevel/libtbox-dev
usr/x86_64-w64-mingw32/include/zlib.h   libdevel/libz-mingw-w64-dev
usr/aarch64-linux-gnu/include/zlib.h   libdevel/zlib1g-dev-arm64-cross
usr/include/i386-linux-gnu/ffi.h   libdevel/libffi-dev-i386
usr/share/emscripten/cache/zlib.h   devel/emscripten
usr/include/diet/sys/xattr.h   devel/dietlibc-dev
usr/lib/python3/dist-packages/numpy/core/include/numpy/arrayobject.h   python/python3-numpy
usr/share/doc/examples/zlib.h   doc/zlib-doc
usr/include/one/odd.h   libdevel/a-dev,libdevel/b-dev
usr/include/two/odd.h   libdevel/c-dev,non-free/libdevel/d-dev
usr/include/three/odd.h   libdevel/e-dev
`
	got := holdersIn(parseContents(out), "x86_64-linux-gnu", []string{
		"/libpq-fe.h", "/bin/pg_config", "/ffi.h", "/hdf5.h", "/libcairo.so", "/cairo.pc", "/zlib.h", "/sys/xattr.h", "/numpy/arrayobject.h", "/odd.h",
	})
	want := map[string][]Holder{
		"/libpq-fe.h":    {{"libpq-dev", "main", "usr/include/postgresql/libpq-fe.h"}},
		"/bin/pg_config": {{"libpq-dev", "main", "usr/bin/pg_config"}, {"postgresql-common", "main", "usr/bin/pg_config"}},
		"/ffi.h": {
			{"libffi-dev", "main", "usr/include/x86_64-linux-gnu/ffi.h"},
			{"libbotan-2-dev", "main", "usr/include/botan-2/botan/ffi.h"},
			{"libbotan-3-dev", "main", "usr/include/botan-3/botan/ffi.h"},
		},
		"/hdf5.h": {
			{"libhdf5-dev", "main", "usr/include/hdf5/serial/hdf5.h"},
			{"libhdf5-mpich-dev", "main", "usr/include/hdf5/mpich/hdf5.h"},
			{"libhdf5-openmpi-dev", "main", "usr/include/hdf5/openmpi/hdf5.h"},
		},
		"/libcairo.so": {{"libcairo2-dev", "main", "usr/lib/x86_64-linux-gnu/libcairo.so"}, {"conky-all", "contrib", "usr/lib/conky/libcairo.so"}},
		"/cairo.pc":    {{"libcairo2-dev", "main", "usr/lib/x86_64-linux-gnu/pkgconfig/cairo.pc"}},
		"/zlib.h":      {{"zlib1g-dev", "main", "usr/include/zlib.h"}, {"libtbox-dev", "main", "usr/include/tbox/zip/zlib.h"}},
		"/odd.h": {
			{"a-dev", "main", "usr/include/one/odd.h"}, {"b-dev", "main", "usr/include/one/odd.h"}, {"c-dev", "main", "usr/include/two/odd.h"},
		},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}
