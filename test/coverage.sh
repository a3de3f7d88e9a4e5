#!/bin/sh
# coverage.sh
#	  How many of the lines of C the tests run: all tests, in a copy of the checkout that is built to count.
#
#	test/coverage.sh [suite ...]
#
# Prints a line a file; build/coverage/lines.html shows each.  What is killed with -9 counts nothing.
set -eu

cd "$(dirname "$0")/.."
build=$PWD/build/coverage
copy=$build/topk

rm -rf "$build"
test/copy_checkout.sh "$copy"

cd "$copy"
make --silent --jobs="$(nproc)" COVERAGE=1 all daemons unit-programs replay-programs >"$build/make.log" 2>&1 || {
	tail -n 20 "$build/make.log" >&2
	exit 1
}
# The server, another user, counts here too.
chmod -R a+rwX extension lib build/obj build/sanitized
build/venv/bin/python test/run.py "$@" || echo 'some tests failed: the lines that they did not reach are missing below'
build/venv/bin/gcovr --root . --gcov-ignore-errors no_working_dir_found --html-details "$build/lines.html" --txt - \
	--filter lib/ --filter extension/ --filter feeders/ --filter ddb-sync/ --filter query/
