#!/bin/sh
# Makes the locks of this directory with the tools that write them, for one small
# project. Run it by hand, where an index can be reached and pyenv (or PATH) has
# the Pythons 3.7, 3.8, 3.10 and 3.11:
#
#     ./make.sh SCRATCH-DIRECTORY [NAME]...
#
# The tools are installed into SCRATCH-DIRECTORY/tool. Afterwards the addresses
# of the index, which come from the installed pip, are replaced by hosts under
# example.org. Locks differ from run to run, as the index moves; then run
# go test -update and read the difference.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
scratch=$(mkdir -p "$1" && cd "$1" && pwd)
shift
names=${*:-"uv uv-0.4 uv-conflict uv-workspace requirements-uv requirements-pip-compile requirements-poetry \
requirements-pdm requirements-pipenv pylock-uv pylock-pdm pylock-pip pylock-pipenv pylock-pipenv-2026.6 poetry-0.12 poetry-1.0 \
poetry-1.1 poetry-1.8 poetry-2 pdm-1.15 pdm-2.3 pdm-2.4 pdm-2.7 pdm-2.10 pdm-2 pipenv pipenv-2025"}

index=$(python3 -c 'from pip._internal.models.index import PyPI; print(PyPI.netloc)')
files=$(python3 -c 'from pip._internal.models.index import PyPI; print(PyPI.file_storage_domain)')

# tool PYTHON NAME==VERSION [MORE]...: the bin directory of a tool
tool() {
	dir=$scratch/tool/$2
	if [ ! -e "$dir/ok" ]; then
		python=$(ls -d ~/.pyenv/versions/"$1".*/bin/python 2>/dev/null | tail -n 1)
		"${python:-python$1}" -m venv "$dir"
		shift
		"$dir/bin/pip" install -q "$@" >&2
		touch "$dir/ok"
	fi
	echo "$dir/bin"
}

pep621() {
	cat <<-'TOML'
	[project]
	name = "demo"
	version = "1.0"
	requires-python = ">=3.9"
	dependencies = [
	    "click>=8",
	    "requests[socks]==2.32.3",
	    "attrs==22.2.0; python_version < '3.11'",
	    "attrs==23.2.0; python_version >= '3.11'",
	]
	[project.optional-dependencies]
	fast = ["MarkupSafe==2.1.5", "demo[more]"]
	more = ["Jinja2==3.1.4"]
	TOML
}

groups() {
	cat <<-'TOML'
	[dependency-groups]
	dev = ["iniconfig==2.0.0", {include-group = "typing"}]
	typing = ["typing_extensions==4.12.2"]
	TOML
}

poetry() { # dev|groups: how development dependencies are written
	cat <<-'TOML'
	[tool.poetry]
	name = "demo"
	version = "1.0"
	description = ""
	authors = []
	[tool.poetry.dependencies]
	python = "^3.7"
	click = ">=7,<8"
	requests = {version = "2.25.1", extras = ["socks"]}
	attrs = [
	    {version = "22.2.0", python = "<3.11"},
	    {version = "^23.1", python = ">=3.11"},
	]
	pywin32 = {version = "306", platform = "win32"}
	MarkupSafe = {version = "~2.1.1", optional = true}
	[tool.poetry.extras]
	fast = ["MarkupSafe"]
	TOML
	if [ "$1" = groups ]; then
		cat <<-'TOML'
		[tool.poetry.group.dev.dependencies]
		iniconfig = "2.0.0"
		[tool.poetry.group.docs]
		optional = true
		[tool.poetry.group.docs.dependencies]
		snowballstemmer = "2.2.0"
		TOML
	else
		cat <<-'TOML'
		[tool.poetry.dev-dependencies]
		iniconfig = "2.0.0"
		TOML
	fi
	cat <<-TOML
	[[tool.poetry.source]]
	name = "main"
	url = "https://$index/simple"
	$2
	[build-system]
	requires = ["poetry-core"]
	build-backend = "poetry.core.masonry.api"
	TOML
}

pdm() {
	pep621 | sed 's/requires-python.*/requires-python = ">=3.9"/; /demo\[more\]/s/, "demo\[more\]"//'
	cat <<-'TOML'
	[tool.pdm]
	distribution = false
	[tool.pdm.dev-dependencies]
	dev = ["iniconfig==2.0.0"]
	TOML
}

# pdm_lock locks for two ranges of Pythons, as pdm has no other forks by marker.
pdm_lock() {
	"$bin/pdm" lock -q -G :all --python '>=3.9,<3.11'
	"$bin/pdm" lock -q -G :all --python '>=3.11' --append
}

pipfile() {
	cat <<-'TOML'
	[[source]]
	url = "https://INDEX/simple"
	verify_ssl = true
	name = "main"
	[packages]
	click = ">=8"
	requests = {version = "==2.32.3", extras = ["socks"]}
	attrs = "==23.2.0"
	colorama = {version = "==0.4.6", sys_platform = "== 'win32'"}
	[dev-packages]
	iniconfig = "==2.0.0"
	idna = "*"
	[docs]
	snowballstemmer = "==2.2.0"
	[requires]
	python_version = "3.11"
	TOML
}

make() {
	case $1 in
	uv | requirements-uv | pylock-uv)
		uv=$(tool 3.11 uv==0.13.8)/uv
		{ pep621; groups; } >pyproject.toml
		"$uv" lock -q
		case $1 in
		requirements-uv) "$uv" export -q --frozen --all-extras --no-dev -o requirements.txt && rm uv.lock ;;
		pylock-uv) "$uv" export -q --frozen --no-dev --extra fast --format pylock.toml -o pylock.toml && rm uv.lock ;;
		esac
		;;
	uv-0.4)
		{ pep621; groups; } >pyproject.toml
		"$(tool 3.11 uv==0.4.30)/uv" lock -q
		;;
	uv-conflict)
		pep621 | sed '/^more/d; s/, "demo\[more\]"//' >pyproject.toml
		cat >>pyproject.toml <<-'TOML'
		old = ["MarkupSafe==2.0.1"]
		[tool.uv]
		conflicts = [[{ extra = "fast" }, { extra = "old" }]]
		environments = ["sys_platform == 'linux'"]
		TOML
		"$(tool 3.11 uv==0.13.8)/uv" lock -q
		;;
	uv-workspace)
		mkdir -p libs/core libs/loose
		printf '[project]\nname = "core"\nrequires-python = ">=3.9"\ndynamic = ["version"]\ndependencies = ["click>=8"]\n[build-system]\nrequires = ["setuptools"]\nbuild-backend = "setuptools.build_meta"\n' >libs/core/pyproject.toml
		printf 'from setuptools import setup\nsetup(version="1")\n' >libs/core/setup.py
		printf '[project]\nname = "loose"\nversion = "2.0"\nrequires-python = ">=3.9"\n[build-system]\nrequires = ["setuptools"]\nbuild-backend = "setuptools.build_meta"\n' >libs/loose/pyproject.toml
		cat >pyproject.toml <<-'TOML'
		[project]
		name = "demo"
		version = "1.0"
		requires-python = ">=3.9"
		dependencies = ["core", "loose", "iniconfig"]
		[tool.uv]
		package = false
		[tool.uv.workspace]
		members = ["libs/core"]
		[tool.uv.sources]
		core = { workspace = true }
		loose = { path = "libs/loose" }
		TOML
		"$(tool 3.11 uv==0.13.8)/uv" lock -q
		;;
	requirements-pip-compile)
		printf 'click>=8\nrequests[socks]==2.32.3\nattrs==22.2.0; python_version < "3.11"\npywin32==306; sys_platform == "win32"\n' >main.in
		printf -- '-r requirements.txt\niniconfig==2.0.0\n' >dev.in
		"$(tool 3.11 pip-tools==7.6.2)/pip-compile" -q --generate-hashes --no-emit-index-url --no-emit-find-links -o requirements.txt main.in
		"$(tool 3.11 pip-tools==7.6.2)/pip-compile" -q --generate-hashes --no-emit-index-url --no-emit-find-links --no-header -o dev.txt dev.in
		;;
	requirements-poetry)
		bin=$(tool 3.11 poetry==2.5.1 poetry-plugin-export==1.10.1)
		poetry groups 'priority = "primary"' | sed 's/python = "^3.7"/python = "^3.9"/' >pyproject.toml
		"$bin/poetry" lock -q
		"$bin/poetry" export -q -o requirements.txt
		rm poetry.lock
		;;
	requirements-pdm | pylock-pdm)
		bin=$(tool 3.11 pdm==2.29.3 'unearth<0.19' 'hishel<1.3')
		pdm >pyproject.toml
		pdm_lock
		if [ "$1" = pylock-pdm ]; then
			"$bin/pdm" export -f pylock -o pylock.toml
		else
			"$bin/pdm" export -o requirements.txt
		fi
		rm pdm.lock
		;;
	pdm-*)
		case $1 in
		pdm-1.15) bin=$(tool 3.8 pdm==1.15.4 'pip<22') ;;
		pdm-2.3) bin=$(tool 3.8 pdm==2.3.4) ;;
		pdm-2.4) bin=$(tool 3.8 pdm==2.4.9) ;;
		pdm-2.7) bin=$(tool 3.10 pdm==2.7.4) ;;
		pdm-2.10) bin=$(tool 3.10 pdm==2.10.4) ;;
		pdm-2) bin=$(tool 3.11 pdm==2.29.3 'unearth<0.19' 'hishel<1.3') ;;
		esac
		pdm >pyproject.toml
		case $1 in
		pdm-1.15 | pdm-2.3 | pdm-2.4) "$bin/pdm" lock ;;
		pdm-2) pdm_lock ;;
		*) "$bin/pdm" lock -G :all ;;
		esac
		;;
	poetry-*)
		kind=groups first='priority = "primary"'
		case $1 in
		poetry-0.12) bin=$(tool 3.7 poetry==0.12.17) kind=dev first= ;;
		poetry-1.0) bin=$(tool 3.7 poetry==1.0.10) kind=dev first='default = true' ;;
		poetry-1.1) bin=$(tool 3.7 poetry==1.1.15) kind=dev first='default = true' ;;
		poetry-1.8) bin=$(tool 3.10 poetry==1.8.5) ;;
		poetry-2) bin=$(tool 3.11 poetry==2.5.1) ;;
		esac
		poetry $kind "$first" >pyproject.toml
		"$bin/poetry" lock -n
		;;
	pipenv* | requirements-pipenv | pylock-pipenv*)
		version=2026.10.3
		case $1 in pipenv-2025) version=2025.0.4 ;; pylock-pipenv-2026.6) version=2026.6.2 ;; esac
		bin=$(tool 3.11 pipenv==$version)
		pipfile | sed "s/INDEX/$index/" >Pipfile
		case $1 in pylock-*) printf '[pipenv]\nuse_pylock = true\n' >>Pipfile ;; esac
		PIPENV_IGNORE_VIRTUALENVS=1 WORKON_HOME=$scratch/venvs "$bin/pipenv" lock -q
		PIPENV_IGNORE_VIRTUALENVS=1 WORKON_HOME=$scratch/venvs "$bin/pipenv" lock -q --categories docs
		if [ "$1" = requirements-pipenv ]; then
			PIPENV_IGNORE_VIRTUALENVS=1 WORKON_HOME=$scratch/venvs "$bin/pipenv" requirements --hash >requirements.txt
			rm Pipfile.lock
		fi
		case $1 in pylock-*) rm Pipfile.lock ;; esac
		;;
	pylock-pip)
		"$(tool 3.11 pip==26.3)/pip" lock -q -o pylock.toml 'click>=8' 'requests[socks]==2.32.3' 'attrs==23.2.0'
		;;
	esac
}

for name in $names; do
	rm -rf "$scratch/project"
	mkdir -p "$scratch/project"
	cd "$scratch/project"
	echo "== $name"
	make "$name" || { echo "$name: failed" >&2; continue; }
	rm -rf .venv __pypackages__ .pdm-python .pdm.toml
	mkdir -p "$here/$name"
	for file in $(find . -name '*.txt' -o -name '*.lock' -o -name '*.toml' -o -name '*.in' -o -name Pipfile -o -name setup.py); do
		mkdir -p "$here/$name/$(dirname "$file")"
		sed "s,$files,files.example.org,g; s,$index,index.example.org,g" "$file" >"$here/$name/$file"
	done
done
