# Makefile
#	  Builds the extensions (PGXS), the daemons and the tests.  `make help` lists
#	  what people type.

# These install what is missing and then call make again, because on a clean
# machine there is no pg_config yet to include PGXS by.  (PGXS also has a
# `check` of its own, which refuses.)
FIRST_COMMANDS = demo check bench coverage format lint help

ifneq (,$(filter $(FIRST_COMMANDS),$(MAKECMDGOALS)))

# One at a time in this checkout, as the installing before it.
BUILD = flock build/lock $(MAKE) --no-print-directory --jobs=$(shell nproc) --silent

help:
	@echo 'make              build the extensions topk and topk_pipeline'
	@echo 'make install      install them (PG_CONFIG=... chooses the server)'
	@echo 'make daemons      build topk-kafka-feeder, topk-lambda-feeder, topk-ddb-sync and topk-query in build/'
	@echo 'make install-daemons   install them and their systemd units, below prefix=/usr/local (DESTDIR=...)'
	@echo 'make lambda.zip   the Lambda function as AWS takes it: build/lambda.zip; lambda-arm64.zip for arm64, on another machine'
	@echo 'make deb          Debian packages of HEAD in build/deb, for the PostgreSQL of PG_CONFIG=...; check-deb (POSTGRESQL=17, 18) tries them in a root of its own'
	@echo 'make dist         the sources of HEAD as PGXN takes them: build/topk-VERSION.zip'
	@echo 'make demo         the whole path on real servers; INPUT=file.jsonl for events of your own, STAY=1 to look at the page'
	@echo 'make check        every test; check-style, check-unit, check-fuzz, check-sql, check-docs, check-isolation, check-integration for some (ONLY=pattern)'
	@echo 'make soak         the long editions of the tests of exactly once, and an hour with everything on (ONLY=pattern)'
	@echo 'make check-pg17   the SQL tests on another PostgreSQL (13, 17, 18) in a root of the Debian that has it'
	@echo 'make check-lambda-zip   build the Lambda function and run it in a root that has nothing else'
	@echo 'make check-docker    the images'\'' recipes, compose.yml, Prometheus'\'' rules with their tests, and the dashboard, each by its own linter'
	@echo 'make check-images    the steps of those recipes, in roots of their own instead of an engine, and the daemons started'
	@echo 'make check-template     cfn-lint on the SAM template of the Lambda function'
	@echo 'make check-asan   the SQL tests in a server under AddressSanitizer; check-valgrind under valgrind'
	@echo 'make fuzz         fuzz the parsers and the summary; FUZZ=target, FUZZ_SECONDS=60 or FUZZ_RUNS=n'
	@echo 'make bench        what the performance claims are made with'
	@echo 'make format       indent the C files'
	@echo 'make screenshot   docs/page.png, after make check has installed a browser'
	@echo 'make sbom         build/sbom.json: the packages that the programs stand on (CycloneDX)'
	@echo 'make coverage     how many of the lines of C the tests run'
	@echo 'make lint         clang-tidy with scan-build'\''s checkers, cppcheck and gcc -fanalyzer on the C files; shellcheck, flake8'
	@echo 'make clean        remove what was built; distclean also what was downloaded'

demo:
	@demo/install.sh demo
	@$(BUILD) all daemons
	@STAY=$(STAY) build/venv/bin/python demo/demo.py $(if $(INPUT),"$(INPUT)")

check:
	@demo/install.sh check
	@$(BUILD) WERROR=-Werror all daemons unit-programs replay-programs
	@build/venv/bin/python test/run.py

bench:
	@demo/install.sh bench
	@$(BUILD) all daemons bench-programs lambda.zip
	@$(MAKE) --no-print-directory run-bench

format:
	@demo/install.sh format
	build/venv/bin/clang-format -i $$(git ls-files '*.c' '*.h')

coverage:
	@demo/install.sh coverage
	@test/coverage.sh

lint:
	@demo/install.sh lint
	@$(BUILD) daemons
	@test/lint.sh

# Anything else that was asked for together with these.
REST = $(filter-out $(FIRST_COMMANDS),$(MAKECMDGOALS))
ifneq (,$(REST))
$(REST):
	@$(MAKE) --no-print-directory $@
endif

.PHONY: $(FIRST_COMMANDS) $(REST)

else

# ---- the extensions ----

MODULE_big = topk
OBJS = $(patsubst %.c,%.o,$(wildcard extension/*.c lib/mg/*.c))
EXTENSION = extension/topk extension/topk_pipeline
DATA = $(wildcard extension/*--*.sql)
DATA_built = $(PIPELINE_SCRIPT)
# topk_pipeline's script is made of parts, one a subject, in an order in which each finds what it stands on.
PIPELINE_PARTS = head pipeline partition slot position rejected seen ingest replay dead_letter reading mirror import expire status privileges
PIPELINE_SCRIPT := build/topk_pipeline--$(shell sed -n "s/^default_version = '\(.*\)'/\1/p" extension/topk_pipeline.control).sql
PG_CPPFLAGS = -I$(srcdir)/lib $(addprefix -I,$(PRIVATE_HEADERS))
# Where demo/install.sh puts the server's headers if the system has none.
PRIVATE_HEADERS = $(wildcard build/server-dev/usr/include/postgresql/$(MAJORVERSION)/server)
# make coverage, in a copy of the checkout
COVERAGE_CFLAGS = $(if $(COVERAGE),--coverage -fprofile-update=atomic)
# The same bytes in whatever folder: packaging/same_bytes.sh.
SAME_BYTES = $(if $(COVERAGE),,-ffile-prefix-map=$(CURDIR)=.)
PG_CFLAGS = $(COVERAGE_CFLAGS) $(SAME_BYTES) -Wall -Wextra -Wno-unused-parameter -Wno-sign-compare $(WERROR)
EXTRA_CLEAN = build/obj build/bench build/sanitized build/unit $(FUZZ_PROGRAMS) build/fuzz/replay build/topk-* build/proto build/lambda.zip build/lambda/bootstrap $(LAMBDA_PARTS) build/regress build/isolation
# No bitcode: it would need the exact clang that the server was built with.
override with_llvm = no

PG_CONFIG ?= pg_config
PGXS := $(shell $(PG_CONFIG) --pgxs 2>/dev/null)
ifneq (,$(wildcard $(PGXS)))
include $(PGXS)
else
all install:
	@echo "$(PG_CONFIG) leads to no server headers; demo/install.sh installs what is needed" >&2; exit 1
clean:
	rm -rf $(EXTRA_CLEAN)
endif

$(OBJS): $(wildcard extension/*.h lib/mg/*.h)

$(PIPELINE_SCRIPT): $(PIPELINE_PARTS:%=extension/topk_pipeline/%.sql) extension/topk_pipeline.control Makefile
	@mkdir -p $(@D)
	cat $(filter %.sql,$^) >$@

# Calls within the library then need no detour through the linkage table.
lib/mg/%.o: override CFLAGS += -fvisibility=hidden

ifneq (,$(COVERAGE))
override LDFLAGS += --coverage
endif

# ---- the daemons ----

PACKAGES = libpq libcurl libmicrohttpd jansson yajl libssl libcrypto rdkafka libprotobuf-c expat zlib libnghttp2
DAEMON_CPPFLAGS = -Ilib -Ibuild/proto -Ibuild/proto/query -D_GNU_SOURCE $(shell pkg-config --cflags $(PACKAGES))
DAEMON_CFLAGS = -std=c11 -O2 -g -fno-omit-frame-pointer -Wall -Wextra $(WERROR) $(COVERAGE_CFLAGS) $(SAME_BYTES)
# As Debian builds its own packages; test_security.py looks at the programs.
HARDENING = -fstack-protector-strong -fstack-clash-protection $(BRANCH_PROTECTION) -D_FORTIFY_SOURCE=2 -fPIE
BRANCH_PROTECTION = $(if $(filter aarch64-%,$(MACHINE)),-mbranch-protection=standard,-fcf-protection)
MACHINE := $(shell $(CC) -dumpmachine)
DAEMON_LDFLAGS = -pie -Wl,-z,relro,-z,now
DAEMON_LIBS = -Wl,--as-needed $(shell pkg-config --libs $(PACKAGES)) -lhttp_parser -lm -lpthread

# objects(variant, source directories)
objects = $(patsubst %.c,build/$(1)/%.o,$(wildcard $(addsuffix /*.c,$(2))))

# Messages of protobuf that topk-query is made with: query_messages(variant).  Reflection also describes itself as v1alpha.
QUERY_MESSAGES = $(patsubst query/proto/%.proto,%,$(shell find query/proto -name '*.proto' 2>/dev/null))
QUERY_PROTOS = $(QUERY_MESSAGES) grpc/reflection/v1alpha/reflection
query_messages = $(QUERY_MESSAGES:%=build/$(1)/proto/query/%.pb-c.o)

# A daemon is what has a unit.
DAEMONS = $(patsubst packaging/systemd/%@.service,build/%,$(wildcard packaging/systemd/*@.service))
# For the machine's own Lambda emulator; AWS gets lambda.zip.
FUNCTION = build/topk-lambda-feeder

daemons: $(DAEMONS) $(FUNCTION)

build/topk-kafka-feeder: $(call objects,obj,feeders feeders/kafka lib/feed lib/daemon lib/mg)
build/topk-lambda-feeder: $(call objects,obj,feeders feeders/lambda lib/feed lib/daemon lib/mg) build/obj/feeders/lambda/kpl.pb-c.o
build/topk-ddb-sync: $(call objects,obj,ddb-sync lib/aws lib/daemon)

build/topk-query: $(call objects,obj,query lib/aws lib/daemon lib/feed lib/mg) $(call query_messages,obj)

$(DAEMONS) $(FUNCTION):
	$(CC) $(DAEMON_LDFLAGS) $(LDFLAGS) -o $@ $^ $(DAEMON_LIBS)

# What benchmarks in C are made of.
BENCH_PROGRAMS = $(patsubst bench/%.c,build/bench/%,$(wildcard bench/*.c))

bench-programs: $(BENCH_PROGRAMS)

$(BENCH_PROGRAMS): build/bench/%: build/obj/bench/%.o $(call objects,obj,lib/daemon lib/feed lib/mg)
	@mkdir -p $(@D)
	$(CC) $(LDFLAGS) -o $@ $^ $(DAEMON_LIBS)

build/obj/%.o: %.c
	@mkdir -p $(@D)
	$(CC) $(DAEMON_CPPFLAGS) $(DAEMON_CFLAGS) $(HARDENING) -MMD -MP -c -o $@ $<

# Messages of protobuf: build/proto/NAME.pb-c.[ch] of feeders/lambda/NAME.proto.
build/proto/%.pb-c.c build/proto/%.pb-c.h: feeders/lambda/%.proto
	@mkdir -p $(@D)
	protoc-c --proto_path=$(<D) --c_out=$(@D) $<

build/%/feeders/lambda/kpl.pb-c.o: build/proto/kpl.pb-c.c
	@mkdir -p $(@D)
	$(CC) $(DAEMON_CPPFLAGS) $(DAEMON_CFLAGS) $(if $(filter sanitized,$*),$(SANITIZE),$(HARDENING)) -c -o $@ $<

build/obj/feeders/lambda/kpl.o build/sanitized/feeders/lambda/kpl.o: build/proto/kpl.pb-c.h

# ---- what topk-query is made of besides C: messages, their descriptors for reflection, the page ----

# Strings become bytes, which are the same on the wire: a string of protobuf-c ends with its first NUL.
build/proto/query/%.pb-c.c build/proto/query/%.pb-c.h: query/proto/%.proto
	@mkdir -p $(@D)
	sed 's/string /bytes /' $< >build/proto/query/$*.proto
	protoc-c --proto_path=build/proto/query --c_out=build/proto/query $*.proto

build/proto/query/%.bin: query/proto/%.proto
	@mkdir -p $(@D)
	protoc-c --proto_path=query/proto --descriptor_set_out=$@ $*.proto

# The older version of reflection, which clients still ask for, has another name and nothing else.
build/proto/alpha/grpc/reflection/v1alpha/reflection.proto: query/proto/grpc/reflection/v1/reflection.proto
	@mkdir -p $(@D)
	sed 's/grpc.reflection.v1;/grpc.reflection.v1alpha;/' $< >$@

build/proto/query/grpc/reflection/v1alpha/%.bin: build/proto/alpha/grpc/reflection/v1alpha/%.proto
	@mkdir -p $(@D)
	protoc-c --proto_path=build/proto/alpha --descriptor_set_out=$@ grpc/reflection/v1alpha/$*.proto

build/obj/proto/query/%.o: build/proto/query/%.c
	@mkdir -p $(@D)
	$(CC) $(DAEMON_CPPFLAGS) $(DAEMON_CFLAGS) -Wno-missing-braces $(HARDENING) -c -o $@ $<

build/sanitized/proto/query/%.o: build/proto/query/%.c
	@mkdir -p $(@D)
	$(CC) $(DAEMON_CPPFLAGS) $(DAEMON_CFLAGS) -Wno-missing-braces $(SANITIZE) -c -o $@ $<

$(foreach variant,obj sanitized,$(addprefix build/$(variant)/query/,rpc_message.o rpc_health.o rpc_reflection.o rpc_symbols.o)): \
	$(QUERY_MESSAGES:%=build/proto/query/%.pb-c.h) $(QUERY_PROTOS:%=build/proto/query/%.bin)
build/obj/query/page.o build/sanitized/query/page.o: $(wildcard query/page/*)

# ---- the Lambda function as AWS takes it: one static program, named bootstrap, in a zip ----

LAMBDA_LIBRARIES = build/lambda/libraries
STRIP = strip
# Of the daemons' library a static link takes what the function uses.
LAMBDA_PARTS = build/lambda/parts.a
LAMBDA_LIBS = $(addprefix $(LAMBDA_LIBRARIES)/lib/,libcurl.a libpq.a libpgcommon.a libpgport.a) \
	-l:libssl.a -l:libcrypto.a -l:libjansson.a -l:libyajl_s.a -l:libprotobuf-c.a -lm

lambda.zip: build/lambda.zip

# On an arm64 machine it is lambda.zip.
lambda-arm64.zip:
	@packaging/lambda/arm64.sh

build/lambda.zip: build/lambda/bootstrap
	rm -rf $@ $@.d
	install -D -m 755 $< $@.d/$(<F)
	touch --date=2000-01-01Z $@.d/$(<F)
	cd $@.d && TZ=UTC python3 -m zipfile -c ../$(@F) $(<F)
	rm -r $@.d
	@echo "$@: $$(stat -c %s $@) bytes"

build/lambda/bootstrap: $(call objects,obj,feeders feeders/lambda) build/obj/feeders/lambda/kpl.pb-c.o $(LAMBDA_PARTS) $(LAMBDA_LIBRARIES)/lib/libpq.a
	$(CC) -static-pie -Wl,--gc-sections,-z,relro,-z,now $(LDFLAGS) -o $@ $(filter %.o,$^) $(LAMBDA_PARTS) $(LAMBDA_LIBS) 2>$@.log || { cat $@.log >&2; exit 1; }
	$(STRIP) $@

$(LAMBDA_PARTS): $(call objects,obj,lib/feed lib/daemon lib/mg)
	@mkdir -p $(@D)
	rm -f $@
	$(AR) rc $@ $^

$(LAMBDA_LIBRARIES)/lib/libpq.a: packaging/lambda/libraries.sh packaging/debian_source.sh
	CC='$(CC)' packaging/lambda/libraries.sh $(LAMBDA_LIBRARIES)
	touch $@

# PGXS has a prefix of its own; only one from the command line is meant for us.
DAEMON_PREFIX = $(if $(filter command%,$(origin prefix)),$(prefix),/usr/local)

install-daemons: daemons
	install -d '$(DESTDIR)$(DAEMON_PREFIX)/bin' '$(DESTDIR)$(DAEMON_PREFIX)/lib/systemd/system'
	install $(DAEMONS) '$(DESTDIR)$(DAEMON_PREFIX)/bin'
	for unit in $(notdir $(wildcard packaging/systemd/*.service)); do \
		sed 's,/usr/local/bin,$(DAEMON_PREFIX)/bin,' packaging/systemd/$$unit \
			>'$(DESTDIR)$(DAEMON_PREFIX)/lib/systemd/system/'$$unit || exit 1; done

# ---- for others to install ----

VERSION = $(shell sed -n 's/^   "version": "\(.*\)",$$/\1/p' META.json)

deb:
	@packaging/deb.sh build/deb

# As PGXN takes it.
dist:
	@mkdir -p build
	TZ=UTC git archive --format=zip --prefix=topk-$(VERSION)/ --output=build/topk-$(VERSION).zip HEAD

check-deb:
	@test/packages.sh $(POSTGRESQL)

check-docker:
	@demo/install.sh docker
	@test/docker.sh

check-images:
	@test/image_steps.py docker/*.Dockerfile

# ---- unit tests: test/unit/LIBRARY_*_test.c, under the sanitizers ----

SANITIZE = -O1 -fsanitize=address,undefined -fno-sanitize-recover=undefined
# Of the function, what reads foreign bytes.
LAMBDA_TESTED = $(addprefix feeders/lambda/,sequence.c kinesis.c kpl.c intake.c answer.c)
# The parts of the query service: its port, the RPCs over it, and what knows neither a protocol nor a database.
QUERY_SERVER = buffer connection exchange http1 http2 route server timer tls tokens
QUERY_RPC = gunzip rpc rpc_code rpc_connect rpc_grpc rpc_health rpc_message rpc_reflection rpc_symbols
QUERY_TESTED = $(addprefix query/,question.c windows.c reads.c places.c ranking.c figures.c)
UNIT_PROGRAMS = $(patsubst test/unit/%.c,build/unit/%,$(wildcard test/unit/*_test.c))

unit: unit-programs
	@for program in $(UNIT_PROGRAMS); do echo "# $$program"; $$program || exit 1; done

unit-programs: $(UNIT_PROGRAMS)

# Only what the library may stand on is linked.
$(filter build/unit/mg_%,$(UNIT_PROGRAMS)): $(call objects,sanitized,lib/mg)
$(filter build/unit/aws_%,$(UNIT_PROGRAMS)): $(call objects,sanitized,lib/aws lib/daemon)
$(filter build/unit/sync_%,$(UNIT_PROGRAMS)): build/sanitized/ddb-sync/schedule.o
$(filter build/unit/query_%,$(UNIT_PROGRAMS)): $(QUERY_TESTED:%.c=build/sanitized/%.o) $(call objects,sanitized,lib/daemon lib/mg)
build/unit/query_answers_test: build/sanitized/query/answers.o
build/unit/query_top_test: $(addprefix build/sanitized/query/,top.o live.o top_question.o rpc_code.o)
build/unit/query_http_test: $(QUERY_SERVER:%=build/sanitized/query/%.o)
build/unit/query_message_test: $(addprefix build/sanitized/query/,rpc_message.o buffer.o) $(call query_messages,sanitized)
build/unit/query_rpc_test: $(patsubst %,build/sanitized/query/%.o,$(QUERY_SERVER) $(QUERY_RPC)) $(call query_messages,sanitized)
$(filter build/unit/daemon_%,$(UNIT_PROGRAMS)): $(call objects,sanitized,lib/daemon)
$(filter build/unit/lambda_%,$(UNIT_PROGRAMS)): $(LAMBDA_TESTED:%.c=build/sanitized/%.o) build/sanitized/feeders/lambda/kpl.pb-c.o $(call objects,sanitized,lib/feed lib/daemon lib/mg)
$(filter build/unit/feed_%,$(UNIT_PROGRAMS)): $(call objects,sanitized,lib/feed lib/mg)

$(UNIT_PROGRAMS): build/unit/%: build/sanitized/test/unit/%.o
	@mkdir -p $(@D)
	$(CC) $(SANITIZE) $(LDFLAGS) -o $@ $^ $(DAEMON_LIBS)

build/sanitized/test/unit/lambda_%.o: DAEMON_CPPFLAGS += -Ifeeders/lambda
build/sanitized/test/unit/sync_%.o: DAEMON_CPPFLAGS += -Iddb-sync
build/sanitized/test/unit/query_%.o: DAEMON_CPPFLAGS += -Iquery

build/sanitized/%.o: %.c
	@mkdir -p $(@D)
	$(CC) $(DAEMON_CPPFLAGS) $(DAEMON_CFLAGS) $(SANITIZE) -MMD -MP -c -o $@ $<

# ---- fuzzing: test/fuzz/*_fuzz.c under libFuzzer, for as long as one likes ----
#
#	make fuzz [FUZZ=mg_native] [FUZZ_SECONDS=60 | FUZZ_RUNS=1000000]
#
# New inputs are kept in build/fuzz/corpus, what fails in build/fuzz/TARGET-*.
# `make check` replays test/fuzz/corpus, with the compiler and the sanitizers of the unit tests.

FUZZ_TARGETS = $(filter-out topk_text,$(patsubst test/fuzz/%_fuzz.c,%,$(wildcard test/fuzz/*_fuzz.c)))
FUZZ = $(FUZZ_TARGETS) topk_text
FUZZ_SECONDS = 60
FUZZ_MAX_LEN = 256
FUZZ_CC = $(firstword $(shell command -v clang-16) $(shell command -v clang-14) clang)
# Without the checks that cost most: replaying has them.
FUZZ_SANITIZE = -O2 -fsanitize=fuzzer,address,undefined -fno-sanitize-recover=undefined \
	-fno-sanitize=null,alignment,pointer-overflow,object-size
FUZZ_OPTIONS = $(if $(FUZZ_RUNS),-runs=$(FUZZ_RUNS),-max_total_time=$(FUZZ_SECONDS)) -max_len=$(FUZZ_MAX_LEN) \
	-timeout=10 -verbosity=0 -print_final_stats=1
FUZZ_SOURCES = $(wildcard lib/mg/*.c)
FUZZ_HEADERS = $(wildcard lib/mg/*.h lib/feed/*.h test/fuzz/*.h test/support/*.h)
FUZZ_PROGRAMS = $(addprefix build/fuzz/,$(FUZZ_TARGETS))
REPLAY_PROGRAMS = $(addprefix build/fuzz/replay/,$(FUZZ_TARGETS))

fuzz: $(addprefix build/fuzz/,$(filter $(FUZZ_TARGETS),$(FUZZ)))
	@for target in $(filter $(FUZZ_TARGETS),$(FUZZ)); do echo "# $$target"; mkdir -p build/fuzz/corpus/$$target; \
		build/fuzz/$$target $(FUZZ_OPTIONS) -artifact_prefix=build/fuzz/$$target- \
			build/fuzz/corpus/$$target test/fuzz/corpus/$$target || exit 1; done
ifneq (,$(filter topk_text,$(FUZZ)))
fuzz: fuzz-topk-text
fuzz-topk-text: all build/fuzz/topk_text.so
	@echo '# topk_text'; mkdir -p build/fuzz/corpus/topk_text
	@POSTGRES_WRAPPER="$$(test/asan_wrapper.sh)" build/venv/bin/python test/fuzz/topk_text.py build/fuzz/corpus/topk_text test/fuzz/corpus/topk_text -- \
		$(FUZZ_OPTIONS) -dict=$(CURDIR)/test/fuzz/topk_text.dict
endif

# A module of the server (test/asan_wrapper.sh says why by this compiler), in which libFuzzer runs.  Without -Bsymbolic
# what counts the coverage would be the sanitizer's, which forgets it.
FUZZ_SERVER_CC = clang-16
comma = ,

build/fuzz/topk_text.so: test/fuzz/topk_text_fuzz.c test/fuzz/fuzz.h $(wildcard extension/*.[ch] lib/mg/*.[ch])
	@mkdir -p $(@D)
	$(FUZZ_SERVER_CC) $(CPPFLAGS) $(DAEMON_CFLAGS) -Wno-unused-parameter -Wno-sign-compare -Wno-ignored-attributes -shared -fPIC -shared-libasan \
		$(subst fuzzer$(comma),fuzzer-no-link$(comma),$(FUZZ_SANITIZE)) -fno-sanitize=function -o $@ $(filter %.c,$^) \
		$$($(FUZZ_SERVER_CC) -print-file-name=libclang_rt.fuzzer_no_main-$$(uname -m).a) -lstdc++ -Wl,-Bsymbolic

replay-programs: $(REPLAY_PROGRAMS)

%/kinesis %/kpl: FUZZ_SOURCES += $(LAMBDA_TESTED) build/proto/kpl.pb-c.c lib/daemon/base64.c $(wildcard lib/feed/*.c)
%/kinesis %/kpl: FUZZ_CPPFLAGS = -Ifeeders/lambda
$(foreach target,kinesis kpl,build/fuzz/$(target) build/fuzz/replay/$(target)): build/proto/kpl.pb-c.c build/proto/kpl.pb-c.h $(wildcard feeders/lambda/*.[ch])
%/aws_json: FUZZ_SOURCES += $(addprefix lib/aws/,json_read.c items.c attribute.c) lib/daemon/base64.c
build/fuzz/aws_json build/fuzz/replay/aws_json: $(wildcard lib/aws/*.[ch])
%/event: FUZZ_SOURCES += $(wildcard lib/feed/*.c)
%/mg_sequence: FUZZ_CPPFLAGS = -DMG_ROOM_MIN=8 -DMG_YOUNG_MAX=128
# Of the query service, what reads a client's bytes: messages alone, and all the way to the answers and back.
QUERY_MESSAGE_SOURCES = query/buffer.c query/rpc_message.c $(QUERY_MESSAGES:%=build/proto/query/%.pb-c.c)
QUERY_HTTP_SOURCES = $(patsubst %,query/%.c,page $(QUERY_SERVER) $(QUERY_RPC)) $(QUERY_MESSAGES:%=build/proto/query/%.pb-c.c)
%/query_message: FUZZ_SOURCES += $(QUERY_MESSAGE_SOURCES) $(wildcard lib/daemon/*.c)
%/query_http: FUZZ_SOURCES += $(QUERY_HTTP_SOURCES) $(wildcard lib/daemon/*.c)
%/query_message %/query_http: FUZZ_CPPFLAGS = -Iquery -Wno-missing-braces
$(foreach target,query_message query_http,build/fuzz/$(target) build/fuzz/replay/$(target)): $(QUERY_HTTP_SOURCES) \
	$(wildcard query/*.h query/page/*) $(QUERY_PROTOS:%=build/proto/query/%.bin)

$(FUZZ_PROGRAMS): build/fuzz/%: test/fuzz/%_fuzz.c $(wildcard lib/mg/*.c lib/feed/*.c) $(FUZZ_HEADERS)
	@mkdir -p $(@D)
	$(FUZZ_CC) $(DAEMON_CPPFLAGS) $(FUZZ_CPPFLAGS) $(DAEMON_CFLAGS) $(FUZZ_SANITIZE) -o $@ $< $(FUZZ_SOURCES) $(DAEMON_LIBS)

$(REPLAY_PROGRAMS): build/fuzz/replay/%: test/fuzz/%_fuzz.c test/fuzz/replay.c $(wildcard lib/mg/*.c lib/feed/*.c) $(FUZZ_HEADERS)
	@mkdir -p $(@D)
	$(CC) $(DAEMON_CPPFLAGS) $(FUZZ_CPPFLAGS) $(DAEMON_CFLAGS) $(SANITIZE) -o $@ $< test/fuzz/replay.c $(FUZZ_SOURCES) $(DAEMON_LIBS)

# The seeds of the codecs' corpora, after a change of the bytes.
fuzz-seeds: build/fuzz/seeds
	$< test/fuzz/corpus

build/fuzz/seeds: test/fuzz/seeds.c $(FUZZ_SOURCES) $(FUZZ_HEADERS)
	@mkdir -p $(@D)
	$(CC) $(DAEMON_CPPFLAGS) $(DAEMON_CFLAGS) -o $@ $< $(FUZZ_SOURCES)

-include $(shell find build/obj build/sanitized -name '*.d' 2>/dev/null)

# ---- running what is built ----

SUITES = style unit fuzz sql docs isolation integration

prepare-style:
prepare-unit: unit-programs
prepare-fuzz: all replay-programs
prepare-sql prepare-isolation: all
prepare-docs prepare-integration: all daemons

$(SUITES:%=check-%): check-%: prepare-%
	@build/venv/bin/python test/run.py $* $(if $(ONLY),--only '$(ONLY)')

check-lambda-zip: daemons $(or $(ZIP),lambda.zip)
	@LAMBDA_ZIP='build/$(or $(ZIP),lambda.zip)' build/venv/bin/python test/run.py integration --only lambda_zip

check-template:
	@demo/install.sh template
	@build/venv/bin/cfn-lint packaging/lambda/template.yaml && echo 'packaging/lambda/template.yaml: cfn-lint has nothing to say'

sbom: all daemons
	@packaging/sbom.py $(DAEMONS) $(FUNCTION) topk.so >build/sbom.json && echo build/sbom.json

# The picture of the page in the README.
screenshot: all daemons
	@PICTURE=docs/page.png build/venv/bin/python demo/demo.py

# The long editions of the tests of exactly once, and an hour with everything on: hours.
soak: all daemons
	@SOAK=1 build/venv/bin/python test/run.py integration --only '$(or $(ONLY),kill_9 or two_feeders or thought_dead or restarted_amid or cut_at_any_byte or come_twice or patience or vanish or leader or nodes_are_restarted or full_disk or bad_records or many_keys or dead_letter or thaw or kill_at_any_moment or everything)'

check-pg13 check-pg17 check-pg18: check-pg%:
	@test/other_server.sh $*

check-asan check-valgrind: check-%:
	@test/checked_server.sh $* $(ONLY)

# For test/lint.sh.
print-daemon-cppflags:
	@echo '$(DAEMON_CPPFLAGS)'

run-bench:
	@build/venv/bin/python bench/run.py

distclean: remove-downloads
remove-downloads: clean
	rm -rf build

.PHONY: print-daemon-cppflags daemons install-daemons sbom screenshot lambda.zip lambda-arm64.zip unit unit-programs replay-programs fuzz fuzz-topk-text fuzz-seeds $(SUITES:%=prepare-%) $(SUITES:%=check-%) check-lambda-zip check-template check-asan check-valgrind check-deb check-docker check-images deb dist check-pg13 check-pg17 check-pg18 run-bench remove-downloads

endif
