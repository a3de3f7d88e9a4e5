#!/bin/sh
# debian_source.sh FOLDER PACKAGE
#	  Downloads the newest source of a Debian package that the archive still has into FOLDER.
#
# With package lists of its own, since few systems have sources enabled.
set -eu

folder=${1:?usage: debian_source.sh FOLDER PACKAGE}
package=${2:?usage: debian_source.sh FOLDER PACKAGE}
mkdir -p "$folder/lists/partial"
cd "$folder"

# apt(program, arguments...)
apt()
{
	program=$1
	shift
	"$program" -qq -o APT::Sandbox::User=root -o Dir::Etc::SourceList="$PWD/sources.list" \
		-o Dir::Etc::SourceParts=/dev/null -o Dir::State::Lists="$PWD/lists" "$@"
}

apt-get indextargets --format 'deb-src [signed-by=/usr/share/keyrings/debian-archive-keyring.gpg] $(SITE) $(RELEASE) $(COMPONENT)' \
	'Created-By: Packages' 'Component: main' 'Origin: Debian' | sort -u >sources.list
[ -s sources.list ] || { echo 'there are no package lists of Debian: run apt-get update first' >&2; exit 1; }
apt apt-get -o APT::Update::Error-Mode=any update
for version in $(apt apt-cache showsrc --only-source "$package" | sed -n 's/^Version: //p' | sort -V -r -u); do
	apt apt-get --download-only source "$package=$version" && exit
	rm -f "./${package}_"*
done
echo "no source of $package can be had" >&2
exit 1
