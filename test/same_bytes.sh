#!/bin/sh
# same_bytes.sh FOLDER [TARGET ...]
#	  Builds all that is handed out (or these targets) twice, in FOLDER/first and in FOLDER/second/time,
#	  in other surroundings: the archive for PGXN, the Debian packages and the Lambda function have to
#	  be the same, byte by byte.
#
# Needs what these need: docs/packages.md.  test/packages.sh runs it in a root that has it.
set -eu

folder=$(mkdir -p "${1:?usage: same_bytes.sh FOLDER [TARGET ...]}" && cd "$1" && pwd)
shift
targets=${*:-dist deb lambda.zip}
cd "$(dirname "$0")/.."

# build(folder)
build()
{
	rm -rf "$1"
	git clone --quiet --no-hardlinks . "$1"
	make --no-print-directory -C "$1" --jobs="$(nproc)" $targets >"$1.log" 2>&1 || { tail -n 40 "$1.log" >&2; exit 1; }
}

mkdir -p "$folder/second"
(umask 022; export TZ=UTC LC_ALL=C; build "$folder/first")
(umask 077; export TZ=Pacific/Auckland LC_ALL=C.UTF-8; build "$folder/second/time")

failed=0
cd "$folder/first/build"
for file in *.zip deb/*; do
	case $file in *.buildinfo | *.changes) continue ;; esac # tell when they were made
	if cmp "$file" "$folder/second/time/build/$file"; then
		echo "the same bytes twice: $file"
	else
		failed=1
	fi
done
exit $failed
