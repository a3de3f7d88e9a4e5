#!/bin/sh
# asan_wrapper.sh [OPTION]
#	  Prints the POSTGRES_WRAPPER in which a server loads a module that clang-16 has built with AddressSanitizer: other
#	  compilers' runtimes hang in Debian's server.  OPTION is added to ASAN_OPTIONS.
set -eu

runtime=$(clang-16 -print-file-name="libclang_rt.asan-$(uname -m).so")
[ -e "$runtime" ] || { echo 'the runtime of clang-16 is not installed: libclang-rt-16-dev' >&2; exit 1; }
echo "env LD_PRELOAD=$runtime ASAN_OPTIONS=detect_leaks=0:abort_on_error=1${1:+:$1}"
