#!/bin/sh
# debian_root.sh
#	  A root of Debian, made from wherever this machine's own packages come from, and commands in it.
#
#	debian_root.sh make FOLDER SUITE PACKAGE,... [OPTION of mmdebstrap ...]		unless FOLDER is there
#	debian_root.sh run FOLDER COMMAND ...		whatever is mounted or started there ends with it
#	debian_root.sh suite VERSION		the Debian that has this PostgreSQL
#
# Needs root and mmdebstrap.
set -eu

make_root()
{
	folder=$1 suite=$2 packages=$3
	shift 3
	[ ! -d "$folder" ] || return 0
	if [ "$(id -u)" != 0 ] || ! command -v mmdebstrap >/dev/null; then
		echo "this needs root and mmdebstrap" >&2
		exit 1
	fi
	mirror=$(apt-get indextargets --format '$(REPO_URI)' 'Created-By: Packages' 'Label: Debian' | sort -u | head -n 1)
	# The machine's archive may be an old snapshot, or behind a proxy.
	options=$(apt-config dump Acquire | grep -E '^Acquire::(Check-|https?::)' || :)
	rm -rf "$folder.new"
	mkdir -p "$(dirname "$folder")"
	mmdebstrap --quiet --variant=minbase ${options:+--aptopt="$options"} --include="$packages" "$@" "$suite" "$folder.new" "$mirror"
	mv "$folder.new" "$folder"
}

suite_of()
{
	case $1 in
		13) echo bullseye ;;
		15) echo bookworm ;;
		17) echo trixie ;;
		18) echo forky ;;
		*) echo "no Debian is known for PostgreSQL $1" >&2; exit 1 ;;
	esac
}

usage='usage: debian_root.sh make FOLDER SUITE PACKAGE,... [OPTION ...] | run FOLDER COMMAND ... | suite VERSION'
what=${1:?$usage}
shift
case $what in
	make) make_root "$@" ;;
	suite) suite_of "$1" ;;
	run)
		folder=${1:?$usage}
		shift
		exec unshare --mount --pid --fork --kill-child --mount-proc --root="$folder" "$@"
		;;
	*) echo "$usage" >&2; exit 2 ;;
esac
