#!/bin/sh
# deb.sh FOLDER [VERSION]
#	  Builds Debian packages of HEAD into FOLDER: the extensions for one PostgreSQL (PG_CONFIG=...
#	  chooses it), and the daemons.
#
# VERSION is for trying an upgrade; by default it is META.json's.  The same commit gives the same
# bytes, wherever it is built with the same packages.
set -eu
umask 022

folder=$(mkdir -p "${1:?usage: deb.sh FOLDER [VERSION]}" && cd "$1" && pwd)
cd "$(dirname "$0")/.."
version=${2:-$(sed -n 's/^   "version": "\(.*\)",$/\1/p' META.json)}
postgresql=$("${PG_CONFIG:-pg_config}" --version | sed 's/^PostgreSQL \([0-9]*\).*/\1/')
SOURCE_DATE_EPOCH=$(git log -1 --format=%ct)
export SOURCE_DATE_EPOCH

[ -n "$postgresql" ] || { echo 'pg_config is needed: apt install postgresql-server-dev-15, or another version; PG_CONFIG=... chooses one of several' >&2; exit 1; }
command -v dpkg-checkbuilddeps >/dev/null || { echo 'dpkg-buildpackage is needed: apt install dpkg-dev' >&2; exit 1; }
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
source=$work/topk-$version

git archive --format=tar.gz --prefix="topk-$version/" --output="$work/topk_$version.orig.tar.gz" HEAD
tar --extract --gzip --file="$work/topk_$version.orig.tar.gz" --directory="$work"
cp -R "$source/packaging/debian" "$source/debian"
cd "$source/debian"
sed "s/@POSTGRESQL@/$postgresql/g" control.in >control
sed -i "s/@POSTGRESQL@/$postgresql/g" rules
for package in $(sed -n 's/^Package: //p' control); do
	cp lintian-overrides "$package.lintian-overrides"
done
rm control.in lintian-overrides
# What the daemons have is the same but for the names.
for unit in ../packaging/systemd/*@.service; do
	program=$(basename "$unit" @.service)
	name=${program#topk-}
	for file in daemon.*; do
		sed "s/@PROGRAM@/$program/g; s/@NAME@/$name/g; s/@PAGE@/${name%-feeder}/g" "$file" >"$program.${file#daemon.}"
	done
done
rm daemon.*
for file in postgresql-topk.*; do
	mv "$file" "postgresql-$postgresql-${file#postgresql-}"
done
cat >changelog <<END
topk ($version-1) unstable; urgency=medium

  * As CHANGELOG.md says.

 -- the topk contributors <topk@packages.invalid>  $(date --utc --rfc-email --date="@$SOURCE_DATE_EPOCH")
END
cd ..
missing=$(dpkg-checkbuilddeps 2>&1) || {
	echo "build dependencies are missing: apt install $(printf '%s\n' "$missing" |
		sed 's/.*dependencies: //; s/:native//g; s/debhelper-compat/debhelper/; s/ ([^)]*)//g')" >&2
	exit 1
}
dpkg-buildpackage --unsigned-source --unsigned-changes >"$work/log" 2>&1 || { tail -n 40 "$work/log" >&2; exit 1; }
rm -f "$folder"/*topk*_*
cp "$work"/*topk*_* "$folder"
echo "$folder:"
cd "$folder"
ls -- *.deb
