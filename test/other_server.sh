#!/bin/sh
# other_server.sh
#	  Builds the extensions against another PostgreSQL, without a warning, runs
#	  pg_regress and the isolation tests there, and restores a dump of PostgreSQL
#	  15, in a root of the Debian that has it.
#
# Needs root and mmdebstrap.  The first run makes the root, in a minute or two; later ones find it.
set -eu

version=${1:?usage: other_server.sh 13|17|18}
suite=$("$(dirname "$0")/debian_root.sh" suite "$version")
root=$(cd "$(dirname "$0")/.." && pwd)/build/pg$version
server=/usr/lib/postgresql/$version

# ---- outside: the root, and this checkout in it ----

make_root()
{
	# The headers' package is only unpacked: it depends on all of LLVM.
	test/debian_root.sh make "$root" $suite gcc,libc6-dev,make,postgresql-$version \
		--essential-hook='mkdir -p "$1/etc/postgresql-common/createcluster.d"' \
		--essential-hook='echo create_main_cluster = false >"$1/etc/postgresql-common/createcluster.d/topk.conf"' \
		--customize-hook='chroot "$1" sh -ec "cd /tmp; apt-get download --quiet=2 postgresql-server-dev-'$version'; dpkg-deb -x ./*.deb /; rm ./*.deb"'
}

# What PostgreSQL 15 dumps of a database, and what it reads there.
dump()
{
	demo/install.sh check
	build/venv/bin/python demo/stack.py postgres -- sh -ec '
		psql --no-psqlrc --quiet --set=ON_ERROR_STOP=1 --file=test/dump/fill.sql --output=/dev/null
		pg_dump --file="$1/dump.sql"
		psql --no-psqlrc --quiet --no-align --file=test/dump/read.sql --output="$1/read.out"' dump "$root/topk"
}

# ---- inside ----

as_postgres()
{
	setpriv --reuid=postgres --regid=postgres --clear-groups "$@"
}

# regress(program, input directory, test file...): on a cluster of its own.
regress()
{
	program=$1 input=$2
	shift 2
	[ -e "$1" ] || return 0
	for file; do
		set -- "$@" "$(basename "${file%.*}")"
		shift
	done
	as_postgres "$server/lib/pgxs/src/test/$program" --bindir=$server/bin --inputdir="$input" \
		--outputdir=/tmp/topk --temp-instance=/tmp/topk/instance --no-locale --encoding=UTF8 "$@" || {
		cat /tmp/topk/regression.diffs
		exit 1
	}
}

restore()
{
	export PGDATA=/tmp/restored/data PGHOST=/tmp/restored
	install -d -o postgres /tmp/restored
	as_postgres $server/bin/initdb --auth=trust --no-locale --encoding=UTF8 >/dev/null
	as_postgres $server/bin/pg_ctl start --silent --log=$PGHOST/log --options="-k $PGHOST -c listen_addresses="
	as_postgres psql --no-psqlrc --quiet --set=ON_ERROR_STOP=1 --file=dump.sql --output=/dev/null postgres
	as_postgres psql --no-psqlrc --quiet --no-align --file=test/dump/read.sql postgres | diff read.out -
	echo "a dump of PostgreSQL 15 reads the same"
}

inside()
{
	cd /topk
	mount -t tmpfs tmpfs /dev/shm
	mount -t tmpfs tmpfs /tmp
	install -d -o postgres /tmp/topk
	make --silent WERROR=-Werror PG_CONFIG=$server/bin/pg_config install >/dev/null
	# topk_pipeline has functions with SQL-standard bodies, which came with 14.
	[ "$version" -ge 14 ] || rm sql/pipeline_* test/isolation/specs/*
	regress regress/pg_regress . sql/*.sql
	regress isolation/pg_isolation_regress test/isolation test/isolation/specs/*.spec
	[ "$version" -lt 15 ] || restore
}

if [ "${2-}" = inside ]; then
	inside
	exit
fi
cd "$root/../.."
make_root
test/copy_checkout.sh "$root/topk" Makefile extension lib/mg sql expected test/isolation test/dump test/other_server.sh test/debian_root.sh
[ "$version" -lt 15 ] || dump
test/debian_root.sh run "$root" sh /topk/test/other_server.sh $version inside
