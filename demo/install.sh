#!/bin/sh
# install.sh
#	  Installs what is missing for one purpose: demo, check, bench, coverage, format, lint, template or docker.
#
# Debian packages go into the system, as root or through sudo.  All else goes
# into build/: a Python environment, the jars of Kafka and DynamoDB Local, and
# the server's headers.  Run again, it finds everything there and returns at once.
set -eu

purpose=${1:?usage: install.sh demo|check|bench|coverage|format|lint|template|docker}
cd "$(dirname "$0")/.."
build=$PWD/build
log=$build/install
started=$(date +%s)

COMPILER='gcc libc6-dev pkg-config'
LIBRARIES='librdkafka-dev libjansson-dev libyajl-dev libcurl4-openssl-dev libpq-dev libssl-dev libmicrohttpd-dev uthash-dev libprotobuf-c-dev protobuf-c-compiler libexpat1-dev zlib1g-dev libnghttp2-dev libhttp-parser-dev'
POSTGRESQL=15

say()
{
	printf '%3d s  %s\n' $(($(date +%s) - started)) "$*"
}

# fail(log file, message)
fail()
{
	printf '%s\nthe last lines of %s:\n' "$2" "$1" >&2
	tail -n 20 "$1" >&2
	exit 1
}

as_root()
{
	if [ "$(id -u)" = 0 ]; then "$@"; else sudo "$@"; fi
}

# ---- Debian packages ----

# Those of the arguments that are not installed.
missing()
{
	for package in "$@"; do
		[ "$(dpkg-query -W -f '${db:Status-Status}' "$package" 2>/dev/null)" = installed ] || echo "$package"
	done
}

# In a session of its own, out of the reach of Ctrl-C, because an interrupted dpkg leaves
# a system in which nothing can be installed: who interrupts waits for its end.  And Java,
# which some packages run when they are installed, is to leave nothing in /tmp.
APT_INSTALL='
	trap "interrupted=130" INT
	export DEBIAN_FRONTEND=noninteractive JAVA_TOOL_OPTIONS=-XX:-UsePerfData
	setsid apt-get install --yes --quiet=2 --no-install-recommends -o Dpkg::Use-Pty=0 -o DPkg::Lock::Timeout=120 "$@"
	exit ${interrupted:-$?}'

apt_install()
{
	as_root sh -c "$APT_INSTALL" apt_install "$@" 9>&- || {
		status=$?
		[ $status != 130 ] || exit 130
		return $status
	}
}

debian()
{
	packages=$(missing "$@")
	[ -n "$packages" ] || return 0
	if [ "$(id -u)" != 0 ] && ! command -v sudo >/dev/null; then
		echo "missing Debian packages, and neither root nor sudo to install them:" $packages >&2
		exit 1
	fi
	say "Debian packages:" $packages
	# Without package lists, or with old ones, the first attempt fails.
	{ apt_install $packages || { as_root apt-get update --quiet=2 && apt_install $packages; }; } \
		>"$log/debian.log" 2>&1 || fail "$log/debian.log" "apt-get could not install: $(echo $packages)"
}

# A server whose packages are new here must not start a cluster of its own.
NO_CLUSTER=/etc/postgresql-common/createcluster.d/topk.conf

postgresql_server()
{
	[ -n "$(missing postgresql-$POSTGRESQL)" ] || return 0
	as_root mkdir -p "$(dirname $NO_CLUSTER)"
	echo 'create_main_cluster = false' | as_root tee $NO_CLUSTER >/dev/null
	debian postgresql-$POSTGRESQL
	remove_drop_in
}

remove_drop_in()
{
	as_root rm $NO_CLUSTER
	as_root rmdir --ignore-fail-on-non-empty "$(dirname $NO_CLUSTER)"
}

# The server's headers alone: Debian's package of them depends on all of LLVM,
# 700 MB that building without bitcode does not touch.
postgresql_headers()
{
	for server in "$(pg_config --includedir-server)" "$build/server-dev/usr/include/postgresql/$POSTGRESQL/server"; do
		[ ! -e "$server/postgres.h" ] || return 0
	done
	say "PostgreSQL's server headers"
	rm -rf "$build/server-dev"
	mkdir -p "$build/server-dev"
	(cd "$build/server-dev" && apt-get download postgresql-server-dev-$POSTGRESQL && dpkg-deb -x ./*.deb . && rm ./*.deb) \
		>"$log/headers.log" 2>&1 || fail "$log/headers.log" "cannot download postgresql-server-dev-$POSTGRESQL"
}

# ---- Python ----

# python_packages(requirements file): a complete list, so nothing is resolved.
python_packages()
{
	stamp=$build/venv/$(echo "$1" | tr / -)
	! cmp -s "$1" "$stamp" || return 0
	say "Python packages of $1"
	{
		{ [ -x "$build/venv/bin/pip" ] || /usr/bin/python3 -m venv "$build/venv"; } &&
			"$build/venv/bin/pip" --disable-pip-version-check install --no-deps --no-compile -r "$1"
	} >"$log/python.log" 2>&1 || fail "$log/python.log" "cannot install the Python packages of $1"
	cp "$1" "$stamp"
}

# ---- Prometheus' own tool, without the service ----

promtool()
{
	[ ! -x "$build/prometheus/usr/bin/promtool" ] || return 0
	say 'promtool'
	rm -rf "$build/prometheus"
	mkdir -p "$build/prometheus"
	(cd "$build/prometheus" && apt-get download prometheus && dpkg-deb -x ./*.deb . && rm ./*.deb) \
		>"$log/promtool.log" 2>&1 || fail "$log/promtool.log" 'cannot download prometheus'
}

# ---- Java ----

copy_jars()
{
	MAVEN_OPTS=-XX:-UsePerfData mvn --quiet --batch-mode --update-snapshots --file demo/pom.xml -Dmaven.repo.local="$build/maven" -Dmaven.artifact.threads=16 \
		org.apache.maven.plugins:maven-dependency-plugin:3.6.1:copy-dependencies \
		-DincludeScope=runtime -DoutputDirectory="$build/jars"
}

jars()
{
	! cmp -s demo/pom.xml "$build/jars/pom.xml" || return 0
	say 'Apache Kafka and DynamoDB Local'
	rm -rf "$build/jars"
	# Once more, should an answer be lost on the way: what it has by then it does not ask for again.
	{ copy_jars || copy_jars; } >"$log/maven.log" 2>&1 || fail "$log/maven.log" "cannot download Apache Kafka and DynamoDB Local"
	# The name under which sqlite4java looks for its native library.
	for library in "$build"/jars/libsqlite4java-linux-*.so; do
		mv "$library" "${library%-[0-9]*.so}.so"
	done
	rm -rf "$build/maven"
	cp demo/pom.xml "$build/jars/pom.xml"
}

# ---- what each purpose needs ----

# Whatever happens, no file of ours stays in /etc.
finish()
{
	[ ! -e $NO_CLUSTER ] || remove_drop_in
}
trap finish EXIT
trap 'exit 130' INT
trap 'exit 143' TERM

# One at a time in this checkout.
mkdir -p "$log"
exec 9>"$build/lock"
flock --nonblock 9 || { say 'waiting for another run that installs or builds here'; flock 9; }

case $purpose in
	format) only=demo/requirements-format.txt ;;
	template) only=packaging/lambda/requirements.txt ;;
	docker) only=docker/requirements.txt ;;
	*) only= ;;
esac
if [ -n "$only" ]; then
	debian python3-venv
	python_packages "$only"
	[ "$purpose" != docker ] || promtool
	exit
fi

case $purpose in
	check | coverage) more='iproute2 faketime chromium' ;; # a network in which packets vanish, clocks that are off, a browser
	bench) more='kcat nghttp2-client' ;;
	*) more= ;;
esac
if [ "$purpose" = lint ]; then
	debian $COMPILER $LIBRARIES clang-tidy-14 cppcheck shellcheck flake8
	postgresql_headers
	exit
fi
debian python3-venv openjdk-17-jre-headless $([ -e "$build/jars/pom.xml" ] || echo maven)
debian $COMPILER $LIBRARIES $more
postgresql_server
postgresql_headers
python_packages demo/requirements.txt
jars
[ "$purpose" = demo ] || python_packages test/requirements.txt
[ "$purpose" != coverage ] || python_packages test/requirements-coverage.txt
case $purpose in check | coverage) python_packages demo/requirements-format.txt ;; esac
