#!/bin/sh
# One step of a CPython job, run inside the builder container as an ordinary user with no network.
#
#   job.sh STEP          configure | train | profile | freeze | compile | install | bytecode | strip
#
# Read from the environment:
#   SRC       the extracted source, also the build directory        /build/src
#   DESTDIR   the staged tree                                       /build/stage
#   OUT       files for other jobs                                  /build/out
#   SERIES    3.13
#   ABI       the series with its ABI flags, 3.13 or 3.13t
#   LIB       the standard library below the prefix, lib/python3.13
#   PREFIX    /opt/python/3.13
#   MODE      full (PGO and LTO) | plain (neither)
#   JOBS      processes at once; changes no bit of the result
#   CONFIGURE arguments to configure, one word each
#   RECIPE_CFLAGS  code generation flags of the recipe
#   BUILTIN   extension modules that are linked into the interpreter, one word each
#   PROFILE_ARGS  the tests to train on, arguments to the instrumented python
#   WORKLOAD  the program to train on after them                    /build/workload.py
set -eu
export LC_ALL=C.UTF-8 TZ=UTC PYTHONHASHSEED=0 PYTHONDONTWRITEBYTECODE=1
umask 022
cd "$SRC"
multiarch=$(dpkg-architecture -qDEB_HOST_MULTIARCH)
libpl=$PREFIX/$LIB/config-$ABI-$multiarch
map="-ffile-prefix-map=$SRC=/usr/src/pybake-python$SERIES"
soname=libpython$ABI.so.1.0

# The distro's hardening flags, without its choice of optimisation, debug level and path maps, which are ours. Landing
# pads for indirect jumps (IBT), which Linux does not use in programs, would be an instruction more for each opcode.
hardening() {
	DEB_BUILD_MAINT_OPTIONS='hardening=+all reproducible=-fixfilepath,-fixdebugpath optimize=-lto' \
		DEB_CFLAGS_MAINT_STRIP='-g -O2' dpkg-buildflags --get "$1" | sed 's/-fcf-protection\>/-fcf-protection=return/'
}

# What configure makes is a function of the source, the toolchain and the arguments: a later job of the same inputs is
# handed the files (OUT/configured.tar of an earlier one, extracted over the source) and spares itself the half minute.
# A config.cache would not do: the answers of 3.13 depend on which of its questions were cached.
step_configure() {
	if [ ! -e Makefile ]; then
		run_configure
		find . \( -newer .extracted -o -path ./Modules/Setup.local \) -type f ! -name config.log ! -path './conftest*' | LC_ALL=C sort > configured.list
		tar -cf "$OUT/configured.tar" --mtime="@$(stat -c %Y Makefile)" --owner=0 --group=0 --numeric-owner -T configured.list
	fi
	# configure asks for LTO in one partition with fat objects. Balanced partitions compile in parallel, and slim
	# objects once; what comes out is the same.
	sed -i -E "/^CONFIGURE_(C|LD)FLAGS_NODIST=/{
		s/-flto-partition=[a-z]+/-flto-partition=balanced/
		s/-ffat-lto-objects/-fno-fat-lto-objects/
		s/-flto( |\$)/-flto=auto\1/
	}" Makefile
	[ ! -e setup.py ] || relative
}

# What counts the training has for a file goes by its path, and up to 3.11 setup.py gives that of its extension modules
# from the root. These are the paths from here: another directory has the same ones.
relative() {
	sed -i "/^    def build_extension(self, ext):\$/a\\
        for of, name in (ext, 'sources'), (ext, 'include_dirs'), (self.compiler, 'include_dirs'):\\
            setattr(of, name, [os.path.relpath(p) if (p + '/').startswith('$SRC/') else p for p in getattr(of, name)])" setup.py
	grep -q os.path.relpath setup.py
}

# Modules that are linked in are not looked up and opened when they are imported, and LTO sees both sides of every call.
# Their sources are where the series lists them: Setup.stdlib.in, up to 3.10 a comment of Setup.
linked() {
	echo '*static*'
	for name in $BUILTIN; do
		sed -nE "s/^#?(@MODULE_[A-Z0-9_]+_TRUE@)?($name [^#]*).*/\2/p" $(find Modules -maxdepth 1 -name Setup.stdlib.in) Modules/Setup |
			grep -m 1 . || {
			echo "job.sh: there is no module $name to link in" >&2
			exit 2
		}
	done
}

run_configure() {
	touch .extracted
	linked > Modules/Setup.local
	[ "$MODE" = full ] && set -- --enable-optimizations --with-lto || set --
	# Fortify and its friends are preprocessor flags: for the interpreter's own files, not for what users compile.
	# Variables of a thread (the state of the interpreter's, asked for everywhere) are at a fixed place from the start, also
	# for libpython, which would call a function for each look at one.
	# shellcheck disable=SC2086 # one word each
	CONFIG_SHELL=/bin/sh ./configure --prefix="$PREFIX" "$@" $CONFIGURE CC=gcc CXX=g++ \
		CFLAGS_NODIST="$(hardening CPPFLAGS) $(hardening CFLAGS) $RECIPE_CFLAGS -fPIC -ftls-model=initial-exec $map" \
		LDFLAGS_NODIST="$(hardening LDFLAGS) $map"
}

frozen() {
	find Python/frozen_modules Python/deepfreeze -type f -name '*.[ch]' 2>/dev/null | LC_ALL=C sort
}

# Without LTO the instrumented build takes half as long and counts the same.
step_train() {
	sed -i -E '/^CONFIGURE_(C|LD)FLAGS_NODIST=/s/ -(flto[^ ]*|fuse-linker-plugin|fno-fat-lto-objects)//g
		/^(CONFIGURE_CFLAGS_NODIST|OPT)=/s/ -g( |$)/\1/g' Makefile
	gen=$(sed -n 's/^PGO_PROF_GEN_FLAG=//p' Makefile)
	make -j"$JOBS" build_all CFLAGS_NODIST="$gen" LDFLAGS_NODIST="$gen"
	keep_frozen
}

# What freezing reads, in one hash.
freezes() {
	find Include Lib Modules Objects Parser Programs Python Tools -type f \( -name '*.[ch]' -o -name '*.py' \) \
		! -path 'Python/frozen_modules/*' ! -path 'Python/deepfreeze/*' | LC_ALL=C sort | xargs -d '\n' sha256sum | sha256sum
}

# The frozen modules that a bootstrap interpreter made are the same for every build of this source, which is named beside.
keep_frozen() {
	freezes > frozen.source
	{ echo frozen.source && frozen; } > frozen.list
	tar -cf "$OUT/frozen.tar" --mtime=@0 --owner=0 --group=0 --numeric-owner --mode=0644 -T frozen.list
}

step_profile() {
	# What the build itself ran is not what people run.
	find . -name '*.gcda' -delete
	# The tests and the workload side by side: their counts are added up under a lock. A test that fails is not the
	# build's failure, it was there to be counted; but both must have run.
	status=0
	# shellcheck disable=SC2086 # one word each
	./python $PROFILE_ARGS &
	./python "$WORKLOAD" 1.5
	wait $! || status=$?
	[ "$status" -lt 126 ] || exit "$status"
	find . -name '*.gcda' | LC_ALL=C sort > gcda.list
	[ -s gcda.list ] || {
		echo 'the training left no profile' >&2
		exit 1
	}
	# The frozen modules go along: who builds the same source need not make them.
	cat frozen.list >> gcda.list
	tar -cf "$OUT/profile.tar" --mtime=@0 --owner=0 --group=0 --numeric-owner --mode=0644 -T gcda.list
}

# The frozen modules for a source that was not trained on: a bootstrap interpreter is built aside, in a hurry.
step_freeze() {
	if [ -e frozen.source ] && freezes | cmp -s - frozen.source; then
		echo 'the frozen modules of the profile are those of this source'
	elif grep -q '^Python/frozen_modules/' Makefile; then
		cp -a . ../freeze
		cd ../freeze
		sed -i -E '/^CONFIGURE_(C|LD)FLAGS_NODIST=/s/ -(flto[^ ]*|fuse-linker-plugin|fno-fat-lto-objects|O[0-9s])//g
			/^OPT=/s/ -(g|O[0-9s])( |$)/\2/g' Makefile
		make -j"$JOBS" Modules/getpath.o Python/frozen.o CFLAGS_NODIST="-O0 -U_FORTIFY_SOURCE"
		! grep -q '^Python/deepfreeze/deepfreeze.c:' Makefile || make -j"$JOBS" Python/deepfreeze/deepfreeze.c CFLAGS_NODIST="-O0 -U_FORTIFY_SOURCE"
	fi
	keep_frozen
	[ "$PWD" = "$SRC" ] || tar -xf "$OUT/frozen.tar" -C "$SRC"
	rm -rf ../freeze
}

# Every call of make after the training says the same, so that nothing is built twice.
build() {
	if [ "$MODE" = plain ]; then
		make "$@"
		return
	fi
	# A function that changed since the training goes without its counts; it is no error.
	# Hot is what makes up 99.9 % of the training, not 99: no piece of the workload is more than a fiftieth of it.
	use="$(sed -n 's/^PGO_PROF_USE_FLAG=//p' Makefile) -Wno-error=coverage-mismatch --param=hot-bb-count-ws-permille=999"
	make FREEZE_MODULE_BOOTSTRAP_DEPS= FREEZE_MODULE_DEPS= "$@" \
		CFLAGS_NODIST="$use" LDFLAGS_NODIST="$use"
}

# Rules beside those of CPython's Makefile.
#
# ceval and sre jump from one opcode to the next through a table. What gcse finds in common among hundreds of opcodes
# takes the registers from what all of them use, and GCC's manual advises against it.
#
# Code is generated once, for libpython, and linked twice: position independent and with the same exports, it does for
# the program, where the linker turns the ways through GOT and PLT into direct ones.
#
# A module that is a file of its own has nothing to be optimised with when it is linked.
rules() {
	# What the linker had in the end: what LTO made, the debug information that it took from the objects, and objects that
	# never were for LTO.
	generated="sed -n 's,^LOAD \([^/].*\.o\)\$\$,\1,p' libpython.map | xargs grep -L '\.gnu\.lto_'"
	cat <<- EOF
		Python/ceval.o Modules/_sre.o Modules/_sre/sre.o: override CFLAGS_NODIST += -fno-gcse
		libpython$ABI.so: private override INSTSONAME = $soname
		libpython$ABI.so: private override LDLIBRARY = libpython$ABI.so
	EOF
	own=$(sed -nE 's/^(Modules[^:]*\.o):.* \$\(PY_STDMODULE_CFLAGS\) \$\(CCSHARED\) .*/\1/p' Makefile | tr '\n' ' ')
	[ "$MODE" = plain ] || cat <<- EOF
		${own:+$own: override CCSHARED += -fno-lto}
		libpython$ABI.so: private override LDFLAGS_NODIST += -save-temps -Wl,-Map=libpython.map
		python: libpython$ABI.so
		python: private override LINK_PYTHON_OBJS = \$(shell $generated)
		python: private override BLDLIBRARY = \$(LINK_PYTHON_OBJS)
	EOF
}

step_compile() {
	# The frozen modules are here already when there is a profile, and count as newer than what they are made of.
	find Python/frozen_modules Python/deepfreeze -type f -name '*.[ch]' -exec touch -r Makefile {} + 2>/dev/null || true
	{ cat Makefile && rules; } > Makefile.build
	# -o: a program of the tests that is not installed, and takes as long to link as the interpreter.
	build -f Makefile.build -j"$JOBS" -o Programs/_testembed build_all libpython"$ABI".so
	# There is no stable ABI with other flags.
	[ "$ABI" != "$SERIES" ] ||
		gcc -shared -Wl,--no-as-needed $(hardening LDFLAGS) -Wl,-hlibpython3.so -o libpython3.so "$soname"
	# shellcheck disable=SC2086 # one word each
	./python -S -c 'import sys; left = set(sys.argv[1:]) - set(sys.builtin_module_names); left and sys.exit("not linked in: %s" % left)' $BUILTIN
}

step_install() {
	# Bytecode is made once, later and in a fixed order; and what is built already needs no training first.
	sed -E 's#-Wi( -OO?)? \$\(DESTDIR\)\$\(LIBDEST\)/compileall\.py#-c pass#; s/^all:.*/all:/' Makefile.build > Makefile.install
	build -f Makefile.install install DESTDIR="$DESTDIR" ENSUREPIP=no
	prefix=$DESTDIR$PREFIX
	install -m 0644 "$soname" "$prefix/lib/"
	[ "$ABI" != "$SERIES" ] || install -m 0644 libpython3.so "$prefix/lib/"
	ln -s "$soname" "$prefix/lib/libpython$ABI.so"
	# Of a variant, make installs the program twice.
	[ "$ABI" = "$SERIES" ] || ln -sf "python$ABI" "$prefix/bin/python$SERIES"
	ln -s python3 "$prefix/bin/python"
	find "$prefix" -name __pycache__ -prune -exec rm -rf {} +
	find "$prefix" \( -name 'libpython*.a' -o -name '*.o' \) -delete

	# What the build records of itself names the installed places, and the libpython that is there.
	lib=$prefix/$LIB
	grep -rlIF -e "$SRC" -e prefix-map= "$prefix" | while read -r file; do
		sed -i -E -e "s#-f[a-z]+-prefix-map=[^ '\"]*( |)##g" -e "s#$SRC#$libpl#g" "$file"
	done
	# Extensions are compiled with these flags. Without -g that takes half as long and wheels are a fraction of the size;
	# who wants symbols says so.
	find "$DESTDIR$libpl/Makefile" "$prefix/bin/python$ABI-config" "$lib"/_sysconfig* -maxdepth 0 -type f |
		xargs sed -i -E "s/( -g)+([ '\"]|\$)/\2/g; s/(['\"])(-g )+/\1/g; s/(['\"])-g(['\"])/\1\2/g"

	# Python syntax and, from 3.14 on, JSON.
	find "$lib" -maxdepth 1 \( -name '_sysconfigdata_*.py' -o -name '_sysconfig_vars_*.json' \) | while read -r file; do
		sed -i -E "s/(['\"]P[Yy]_ENABLE_SHARED['\"]: )0/\11/
			s/^( *['\"]LDLIBRARY['\"]: ['\"])[^'\"]*/\1libpython$ABI.so/
			s/^( *['\"]INSTSONAME['\"]: ['\"])[^'\"]*/\1$soname/
			s/^( *['\"]BLDLIBRARY['\"]: ['\"])[^'\"]*/\1-L. -lpython$ABI/" "$file"
	done
	sed -i -E "s/^(PY_ENABLE_SHARED=[[:space:]]*)0/\11/
		s/^(LDLIBRARY=[[:space:]]*).*/\1libpython$ABI.so/
		s/^(INSTSONAME=[[:space:]]*).*/\1$soname/
		s/^(BLDLIBRARY=[[:space:]]*).*/\1-L. -lpython$ABI/" "$DESTDIR$libpl/Makefile"
	# libpython is outside the loader's path on purpose: the distro has one of the same name. Embedders find it by rpath.
	sed -i -E "s#-lpython$ABI#-Wl,-rpath,$PREFIX/lib &#" "$prefix/lib/pkgconfig/python-$ABI-embed.pc"
	sed -i -E 's#^LIBS_EMBED="#&-Wl,-rpath,$libdir #; s#^(PY_ENABLE_SHARED=).*#\1"1"#' "$prefix/bin/python$ABI-config"
	find "$prefix" -type d -exec chmod 0755 {} +
	# Modules are imported, or run with -m; as programs they would find some other python3.
	find "$lib" -name '*.py' -exec chmod 0644 {} +
}

# Bytecode is checked by the package manager, not at each import: PEP 552, unchecked hash-based. -I would keep the hash
# seed out, on which the bytecode of old series depends.
step_bytecode() {
	cd /
	"$DESTDIR$PREFIX/bin/python$SERIES" -s -m compileall -q -f --invalidation-mode unchecked-hash \
		-d "$PREFIX/$LIB" -x '/(tests?|idle_test|lib2to3/tests|site-packages)/' "$DESTDIR$PREFIX/$LIB"
}

# Symbols go to files named by build id, where gdb looks: /usr/lib/debug/.build-id/ab/cdef….debug
step_strip() {
	find "$DESTDIR" -type f \( -perm -u+x -o -name '*.so*' \) | LC_ALL=C sort | xargs -d '\n' -n 1 -P "$JOBS" sh -euc '
		id=$(readelf -n "$1" 2>/dev/null | sed -n "s/.*Build ID: //p")
		[ -n "$id" ] || exit 0
		debug=$DESTDIR/usr/lib/debug/.build-id/$(printf %.2s "$id")/${id#??}.debug
		mkdir -p "${debug%/*}"
		objcopy --only-keep-debug --compress-debug-sections "$1" "$debug"
		chmod 0644 "$debug"
		strip --strip-unneeded --remove-section=.comment --remove-section=.note "$1"
		echo "$id ${1#"$DESTDIR"}"
	' strip
	gdb=$DESTDIR/usr/share/gdb/auto-load$PREFIX/bin
	mkdir -p "$gdb"
	{
		sed '1{/^#!/d}' Tools/gdb/libpython.py
		cat <<- 'EOF'


		# Optimisation may leave the debugger without the variable "frame" of the eval loop. The thread's state has the
		# innermost frame; a call of the loop further out is at the frame below the first one of the next call, which is a shim.
		def _pybake_get_pyop(self, upstream=Frame.get_pyop):
		    found = upstream(self)
		    if found is not None:
		        return found
		    try:
		        pyop = PyFramePtr(gdb.parse_and_eval("_Py_tss_tstate->current_frame"))
		        newer = self.newer()
		        while newer:
		            if newer.is_evalframe():
		                while not pyop.is_shim():
		                    pyop = pyop.previous()
		                pyop = pyop.previous()
		            newer = newer.newer()
		        return pyop
		    except (RuntimeError, ValueError):
		        return None


		Frame.get_pyop = _pybake_get_pyop
		EOF
	} > "$gdb/python$ABI-gdb.py"
}

case $1 in
configure | train | profile | freeze | compile | install | bytecode | strip) "step_$1" ;;
*)
	echo "job.sh: unknown step $1" >&2
	exit 2
	;;
esac
