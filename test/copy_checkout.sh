#!/bin/sh
# copy_checkout.sh FOLDER [PATH...]
#	  Copies the checkout as it stands, new files too, into FOLDER, which is made anew: to be built with other flags than here.
#
# With paths it copies what is below them; without, all of it, with what demo/install.sh has brought to build/.
set -eu

folder=${1:?usage: copy_checkout.sh FOLDER [PATH...]}
shift
cd "$(dirname "$0")/.."
rm -rf "$folder"
mkdir -p "$folder"
git ls-files -z --cached --others --exclude-standard "$@" |
	tar --create --null --files-from=- | tar --extract --no-same-owner --directory="$folder"
[ $# = 0 ] || exit 0
mkdir -p "$folder/build"
for part in venv jars server-dev; do
	[ ! -e "build/$part" ] || ln -s "$PWD/build/$part" "$folder/build/$part"
done
