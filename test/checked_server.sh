#!/bin/sh
# checked_server.sh
#	  Runs pg_regress, and mutated binary and text values, in a server whose memory
#	  accesses are watched: by AddressSanitizer (and UBSan), or by valgrind.
#
# asan		the installed server with the extension built by clang-16.  Sees all
#			but overruns inside the server's own memory chunks.
# valgrind	a server built from Debian's source with -DUSE_VALGRIND, which tells
#			valgrind about these chunks, and with assertions.  Building it takes
#			minutes, the first time; skipped where the source can't be had.
set -eu

kind=${1:?usage: checked_server.sh asan|valgrind [test pattern]}
only=${2-}
cd "$(dirname "$0")/.."
checkout=$PWD
build=$checkout/build/$kind
log=$build/log
mkdir -p "$build"

skip()
{
	echo "skipped: $*" >&2
	exit 0
}

need()
{
	command -v "$1" >/dev/null || skip "$1 is not installed"
}

# What is built with other flags must not mix with the checkout's own objects.
copy_checkout()
{
	test/copy_checkout.sh "$build/topk"
	rm -rf "$log"
	# The server's user writes here.
	install -d -m 777 "$log"
}

# build_extension(make's arguments...)
build_extension()
{
	make --silent -C "$build/topk" "$@" all >"$build/make.log" 2>&1 || {
		tail -n 20 "$build/make.log" >&2
		exit 1
	}
}

# ---- AddressSanitizer ----

prepare_asan()
{
	need clang-16
	POSTGRES_WRAPPER=$(test/asan_wrapper.sh "log_path=$log/report") || skip 'no AddressSanitizer'
	copy_checkout
	build_extension CC=clang-16 \
		COPT='-O1 -fsanitize=address,undefined -fno-sanitize=function -fno-sanitize-recover=undefined -shared-libasan'
	POSTGRES_WRAPPER="$POSTGRES_WRAPPER UBSAN_OPTIONS=print_stacktrace=1:abort_on_error=1:log_path=$log/report"
}

# ---- valgrind ----

build_server()
{
	rm -rf "$build/apt" "$build/source" "$build/server"
	packaging/debian_source.sh "$build/apt" postgresql-15 >"$build/download.log" 2>&1 ||
		skip "the source of PostgreSQL can't be had: $(tail -n 1 "$build/download.log")"
	mkdir "$build/source"
	tar --extract --file="$(ls "$build"/apt/*.orig.tar.*)" --strip-components=1 --directory="$build/source"
	echo "building a server for valgrind; $build/server.log tells how far it is"
	(
		cd "$build/source"
		./configure --prefix="$build/server" --enable-debug --enable-cassert --without-readline --without-zlib \
			CFLAGS='-O1 -g -fno-omit-frame-pointer' CPPFLAGS=-DUSE_VALGRIND
		# First what the parallel make would not wait for.
		make --silent -C src/backend generated-headers
		make --silent --jobs="$(nproc)" install
	) >"$build/server.log" 2>&1 || {
		tail -n 20 "$build/server.log" >&2
		exit 1
	}
	touch "$build/server/complete"
}

prepare_valgrind()
{
	need valgrind
	[ -e "$build/server/complete" ] || build_server
	PG_CONFIG=$build/server/bin/pg_config
	export PG_CONFIG
	copy_checkout
	build_extension
	POSTGRES_WRAPPER="valgrind --quiet --trace-children=yes --leak-check=no --num-callers=30 \
		--suppressions=$build/source/src/tools/valgrind.supp --log-file=$log/report.%p"
}

# ---- both ----

# The tests pass as they do elsewhere, and no process of the server has reported anything.
run_tests()
{
	status=0
	python=$checkout/build/venv/bin/python
	"$python" "$build/topk/test/run.py" sql ${only:+--only "$only"} || status=1
	[ -n "$only" ] || "$python" "$build/topk/test/run.py" integration --only test_topk_binary || status=1
	[ -n "$only" ] || "$python" "$build/topk/test/fuzz/topk_text.py" "$build/topk/test/fuzz/corpus/topk_text" || status=1
	for report in "$log"/*; do
		[ -s "$report" ] || continue
		head -n 60 "$report"
		status=1
	done
	return $status
}

[ -x build/venv/bin/python ] || demo/install.sh check
if [ -x build/pg_config ]; then
	export PG_CONFIG="$checkout/build/pg_config"
fi
prepare_$kind
export POSTGRES_WRAPPER
run_tests && echo "$kind: no report"
