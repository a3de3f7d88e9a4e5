#!/bin/sh
# pg17.sh
#	  Builds the extensions against PostgreSQL 17, in a Debian 13 root below
#	  build/, without a warning, and runs pg_regress and the isolation tests there.
#
# Needs root and mmdebstrap.  The first run makes the root, in a minute or two,
# from wherever this machine's own packages come from; later ones find it.
set -eu

root=$(cd "$(dirname "$0")/.." && pwd)/build/pg17
server=/usr/lib/postgresql/17

# ---- outside: the root, and this checkout in it ----

make_root()
{
	mirror=$(apt-get indextargets --format '$(REPO_URI)' 'Created-By: Packages' 'Label: Debian' | sort -u | head -n 1)
	rm -rf "$root.new"
	# The headers' package is only unpacked: it depends on all of LLVM.
	mmdebstrap --quiet --variant=minbase --include=gcc,libc6-dev,make,postgresql-17 \
		--essential-hook='mkdir -p "$1/etc/postgresql-common/createcluster.d"' \
		--essential-hook='echo create_main_cluster = false >"$1/etc/postgresql-common/createcluster.d/topk.conf"' \
		--customize-hook='chroot "$1" sh -ec "cd /tmp; apt-get download --quiet=2 postgresql-server-dev-17; dpkg-deb -x ./*.deb /; rm ./*.deb"' \
		trixie "$root.new" "$mirror"
	mv "$root.new" "$root"
}

copy_checkout()
{
	rm -rf "$root/topk"
	mkdir "$root/topk"
	git ls-files -z --cached --others --exclude-standard Makefile extension lib/mg sql expected test/isolation test/pg17.sh |
		tar --create --null --files-from=- | tar --extract --no-same-owner --directory="$root/topk"
}

# ---- inside ----

# regress(program, input directory, test file...): on a cluster of its own, not as root.
regress()
{
	program=$1 input=$2
	shift 2
	for file; do
		set -- "$@" "$(basename "${file%.*}")"
		shift
	done
	setpriv --reuid=postgres --regid=postgres --clear-groups \
		"$server/lib/pgxs/src/test/$program" --bindir=$server/bin --inputdir="$input" \
		--outputdir=/tmp/topk --temp-instance=/tmp/topk/instance --no-locale --encoding=UTF8 "$@" || {
		cat /tmp/topk/regression.diffs
		exit 1
	}
}

inside()
{
	cd /topk
	mount -t tmpfs tmpfs /dev/shm
	mount -t tmpfs tmpfs /tmp
	install -d -o postgres /tmp/topk
	make --silent WERROR=-Werror PG_CONFIG=$server/bin/pg_config install >/dev/null
	regress regress/pg_regress . sql/*.sql
	regress isolation/pg_isolation_regress test/isolation test/isolation/specs/*.spec
}

if [ "${1-}" = inside ]; then
	inside
	exit
fi
if [ "$(id -u)" != 0 ] || ! command -v mmdebstrap >/dev/null; then
	echo "$0 needs root and mmdebstrap" >&2
	exit 1
fi
cd "$root/../.."
mkdir -p build
[ -d "$root" ] || make_root
copy_checkout
# Whatever is mounted or started there ends with the script.
unshare --mount --pid --fork --kill-child --mount-proc --root="$root" sh /topk/test/pg17.sh inside
