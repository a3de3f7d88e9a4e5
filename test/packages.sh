#!/bin/sh
# packages.sh [15|17|18]
#	  Builds the Debian packages of HEAD twice (test/same_bytes.sh) and lints them, in a root of the Debian that has this
#	  PostgreSQL, with what they are built with; installs, tries, upgrades and purges them in one that has nothing.
#
# Needs root and mmdebstrap, and takes a quarter of an hour.  The roots go at the end, unless KEEP_ROOTS is set.
set -eu

POSTGRESQL=${1:-15}
SUITE=$("$(dirname "$0")/debian_root.sh" suite "$POSTGRESQL")
DAEMONS=$(basename --suffix=@.service --multiple "$(dirname "$0")"/../packaging/systemd/*.service)
BEFORE=1.0.0~pre1
roots=$(cd "$(dirname "$0")/.." && pwd)/build/packages-$POSTGRESQL

# ---- outside ----

# make_root(name, package...)
make_root()
{
	folder=$roots/$1
	shift
	test/debian_root.sh make "$folder" $SUITE "$(echo ca-certificates "$@" | tr -s ' ' ,)" \
		--aptopt='APT::Install-Recommends "false"' --skip=cleanup/apt/lists
}

# inside(name, what): this script in a root.
inside()
{
	test/debian_root.sh run "$roots/$1" sh /topk/test/packages.sh "$POSTGRESQL" "$2"
}

# What the packages are built with, as they say themselves.
build_depends()
{
	sed -n '/^Build-Depends:/,/^$/p' packaging/debian/control.in |
		sed -n "s/@POSTGRESQL@/$POSTGRESQL/; s/^ debhelper-compat.*/ debhelper,/; s/^ \(.*\),$/\1/p"
}

# checkout(name)
checkout()
{
	rm -rf "$roots/$1/topk"
	git clone --quiet --depth 1 "file://$PWD" "$roots/$1/topk"
}

outside()
{
	cd "$roots/../.."
	mkdir -p "$roots"
	[ -n "${KEEP_ROOTS-}" ] || trap 'rm -rf "$roots"' EXIT
	make_root build build-essential git lintian patch python3 $(build_depends)
	make_root clean
	rm -rf "$roots/install"
	cp -a --reflink=auto "$roots/clean" "$roots/install"
	checkout build
	checkout install
	inside build build
	rm -rf "$roots/install/packages"
	cp -R "$roots/build/packages" "$roots/install/packages"
	inside install install
	echo 'packages: built, linted, installed, upgraded and purged'
}

# ---- inside ----

ok()
{
	echo "ok  $*"
}

fail()
{
	echo "not ok  $*" >&2
	exit 1
}

build()
{
	cd /topk
	# The Lambda function is for its own machine, and made of the sources of Debian 12.
	test/same_bytes.sh /same $([ "$POSTGRESQL" = 15 ] || echo dist deb)
	packaging/deb.sh /packages/before $BEFORE >/dev/null
	rm -rf /packages/now
	cp -R /same/first/build/deb /packages/now
	rm -rf /same
	useradd --system lint 2>/dev/null || :
	setpriv --reuid=lint --regid=lint --clear-groups lintian --fail-on=error,warning /packages/now/*.changes
	ok 'lintian'
}

as_postgres()
{
	setpriv --reuid=postgres --regid=postgres --clear-groups "$@"
}

sql()
{
	as_postgres psql --no-psqlrc --quiet --no-align --tuples-only --set=ON_ERROR_STOP=1 --command="$1" topk
}

install_packages()
{
	DEBIAN_FRONTEND=noninteractive apt-get install --yes --quiet=2 "$1"/*topk*.deb >/tmp/apt.log 2>&1 || { cat /tmp/apt.log >&2; exit 1; }
}

# daemons(version)
daemons()
{
	for program in $DAEMONS; do
		[ "$($program --version)" = "$program $1" ] || fail "$program --version: $($program --version)"
		status=0
		$program --no-such-option >/dev/null 2>&1 || status=$?
		[ $status = 2 ] || fail "$program with a wrong option ends with $status"
		[ -s /usr/share/man/man1/$program.1.gz ] || fail "$program has no man page"
		[ -s "/lib/systemd/system/$program@.service" ] || fail "$program has no unit"
		example=/usr/share/doc/$program/examples/${program#topk-}.env
		install -m 600 "$example" /etc/topk/${program#topk-}-test.env
		# libpq, the AWS credentials and librdkafka have settings of their own.
		for name in $(sed -n 's/^#\{0,1\}\([A-Z_]*\)=.*/\1/p' "$example" | grep -v -e ^PG -e ^AWS_.*KEY -e ^KAFKA_CONF_); do
			$program --help | tr -d '\n ' | grep -q "\[$name\]" || fail "$example: $program has no $name"
		done
		ok "$program $1"
	done
}

extension()
{
	most=$(sql "SELECT (topk_top(topk_agg(item), 1)).item FROM unnest('{a,b,b}'::text[]) AS item")
	[ "$most" = b ] || fail "the most frequent item is $most"
}

install_and_purge()
{
	mount -t tmpfs tmpfs /dev/shm
	apt-get update --quiet=2
	install_packages /packages/before
	[ "$(dpkg-query -W -f '${Version}' topk-query)" = $BEFORE-1 ] || fail 'the older version is not installed'
	version=$(sed -n 's/^   "version": "\(.*\)",$/\1/p' /topk/META.json)

	pg_ctlcluster $POSTGRESQL main start 2>/dev/null || pg_ctlcluster $POSTGRESQL main status >/dev/null
	as_postgres createdb topk
	sql 'CREATE EXTENSION topk_pipeline CASCADE' 2>/dev/null
	sql "SELECT topk_pipeline.create('clicks')" >/dev/null
	extension
	ok "CREATE EXTENSION in PostgreSQL $(sql 'SHOW server_version')"
	daemons "$version"

	install_packages /packages/now
	for package in postgresql-$POSTGRESQL-topk $DAEMONS; do
		[ "$(dpkg-query -W -f '${db:Status-Status} ${Version}' $package)" = "installed $version-1" ] || fail "$package is not upgraded"
	done
	[ "$(sql 'SELECT name FROM topk_pipeline.pipeline')" = clicks ] || fail 'the pipeline is gone'
	[ "$(stat -c %a /etc/topk/query-test.env)" = 600 ] || fail 'the settings are gone, or open'
	extension
	daemons "$version"
	ok 'upgrade'

	sql 'DROP EXTENSION topk_pipeline, topk CASCADE'
	rm /etc/topk/*-test.env
	mkdir -p /etc/systemd/system/multi-user.target.wants
	ln -s /lib/systemd/system/topk-query@.service /etc/systemd/system/multi-user.target.wants/topk-query@test.service
	apt-get purge --yes --quiet=2 postgresql-$POSTGRESQL-topk $DAEMONS >/tmp/apt.log 2>&1 ||
		{ cat /tmp/apt.log >&2; exit 1; }
	rm -rf /tmp/apt.log
	left=$(find / -xdev \( -path /topk -o -path /packages -o -path /proc -o -path /sys -o -path /var/log/apt \) -prune -o -name '*topk*' -print)
	[ -z "$left" ] || fail "left after purge: $left"
	[ -z "$(dpkg-query -W '*topk*' 2>/dev/null)" ] || fail 'dpkg still knows them'
	ok 'purge leaves nothing'
	pg_ctlcluster $POSTGRESQL main stop
}

case ${2-} in
	build) build ;;
	install) install_and_purge ;;
	*) outside ;;
esac
