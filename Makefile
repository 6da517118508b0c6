# Builds and tests sequin. `make help` lists the goals. Only git and make are needed to begin:
# `make setup`, `make demo` and `make test` install what is missing from Debian.
.DEFAULT_GOAL := all

PG_CONFIG ?= pg_config
SEQUIN_VERSION := $(shell sed -n "s/^default_version *= *'\(.*\)'/\1/p" sequin.control)
FOUND_PG_CONFIG := $(shell command -v $(PG_CONFIG) 2>/dev/null)
FOUND_CCACHE := $(shell command -v ccache 2>/dev/null)

ifneq (,$(FOUND_PG_CONFIG))

PG_MAJOR := $(shell $(PG_CONFIG) --version | sed 's/^[^0-9]*\([0-9]*\).*/\1/')
SOURCES := $(sort $(wildcard src/*.cpp src/*/*.cpp))
JOINED_SQL := sql/sequin--$(SEQUIN_VERSION).sql

EXTENSION = sequin
MODULE_big = sequin
OBJS := $(SOURCES:.cpp=.o)
DATA := $(sort $(wildcard sql/sequin--*--*.sql))
DATA_built := $(JOINED_SQL)
EXTRA_CLEAN = $(OBJS:.o=.d) build

PG_CPPFLAGS := -Isrc -isystem $(shell $(PG_CONFIG) --includedir-server) \
	-DSEQUIN_VERSION='"$(SEQUIN_VERSION)"' -MMD -MP
PG_CXXFLAGS := -std=c++17 -Wno-register -fvisibility=hidden -fvisibility-inlines-hidden
SHLIB_LINK := -lstdc++ -lcurl -ljansson -lssl -lcrypto

# Headers before 16 leave PGDLLEXPORT empty, and hidden visibility would hide the entry points.
ifneq (,$(filter 13 14 15,$(PG_MAJOR)))
PG_CPPFLAGS += -D'PGDLLEXPORT=__attribute__((visibility("default")))'
endif

# Nothing here is worth inlining into queries, and PGXS gives our flags to no bitcode rule.
override with_llvm := no

PGXS := $(shell $(PG_CONFIG) --pgxs)
include $(PGXS)

ifneq (,$(FOUND_CCACHE))
CXX := ccache $(CXX)
endif

-include $(OBJS:.o=.d)
$(OBJS): build/server sequin.control Makefile

# Rewritten only when another server is built for, so that no object is left from the last one.
build/server: FORCE
	@mkdir -p build; $(PG_CONFIG) --version | cmp -s - $@ || $(PG_CONFIG) --version > $@

$(JOINED_SQL): scripts/join_sql $(wildcard sql/parts/*.sql providers/*.json) sequin.control
	scripts/join_sql > $@.new && mv $@.new $@

else

all install:
	@echo 'pg_config was not found. Run "make setup", or give PG_CONFIG=/path/to/pg_config.' >&2; exit 1
clean:
	rm -rf build

endif

help:   ## this list
	@sed -n 's/^\([a-z]*\): *##/  make \1  /p; s/^\([a-z]*\):.*  ## /  make \1  /p' Makefile

setup:  ## install what building and testing need
	@scripts/setup test

demo:   ## see it work: a private server, a stand-in for an API, a few queries
	@scripts/setup demo && scripts/install && scripts/demo

test:   ## every layer of tests; the last line is "N passed, N failed"
	@test/run

checks:  ## static rules, and warnings as errors with every compiler found
	@test/run_checks && scripts/warnings

lint:   ## differences from the format
	@scripts/format --check

format:  ## bring the sources into the format
	@scripts/format

matrix:  ## SQL tests and a short end-to-end run on the servers of newer Debians
	@scripts/setup matrix && scripts/matrix

assert:  ## the same on a server built with assertions
	@scripts/setup matrix && scripts/assert

bare:   ## make demo and make test on a Debian with only git and make
	@scripts/setup matrix && scripts/bare

chaos:  ## random faults; SEEDS=n runs n schedules
	@scripts/setup test && scripts/install && test/chaos/run $(or $(SEEDS),10)

bench:  ## measurements
	@scripts/setup bench && scripts/install && test/bench/run

FORCE:
.PHONY: all install clean help setup demo test checks lint format matrix assert bare chaos bench FORCE
