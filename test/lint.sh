#!/bin/sh
# lint.sh
#	  What clang-tidy, which runs scan-build's analyzer too, cppcheck and gcc -fanalyzer say of the C code,
#	  and shellcheck and flake8 of the scripts.
#
#	test/lint.sh [FILE.c ...]		of these alone
#
# Nothing is what they are to say; then it ends with 0.  What clang-tidy and shellcheck are asked, and
# why some checks are not, is in .clang-tidy and .shellcheckrc.
set -u
cd "$(dirname "$0")/.." || exit

# The Makefile says where headers are.
daemon_flags="-std=c11 $(make --no-print-directory --silent print-daemon-cppflags)"
server=$(pg_config --includedir-server)
[ -e "$server/postgres.h" ] || server=build/server-dev$server
server_flags="-std=gnu11 -D_GNU_SOURCE -Ilib -isystem $server"

# gcc 12 takes memory that lives on in a realloc'ed array for lost, and does not follow what a
# pointer's own text says; leaks are found by the tests under the sanitizers.
analyzer='-fanalyzer -Wno-analyzer-malloc-leak -Wno-analyzer-null-dereference -Wno-analyzer-null-argument -Wno-analyzer-use-of-uninitialized-value'
failed=0

# say(tool, output): what it found, without the lines that are no finding.
say()
{
	[ -z "$2" ] || { printf '%s\n' "$2"; failed=1; }
}

# check(flags, files)
check()
{
	flags=$1
	shift
	# A run a file: clang-tidy 14 forgets va_start from the second on.
	say clang-tidy "$(printf '%s\n' "$@" | xargs -P "$(nproc)" -I{} clang-tidy-14 --quiet {} -- $flags 2>&1 |
		grep -v -e 'warnings\? generated\.$' -e '^Suppressed ' -e '^Use -header-filter')"
	say gcc "$(printf '%s\n' "$@" | xargs -P "$(nproc)" -I{} gcc -O1 -Wall -Wextra -Wno-unused-parameter -Wno-sign-compare $analyzer $flags -c -o /dev/null {} 2>&1)"
}

# Without the headers of the system cppcheck does not know these loops.
loops='-DDL_FOREACH(head,el)=for(el=head;el!=0;el=el->next) -DDL_FOREACH_SAFE(head,el,tmp)=for(el=head;el!=0;el=tmp)
	-Djson_object_foreach(object,key,value)=for(key=0,value=0;key!=0;) -Djson_array_foreach(array,index,value)=for(index=0,value=0;index<9;index++)
	-DHASH_ITER(hh,head,el,tmp)=for(el=head;el!=0;el=tmp) --suppress=preprocessorErrorDirective'

files=${*:-$(git ls-files 'lib/*.c' 'feeders/*.c' 'ddb-sync/*.c' 'query/*.c' 'extension/*.c')}
check "$daemon_flags" $(printf '%s\n' $files | grep -v ^extension/)
check "$server_flags" $(printf '%s\n' $files | grep ^extension/)
say cppcheck "$(cppcheck --quiet --enable=warning,performance,portability --inline-suppr --std=c11 --error-exitcode=0 $loops \
	$(printf '%s\n' $daemon_flags | grep -e '^-I[lb]') -Ifeeders/lambda -Ifeeders/kafka $files 2>&1)"
if [ $# = 0 ]; then
	say shellcheck "$(git grep -l -E '^#!(/usr)?/bin/(env )?(ba)?sh' | xargs shellcheck)"
	# That names are used, and there: taste is not asked.
	say flake8 "$(git ls-files '*.py' | xargs flake8 --isolated --select=F)"
fi
[ $failed = 0 ] && echo "lint: $(printf '%s\n' $files | wc -l) files, nothing to say"
exit $failed
