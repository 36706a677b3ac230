# Needs Python 3.11 or newer and make. Everything else is fetched, by hash, into .venv.
#
#   make run        serve on https://127.0.0.1:8443/dns-query       ARGS="--config conf/dohproxy.toml"
#   make native     compile what every request runs through, for a third to a half less CPU; `make run` takes it from then on
#   make service    install the systemd unit and what belongs to it, as root     DESTDIR=...
#   make test       run the tests                                   ARGS="tests/wire -x"
#   make test-long  run those that take minutes: browsers, front proxies, floods, memory   ARGS="tests/e2e/test_ban.py"
#   make test-native   run them on what was compiled
#   make check      lint, format, types, layers                     make fix repairs what a tool can
#   make bench      CPU time per cached request                     ARGS=peers, ban, incident ...
#   make bench-guard   whether a request costs more than it did     ARGS="--against COMMIT", --renew
#   make fuzz       each fuzz target for SECONDS (60)               TARGET=answer, ARGS=...
#   make lock       bring the lock files up to pyproject.toml       ARGS="--upgrade"
#   make clean      remove what these made

PYTHON ?= python3
VENV   := .venv
NATIVE := .native
SYSTEMD = $(DESTDIR)/etc/systemd/system
SYSTEMD_VERSION ?= $(shell systemctl --version 2>/dev/null | sed -n '1s/^systemd \([0-9]*\).*/\1/p' | grep . || echo 0)
SOURCES := $(shell find dohproxy -name '*.py')
BIN    := $(VENV)/bin
ARGS   ?=
SECONDS ?= 60
# Half of what the tests take is waiting. Each worker has about half of the files; who is done first takes from the other.
# More workers than two would have servers with deadlines compete for the processors. One process: ARGS="-n 0".
PARALLEL := -n 2 --dist worksteal

PIP_INSTALL := $(BIN)/python -m pip install --quiet --disable-pip-version-check --no-input
PIP_COMPILE := CUSTOM_COMPILE_COMMAND="make lock" $(BIN)/pip-compile --quiet --generate-hashes --strip-extras \
	--allow-unsafe --no-emit-index-url --no-emit-find-links --no-emit-trusted-host --no-emit-options

.DELETE_ON_ERROR:
.PHONY: help run venv dev native service test test-long test-native check fix bench bench-guard fuzz lock clean

help:
	@sed -n '3,14s/^# \{0,1\}//p' Makefile

run: $(VENV)/runtime.stamp
	@exec $(BIN)/dohproxy serve $(ARGS)

native: $(NATIVE)/stamp

# The units name /opt/dohproxy, where the clone is expected; elsewhere they get this tree's own place.
service:
	install -d -m 0755 $(DESTDIR)/etc/dohproxy $(SYSTEMD)/dohproxy.service.d
	for unit in dohproxy.service dohproxy.socket dohproxy-nft.service; do \
		sed 's|/opt/dohproxy|$(CURDIR)|g' conf/$$unit > $(SYSTEMD)/$$unit && chmod 0644 $(SYSTEMD)/$$unit || exit 1; \
	done
	if [ "$(SYSTEMD_VERSION)" -ge 253 ]; then \
		sed 's|/opt/dohproxy|$(CURDIR)|' conf/notify-reload.conf > $(SYSTEMD)/dohproxy.service.d/notify-reload.conf; \
	else \
		rm -f $(SYSTEMD)/dohproxy.service.d/notify-reload.conf; \
	fi
	install -D -m 0644 conf/dohproxy.sysusers $(DESTDIR)/etc/sysusers.d/dohproxy.conf
	install -D -m 0755 conf/certbot-deploy-hook $(DESTDIR)/etc/letsencrypt/renewal-hooks/deploy/dohproxy
	@case "$$(readlink -f $(BIN)/python)" in /root*|/home*) \
		echo "The unit hides all home directories, and $$(readlink -f $(BIN)/python) with them: make clean venv PYTHON=..." >&2;; \
	esac
	[ -n "$(DESTDIR)" ] || { systemd-sysusers dohproxy.conf && systemctl daemon-reload; }

test: $(VENV)/dev.stamp
	$(BIN)/pytest $(PARALLEL) -m "not long" $(ARGS)

test-long: $(VENV)/dev.stamp
	$(BIN)/pytest $(PARALLEL) -m long $(ARGS)

# tests/interpreted.py says what is left out, and why.
test-native: $(VENV)/dev.stamp $(NATIVE)/stamp
	$(BIN)/pytest $(PARALLEL) --override-ini "pythonpath=$(NATIVE) ." -m "not long" $(ARGS)

check: $(VENV)/dev.stamp
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/mypy
	$(BIN)/lint-imports

fix: $(VENV)/dev.stamp
	$(BIN)/ruff check --fix
	$(BIN)/ruff format

bench: $(VENV)/dev.stamp
	$(BIN)/python -m bench $(ARGS)

bench-guard: $(VENV)/dev.stamp
	$(BIN)/python -m bench guard $(ARGS)

# Seeds are in fuzz/seeds.py, tests/data and foreign corpora where there are any; finds and crashes stay in .fuzz, which
# is not committed.
fuzz: $(VENV)/fuzz.stamp
	@set -e; for name in $(or $(TARGET),$(patsubst fuzz/fuzz_%.py,%,$(wildcard fuzz/fuzz_*.py))); do \
		mkdir -p ".fuzz/$$name"; \
		echo "== $$name"; \
		$(BIN)/python -m "fuzz.fuzz_$$name" -max_total_time=$(SECONDS) -artifact_prefix=".fuzz/$$name-" $(ARGS) \
			".fuzz/$$name"; \
	done

lock: $(VENV)/dev.stamp
	$(PIP_COMPILE) $(ARGS) --output-file requirements.lock pyproject.toml
	$(PIP_COMPILE) $(ARGS) --extra dev,native --constraint requirements.lock \
		--output-file requirements-dev.lock pyproject.toml
	$(PIP_COMPILE) --extra native --constraint requirements-dev.lock --output-file requirements-native.lock pyproject.toml
	$(PIP_COMPILE) --extra fuzz --constraint requirements-dev.lock --output-file requirements-fuzz.lock pyproject.toml

clean:
	rm -rf $(VENV) $(NATIVE) .fuzz build dist htmlcov .coverage .coverage.* .hypothesis .benchmarks
	rm -rf .mypy_cache .ruff_cache .pytest_cache .import_linter_cache
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

# ---------------------------------------------------------------- the environment

# Bytecode is written here, as the service may not write it (`ProtectSystem=strict`) and would compile the source anew at
# every start. Whoever forgets this after an update waits a moment longer for each start, and no more.
venv: $(VENV)/runtime.stamp
	@$(BIN)/python -m compileall -q dohproxy

dev: $(VENV)/dev.stamp

# The package is not installed but found by path, so that what runs is what stands in the tree and no build is needed;
# or what was compiled, but never of an older source: whoever has taken up a repair must get it.
# -P: the directory one happens to stand in is not searched for modules.
define LAUNCHER
#!/bin/sh
bin=$$(dirname "$$(readlink -f "$$0")")
tree=$${bin%/$(BIN)}
if [ -e "$$tree/$(NATIVE)/stamp" ]; then
    if [ -z "$$(find "$$tree/dohproxy" -name '*.py' -newer "$$tree/$(NATIVE)/stamp")" ]; then
        export PYTHONPATH="$$tree/$(NATIVE)$${PYTHONPATH:+:$$PYTHONPATH}"
    else
        echo "The source is newer than what was compiled of it, and runs as it is. To compile it: make -C $$tree native" >&2
    fi
fi
exec "$$bin/python" -P -m dohproxy "$$@"
endef
export LAUNCHER
# It needs nothing but this tree, and nothing in it that is compiled.
define NFT_LAUNCHER
#!/bin/sh
exec "$$(dirname "$$(readlink -f "$$0")")/python" -P -m dohproxy.nft "$$@"
endef
export NFT_LAUNCHER
$(BIN)/dohproxy: Makefile
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' \
		|| { echo "dohproxy needs Python 3.11 or newer: make PYTHON=python3.13 $(MAKECMDGOALS)" >&2; exit 1; }
	@$(PYTHON) -c 'import ensurepip, venv' 2>/dev/null \
		|| { echo "$(PYTHON) cannot make a virtual environment: apt-get install python3-venv" >&2; exit 1; }
	$(PYTHON) -m venv $(VENV)
	@$(BIN)/python -c 'import pathlib, sysconfig; \
		pathlib.Path(sysconfig.get_path("purelib"), "dohproxy.pth").write_text(str(pathlib.Path.cwd()) + "\n")'
	@printf '%s\n' "$$NFT_LAUNCHER" > $@-nft
	@printf '%s\n' "$$LAUNCHER" > $@
	@chmod 755 $@ $@-nft

# --no-deps: a lock file names everything. Left to look for dependencies, pip asks what is newest, and refuses an extra
# (coverage[toml]) whose newest version is not the one that is locked.
$(VENV)/runtime.stamp: requirements.lock $(BIN)/dohproxy
	$(PIP_INSTALL) --require-hashes --no-deps -r requirements.lock
	@touch $@

$(VENV)/dev.stamp: requirements-dev.lock $(VENV)/runtime.stamp
	$(PIP_INSTALL) --require-hashes --no-deps -r requirements-dev.lock
	@touch $@

$(VENV)/native.stamp: requirements-native.lock $(VENV)/runtime.stamp
	$(PIP_INSTALL) --require-hashes --no-deps -r requirements-native.lock
	@touch $@

$(NATIVE)/stamp: $(VENV)/native.stamp native.py $(SOURCES)
	$(BIN)/python native.py $(NATIVE)
	@touch $@

$(VENV)/fuzz.stamp: requirements-fuzz.lock $(VENV)/dev.stamp
	$(PIP_INSTALL) --require-hashes --no-deps --only-binary :all: -r requirements-fuzz.lock
	@touch $@
