# Lazo - one Makefile, not recursive.
#
#   make            the five programs, in build/$(V)/
#   make demo       plays the whole job on an instance of its own and checks it
#   make run        keeps the same instance up
#   make check      builds with sanitizers and runs every test
#   make bench      measures, as ratios
#   make lint       formatting, layering, units, prose; quiet when all is well
#   make fuzz       each fuzzer for FUZZ_SECONDS
#   make install    DESTDIR and PREFIX as usual
#
# V=debug|asan|tsan|fuzz|release chooses the build; BUILD= another place for it.

V ?= debug
BUILD ?= build/$(V)
GEN := $(BUILD)/gen
PREFIX ?= /usr/local
DESTDIR ?=
# Debian's Python packages belong to Debian's Python, which is not always the first on the path.
PYTHON := /usr/bin/python3

# libFuzzer is clang's.
CC := $(if $(filter fuzz,$(V)),clang-14,gcc)
PKGS := talloc jansson libzmq libpq libmicrohttpd libcurl icu-uc icu-i18n yaml-0.1 libidn2 libsodium \
        openssl smartcols libsystemd gmime-3.0
# Asked only where something is compiled: before `make deps` there is no pkg-config.
PKG_CFLAGS = $(shell pkg-config --cflags $(PKGS))

WARN := -Wall -Wextra -Wshadow -Wstrict-prototypes -Wmissing-prototypes -Wswitch-enum -Wformat=2 -Wvla
OPT_debug := -Og -g -Werror
OPT_asan := -O1 -g -Werror -fsanitize=address,undefined -fno-sanitize-recover=all -fno-omit-frame-pointer
OPT_tsan := -O1 -g -Werror -fsanitize=thread
# Its warnings are others than gcc's, which judge.
OPT_fuzz := -w -O1 -g -fsanitize=fuzzer-no-link,address,undefined -fno-sanitize-recover=all -fno-omit-frame-pointer
OPT_release := -O2 -g -D_FORTIFY_SOURCE=2 -fstack-protector-strong
LD_asan := -fsanitize=address,undefined
LD_tsan := -fsanitize=thread
LD_fuzz := -fsanitize=address,undefined

CPPFLAGS = -D_GNU_SOURCE -I. -I$(GEN) -DLAZO_PREFIX='"$(PREFIX)"' -DLAZO_VERSION='"$(VERSION)"'
CFLAGS = -std=c17 $(WARN) $(OPT_$(V)) -pthread
LDFLAGS = $(LD_$(V)) -pthread
VERSION := 0.1.0

# --- what is built of what -------------------------------------------------------------------

MAINS := daemon/lazod.c daemon/lazoctl.c workers/mailer/lazo-mailer.c workers/hook/lazo-hook.c \
         workers/inbox/lazo-inbox.c
sources = $(sort $(filter-out $(MAINS),$(shell find $(1) -name '*.c' 2>/dev/null)))
objects = $(patsubst %.c,$(BUILD)/%.o,$(1))

COMMON_O := $(call objects,$(call sources,common))
DAEMON_O := $(call objects,$(call sources,daemon)) $(GEN)/statements.o $(GEN)/migrations.o $(GEN)/openapi.o
MAILER_O := $(call objects,$(call sources,workers/mailer))
HOOK_O := $(call objects,$(call sources,workers/hook))
INBOX_O := $(call objects,$(call sources,workers/inbox))

COMMON_A := $(BUILD)/libcommon.a
DAEMON_A := $(BUILD)/libdaemon.a
MAILER_A := $(BUILD)/libmailer.a
HOOK_A := $(BUILD)/libhook.a
INBOX_A := $(BUILD)/libinbox.a

PROGRAMS := lazod lazoctl lazo-mailer lazo-hook lazo-inbox
COMMON_LIBS := -ltalloc -ljansson -lzmq -lev -lyaml -linih -licui18n -licuuc -lidn2 -lsodium -lsystemd -lm
DAEMON_LIBS := -lpq -lmicrohttpd -lcurl -lsmartcols
MAILER_LIBS := -lesmtp -lcurl -lssl -lcrypto
HOOK_LIBS := -lcurl
INBOX_LIBS = $(shell pkg-config --libs gmime-3.0 2>/dev/null)

.DEFAULT_GOAL := all
.PHONY: all deps run demo check bench lint install clean format unit fuzz
all: $(PROGRAMS:%=$(BUILD)/%)

$(BUILD)/lazod: $(BUILD)/daemon/lazod.o $(DAEMON_A) $(COMMON_A)
	@echo "  LD   $(@F)"
	@$(CC) $(LDFLAGS) -o $@ $^ $(DAEMON_LIBS) $(COMMON_LIBS)
$(BUILD)/lazoctl: $(BUILD)/daemon/lazoctl.o $(DAEMON_A) $(COMMON_A)
	@echo "  LD   $(@F)"
	@$(CC) $(LDFLAGS) -o $@ $^ $(DAEMON_LIBS) $(COMMON_LIBS)
$(BUILD)/lazo-mailer: $(BUILD)/workers/mailer/lazo-mailer.o $(MAILER_A) $(COMMON_A)
	@echo "  LD   $(@F)"
	@$(CC) $(LDFLAGS) -o $@ $^ $(MAILER_LIBS) $(COMMON_LIBS)
$(BUILD)/lazo-hook: $(BUILD)/workers/hook/lazo-hook.o $(HOOK_A) $(COMMON_A)
	@echo "  LD   $(@F)"
	@$(CC) $(LDFLAGS) -o $@ $^ $(HOOK_LIBS) $(COMMON_LIBS)
$(BUILD)/lazo-inbox: $(BUILD)/workers/inbox/lazo-inbox.o $(INBOX_A) $(COMMON_A)
	@echo "  LD   $(@F)"
	@$(CC) $(LDFLAGS) -o $@ $^ $(INBOX_LIBS) $(COMMON_LIBS)

$(COMMON_A): $(COMMON_O)
$(DAEMON_A): $(DAEMON_O)
$(MAILER_A): $(MAILER_O)
$(HOOK_A): $(HOOK_O)
$(INBOX_A): $(INBOX_O)
$(BUILD)/lib%.a:
	@rm -f $@
	@ar rcs $@ $^

$(BUILD)/%.o: %.c | $(GEN)/statement_names.h
	@mkdir -p $(@D)
	@echo "  CC   $<"
	@$(CC) $(CPPFLAGS) $(PKG_CFLAGS) $(CFLAGS) -MMD -MP -c -o $@ $<
$(GEN)/%.o: $(GEN)/%.c
	@$(CC) $(CPPFLAGS) $(CFLAGS) -MMD -MP -c -o $@ $<

# SQL is embedded: the named statements and the migrations, as their files stand.
STATEMENTS := $(sort $(wildcard schema/statements/*.sql))
MIGRATIONS := $(sort $(wildcard schema/[0-9]*.sql)) schema/roles.sql
$(GEN)/statement_names.h: $(STATEMENTS) schema/embed.awk
	@mkdir -p $(GEN)
	@awk -v what=statement_names.h -f schema/embed.awk $(STATEMENTS) >$@.new && mv $@.new $@
$(GEN)/statements.c: $(STATEMENTS) schema/embed.awk
	@mkdir -p $(GEN)
	@awk -v what=statements.c -f schema/embed.awk $(STATEMENTS) >$@.new && mv $@.new $@
$(GEN)/migrations.c: $(MIGRATIONS) schema/embed.awk
	@mkdir -p $(GEN)
	@awk -v what=migrations.c -f schema/embed.awk $(MIGRATIONS) >$@.new && mv $@.new $@

$(GEN)/openapi.c: daemon/http/openapi.yaml schema/embed.awk
	@mkdir -p $(GEN)
	@awk -v what=text -v name=openapi_yaml -v header=daemon/http/openapi.h -f schema/embed.awk $< >$@.new && mv $@.new $@

# --- Debian packages ---------------------------------------------------------------------------

DEBIAN := gcc make gawk pkg-config libc6-dev libev-dev libzmq3-dev libpq-dev libesmtp-dev libcurl4-openssl-dev \
          libmicrohttpd-dev libjansson-dev libtalloc-dev uthash-dev libicu-dev libinih-dev libyaml-dev libidn2-dev \
          libsodium-dev libssl-dev libsmartcols-dev libsystemd-dev libgmime-3.0-dev postgresql-15
DEBIAN_CHECK := libcmocka-dev postgresql-15-pgtap libtap-parser-sourcehandler-pgtap-perl python3-pytest python3-aiosmtpd \
          python3-psycopg2 python3-yaml python3-requests clang clang-format libclang-rt-14-dev mandoc systemd procps
DEBIAN_DEMO := python3-aiosmtpd python3-psycopg2 python3-requests

deps:
	@tests/install.sh $(DEBIAN) $(DEBIAN_DEMO) $(if $(filter check,$(FOR)),$(DEBIAN_CHECK))

# --- a newcomer's two commands, and their like ----------------------------------------------------

demo:
	@tests/install.sh $(DEBIAN) $(DEBIAN_DEMO)
	@$(MAKE) --no-print-directory -j2 V=$(V) BUILD=$(BUILD) all
	@LAZO_BUILD=$(abspath $(BUILD)) $(PYTHON) tests/demo/demo.py

# Where `make run` keeps its instance; root's own folder is closed to the user that PostgreSQL runs as.
RUN_HOME ?= $(if $(filter 0,$(shell id -u)),/var/lib/lazo-run,$(HOME)/.lazo)
run:
	@tests/install.sh $(DEBIAN) $(DEBIAN_DEMO)
	@$(MAKE) --no-print-directory -j2 V=$(V) BUILD=$(BUILD) all
	@echo 'Mail goes to $(RUN_HOME)/outbox; the token of the API is in $(RUN_HOME)/token. Ctrl-C ends it.'
	$(BUILD)/lazoctl up --home $(RUN_HOME) --http 127.0.0.1:7400 --example

# Every test runs under AddressSanitizer and UBSan.
check:
	@tests/install.sh $(DEBIAN) $(DEBIAN_DEMO) $(DEBIAN_CHECK)
	@$(MAKE) --no-print-directory -j2 V=asan BUILD=build/asan all unit
	@$(MAKE) --no-print-directory -j2 V=tsan BUILD=build/tsan threads
	@$(MAKE) --no-print-directory -j2 V=fuzz BUILD=build/fuzz fuzzers
	@LAZO_BUILD=$(abspath build/asan) LAZO_TSAN=$(abspath build/tsan) LAZO_FUZZ=$(abspath build/fuzz) $(PYTHON) tests/run.py

bench:
	@tests/install.sh $(DEBIAN) $(DEBIAN_DEMO) $(DEBIAN_CHECK)
	@$(MAKE) --no-print-directory -j2 V=release BUILD=build/release all
	@LAZO_BUILD=$(abspath build/release) $(PYTHON) tests/bench/bench.py
	@LAZO_BUILD=$(abspath build/release) $(PYTHON) tests/bench/segments.py
	@LAZO_BUILD=$(abspath build/release) $(PYTHON) tests/bench/rfm.py

lint:
	@$(PYTHON) tests/lint/lint.py

MANUALS := $(shell find daemon workers common config schema -name '*.[578]' 2>/dev/null)
INSTALL := install
install: all
	$(INSTALL) -d $(DESTDIR)$(PREFIX)/bin $(DESTDIR)$(PREFIX)/sbin $(DESTDIR)$(PREFIX)/lib/systemd/system \
	    $(DESTDIR)$(PREFIX)/lib/sysusers.d $(DESTDIR)$(PREFIX)/lib/tmpfiles.d $(DESTDIR)/etc/lazo \
	    $(DESTDIR)$(PREFIX)/share/lazo
	$(INSTALL) -m 755 $(BUILD)/lazoctl $(DESTDIR)$(PREFIX)/bin/
	$(INSTALL) -m 755 $(BUILD)/lazod $(BUILD)/lazo-mailer $(BUILD)/lazo-hook $(BUILD)/lazo-inbox $(DESTDIR)$(PREFIX)/sbin/
	for unit in systemd/*.service; do \
	    sed 's|/usr/sbin/|$(PREFIX)/sbin/|' $$unit >$(DESTDIR)$(PREFIX)/lib/systemd/system/$${unit##*/} || exit 1; done
	$(INSTALL) -m 644 systemd/lazo.sysusers $(DESTDIR)$(PREFIX)/lib/sysusers.d/lazo.conf
	$(INSTALL) -m 644 systemd/lazo.tmpfiles $(DESTDIR)$(PREFIX)/lib/tmpfiles.d/lazo.conf
	[ -e $(DESTDIR)/etc/lazo/lazo.conf ] || $(INSTALL) -m 644 config/lazo.conf $(DESTDIR)/etc/lazo/lazo.conf
	cp -r config/example $(DESTDIR)$(PREFIX)/share/lazo/
	for page in $(MANUALS); do \
	    $(INSTALL) -D -m 644 $$page $(DESTDIR)$(PREFIX)/share/man/man$${page##*.}/$${page##*/} || exit 1; done

# --- tests --------------------------------------------------------------------------------------

UNIT_TESTS := $(patsubst tests/unit/%.c,$(BUILD)/tests/unit/%,$(sort $(wildcard tests/unit/test_*.c)))
unit: $(UNIT_TESTS)
$(BUILD)/tests/unit/test_%: $(BUILD)/tests/unit/test_%.o $(MAILER_A) $(HOOK_A) $(INBOX_A) $(DAEMON_A) $(COMMON_A)
	@echo "  LD   $(@F)"
	@$(CC) $(LDFLAGS) -o $@ $^ -lcmocka $(MAILER_LIBS) $(INBOX_LIBS) $(DAEMON_LIBS) $(COMMON_LIBS)

# What the property tests of the rules ask for SQL.
$(BUILD)/tests/rules/rule_sql: $(BUILD)/tests/rules/rule_sql.o $(DAEMON_A) $(COMMON_A)
	@echo "  LD   $(@F)"
	@$(CC) $(LDFLAGS) -o $@ $^ $(DAEMON_LIBS) $(COMMON_LIBS)
unit: $(BUILD)/tests/rules/rule_sql

# Where there are threads: under ThreadSanitizer.
THREAD_TESTS := $(filter test_mailer_% test_journal test_pool test_smtp% test_connect test_template,$(patsubst tests/unit/%.c,%,$(sort $(wildcard tests/unit/test_*.c))))
.PHONY: threads
threads: $(addprefix $(BUILD)/tests/unit/,$(THREAD_TESTS))

# Any bytes, where bytes come from outside.
FUZZ_SECONDS ?= 60
FUZZERS := $(patsubst tests/fuzz/%.c,$(BUILD)/tests/fuzz/%,$(sort $(wildcard tests/fuzz/fuzz_*.c)))
.PHONY: fuzzers
fuzzers: $(FUZZERS)
$(BUILD)/tests/fuzz/fuzz_%: $(BUILD)/tests/fuzz/fuzz_%.o $(MAILER_A) $(HOOK_A) $(INBOX_A) $(DAEMON_A) $(COMMON_A)
	@echo "  LD   $(@F)"
	@$(CC) -fsanitize=fuzzer $(LDFLAGS) -o $@ $^ $(MAILER_LIBS) $(INBOX_LIBS) $(DAEMON_LIBS) $(COMMON_LIBS)
fuzz:
	@tests/install.sh $(DEBIAN) $(DEBIAN_CHECK)
	@$(MAKE) --no-print-directory -j2 V=fuzz BUILD=build/fuzz fuzzers
	@LAZO_FUZZ=$(abspath build/fuzz) FUZZ_SECONDS=$(FUZZ_SECONDS) $(PYTHON) -m pytest -q -p no:cacheprovider tests/fuzz

clean:
	rm -rf build
format:
	clang-format -i $$(git ls-files '*.c' '*.h')

-include $(shell find $(BUILD) -name '*.d' 2>/dev/null)
