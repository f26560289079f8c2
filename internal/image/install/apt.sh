#!/bin/sh
# Installs package files, and leaves nothing of apt.
#
#     apt.sh DIR [EPOCH]       installs every .deb in DIR, which may be read-only, then cleans up
#     apt.sh --slim [EPOCH]    only cleans up, as for a base image
#
# Run as root; needs no network. The files in DIR have to be enough: apt decides the order and refuses what does not fit.
# Maintainer scripts see EPOCH, seconds since 1970, as SOURCE_DATE_EPOCH; without it, the one of the environment. They
# start no services.
#
# What is cleaned up, of all that is installed:
#   apt         lists, caches, archives, logs, which packages were installed by themselves
#   dpkg        logs, status-old and the like, the backups of conffiles (*.dpkg-old, *.dpkg-dist, *.dpkg-new, *.ucf-*)
#   documents   /usr/share/{doc,man,info,lintian,linda,bug,doc-base,locale}; copyright files and locale.alias stay
#   caches      of ldconfig, debconf (*-old), fontconfig, man; bytecode of the distro's own Python
#   /etc        backups of passwd and the like; machine-id is emptied, hostname, hosts and resolv.conf stay
#   /var/log    files are emptied, those of apt, dpkg and alternatives removed
#
# Exit status 0 done, 2 wrong usage, else that of apt.
set -eu
export LC_ALL=C.UTF-8 DEBIAN_FRONTEND=noninteractive DEBCONF_NONINTERACTIVE_SEEN=true DEBCONF_NOWARNINGS=yes

usage() {
	echo "apt.sh: $1" >&2
	echo "usage: apt.sh DIR [EPOCH] | apt.sh --slim [EPOCH]" >&2
	exit 2
}

policy=/usr/sbin/policy-rc.d

install() {
	case $1 in
	/*) dir=$1 ;;
	*) dir=$PWD/$1 ;;
	esac
	set -- "$dir"/*.deb
	[ -e "$1" ] || usage "$dir: no .deb is there"
	if [ ! -e "$policy" ]; then
		trap 'rm -f "$policy"' EXIT
		printf '#!/bin/sh\nexit 101\n' >"$policy"
		chmod 755 "$policy"
	fi
	apt-get install -y -q --no-install-recommends --allow-downgrades \
		-o APT::Sandbox::User=root -o Dpkg::Use-Pty=0 \
		-o Dir::Cache::pkgcache= -o Dir::Cache::srcpkgcache= -o Dir::Log::Terminal= -o Dir::Log::History= -o Dir::Log::Planner=/dev/null \
		-o Dpkg::Options::=--force-unsafe-io -o Dpkg::Options::=--force-confold -o Dpkg::Options::=--log=/dev/null \
		-o Dpkg::Options::=--path-exclude=/usr/share/doc/* -o Dpkg::Options::=--path-include=/usr/share/doc/*/copyright \
		-o Dpkg::Options::=--path-exclude=/usr/share/man/* -o Dpkg::Options::=--path-exclude=/usr/share/info/* \
		-o Dpkg::Options::=--path-exclude=/usr/share/locale/* -o Dpkg::Options::=--path-exclude=/usr/share/lintian/* \
		"$@"
}

# below DIR TEST... removes what find finds in a directory that may not be there.
below() {
	[ -d "$1" ] && [ ! -L "$1" ] || return 0
	find "$@" -delete
}

clean() {
	for dir in /var/lib/apt/lists /var/cache/apt /var/log/apt /var/cache/debconf/tmp.ci /var/cache/fontconfig /var/cache/man; do
		below "$dir" -mindepth 1 ! -type d
	done
	below /var/lib/apt/lists/auxfiles -type d -empty
	below /var/cache/debconf/tmp.ci -type d -empty
	rm -f /var/lib/apt/extended_states /var/lib/apt/listchanges.db /var/cache/ldconfig/aux-cache
	rm -f /var/lib/dpkg/*-old /var/cache/debconf/*-old /etc/.pwd.lock
	for file in passwd group shadow gshadow subuid subgid; do
		rm -f "/etc/$file-"
	done
	below /etc \( -name '*.dpkg-old' -o -name '*.dpkg-dist' -o -name '*.dpkg-new' -o -name '*.ucf-old' -o -name '*.ucf-dist' -o -name '*.ucf-new' \) -type f
	below /var/backups -mindepth 1

	below /usr/share/doc -mindepth 1 ! -type d ! -name copyright ! \( -type l -path '/usr/share/doc/*' ! -path '/usr/share/doc/*/*' \)
	below /usr/share/doc -mindepth 1 -type d -empty
	for dir in man info lintian linda bug doc-base; do
		below "/usr/share/$dir" -mindepth 1
	done
	below /usr/share/locale -mindepth 1 ! -name locale.alias

	for dir in /usr/lib/python3 /usr/lib/python3.* /usr/share; do
		below "$dir" -path '*/__pycache__*' -name '*.pyc'
		below "$dir" -name __pycache__ -type d -empty
	done

	rm -f /var/log/dpkg.log /var/log/alternatives.log
	if [ -d /var/log ]; then
		find /var/log -type f -size +0 -exec sh -c 'for f; do : >"$f"; done' sh {} +
	fi
	if [ -s /etc/machine-id ]; then
		: >/etc/machine-id
	fi
	if [ -f /var/lib/dbus/machine-id ] && [ ! -L /var/lib/dbus/machine-id ]; then
		rm -f /var/lib/dbus/machine-id
	fi
}

if [ $# -lt 1 ] || [ $# -gt 2 ]; then
	usage "want a directory"
fi
case ${2-0} in
'' | *[!0-9]*) usage "$2: want seconds since 1970" ;;
esac
if [ $# -eq 2 ]; then
	export SOURCE_DATE_EPOCH="$2"
fi
[ "$(id -u)" -eq 0 ] || usage "want to be root"
case $1 in
--slim) ;;
-*) usage "$1: no such option" ;;
*) install "$1" ;;
esac
clean
