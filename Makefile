# make demo | test | up | down; `make help` says more. Needs Debian 12 and, for its own cloud, root.
SHELL := /bin/bash
.DEFAULT_GOAL := help

VENV := .venv
BIN := $(VENV)/bin
AIO := devstack/aio/cloud
# Every script that says so in its first line. bashate judges the DevStack plugin as OpenStack does, long lines
# apart; the others have two spaces and their ((…)), as this project writes them.
HASH := \#
SCRIPTS = $(shell find . \( -name '.?*' ! -name .ci -o -name build \) -prune -o -type f -exec awk 'FNR == 1 && /^$(HASH)!.*[\/ ](ba)?sh$$/ { print FILENAME } { nextfile }' {} +)
PLUGIN := $(addprefix devstack/,plugin.sh settings override-defaults)
BASHATE := $(BIN)/python -m bashate.bashate
ON_DATABASES := $(addprefix gateway/tests/,unit/test_registry.py unit/test_registry_schema.py unit/test_deploy_store.py unit/test_broker_store.py unit/test_migrations.py \
	functional/test_registry_feed.py functional/test_registry_api.py functional/test_changes.py functional/test_following.py functional/test_webhooks.py)

# Without OS_CLOUD the cloud is our own, devstack/aio; everything then runs inside its network.
ifdef OS_CLOUD
INSIDE :=
SERVICE_CLOUD := $(OS_CLOUD)
USER_CLOUD := $(OS_CLOUD)
else
INSIDE := $(AIO) exec
SERVICE_CLOUD := gateway
USER_CLOUD := demo
endif

help:
	@echo 'make demo      everything from nothing: cloud, gateway, a service on a new server, its answer'
	@echo 'make test      lint, unit, functional and the features on the real cloud'
	@echo 'make up        the cloud and the gateway, left running; make down stops them'
	@echo 'make check     what needs no cloud: lint, the packages, unit and functional tests, the documents'
	@echo 'make lowest    unit and functional tests with the oldest releases of what is needed'
	@echo 'make docs      the documents, in build/docs'
	@echo 'make image     the container image, by docker or buildah (TAG=gateway:latest)'
	@echo 'make databases the tests of what is stored, on PostgreSQL and MariaDB, started for them'
	@echo 'make features-on-databases  the features without guests, on both'
	@echo 'make features  the features alone (FEATURES=features/registry.feature for some)'
	@echo 'make crash     kills the gateway at every step of every flow (FLOW="update new" for some); half an hour'
	@echo 'make broker-stress  200 services made and deleted by 16 clients, the gateway killed twice meanwhile; minutes'
	@echo 'make several   kills, freezes and cuts off the gateway on several hosts of network namespaces; ten minutes'
	@echo 'make several-engines  the same to three engines, on the real cloud; a quarter of an hour'
	@echo 'make samples   writes etc/gateway/*.sample and the code of registry.proto anew'
	@echo 'With OS_CLOUD=NAME, of your clouds.yaml, demo, up and features use that cloud; no root then.'

$(VENV)/.installed: requirements.txt test-requirements.txt doc/requirements.txt setup.cfg
	@python3 -c 'import ensurepip' 2>/dev/null || { apt-get update -q && apt-get install -qy python3-venv; }
	test -x $(BIN)/python || python3 -m venv $(VENV)
	$(BIN)/python -m pip install -q --disable-pip-version-check -e . -r test-requirements.txt -r doc/requirements.txt
	touch $@

venv: $(VENV)/.installed

up: venv
ifndef OS_CLOUD
	$(AIO) up
endif
	$(INSIDE) $(BIN)/python devstack/gateway.py up $(SERVICE_CLOUD)

down:
	-[ ! -x $(BIN)/python ] || $(BIN)/python devstack/gateway.py down
ifndef OS_CLOUD
	$(AIO) down
endif

demo: up
	$(INSIDE) env OS_CLOUD=$(USER_CLOUD) $(if $(OS_CLOUD),,GATEWAY_AIO=1) GATEWAY_URL=$${GATEWAY_URL:-http://127.0.0.1:8790} devstack/demo

lint: venv
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/lint-imports --no-logo
	$(BIN)/python devstack/samples.py --check
	$(BIN)/hadolint Dockerfile
	$(BIN)/check-jsonschema -q --builtin-schema vendor.compose-spec docker-compose.yaml
	@type shellcheck >/dev/null 2>&1 || test $$(id -u) != 0 || { apt-get update -q && apt-get install -qy shellcheck; }
	@if type shellcheck >/dev/null 2>&1; then shellcheck -x $(SCRIPTS); else echo '*** LEFT OUT: shellcheck: apt-get install shellcheck'; fi
	$(BASHATE) -i E006 $(PLUGIN)
	$(BASHATE) -i E003,E006,E010,E011,E042,E043 $(SCRIPTS)

unit: venv
	$(BIN)/pytest -q gateway/tests/unit

# What tests start: databases, etcd; a browser; what builds and runs the container image and the machine of the units.
NEEDED := bind9-dnsutils chromium chromium-driver mariadb-server postgresql redis-server buildah podman crun catatonit debootstrap etcd-server shellcheck systemd-container
needed:
	@test $$(id -u) != 0 || dpkg -s $(NEEDED) >/dev/null 2>&1 || \
		{ apt-get update -q && DEBIAN_FRONTEND=noninteractive apt-get install -qy --no-install-recommends $(NEEDED); }
	@test -x /usr/sbin/sshd || test $$(id -u) != 0 || $(AIO) install

# Tests of SSH need an sshd to start for themselves; without root they say that they are left out.
functional: venv needed
	$(BIN)/pytest -q gateway/tests/functional

# All of them anew: they are made of the code, which Sphinx does not look at. Warnings are errors.
docs: venv
	$(BIN)/python -W ignore -m sphinx -q -W --keep-going -E -b html doc/source build/docs

# What is handed out: the source has all that the repository has, and the wheel, made of it, all of the package.
package: venv
	$(BIN)/check-manifest -q
	rm -rf build/package
	$(BIN)/python -m build --outdir build/package >build/package.log 2>&1 || { cat build/package.log; exit 1; }
	$(BIN)/check-wheel-contents build/package/*.whl

check: lint package unit functional docs

# The oldest releases of what the gateway needs, by its own word, in an environment of their own.
lowest: build/lowest/.installed
	build/lowest/bin/pytest -q gateway/tests

build/lowest/.installed: requirements.txt test-requirements.txt setup.cfg
	python3 -m venv --clear build/lowest
	sed -n 's/^\([A-Za-z0-9_.-]*\)>=\([^,]*\).*/\1==\2/p' requirements.txt >build/lowest/requirements.txt
	build/lowest/bin/pip install -q --disable-pip-version-check -r build/lowest/requirements.txt -r test-requirements.txt -e .
	touch $@

# What is in the database behaves alike on those that are not SQLite.
databases: venv
	@test $$(id -u) != 0 || test -x /usr/sbin/mariadbd -a -d /usr/lib/postgresql || apt-get install -qy postgresql mariadb-server
	$(BIN)/python -m gateway.tests.database_servers $(BIN)/pytest -q -p no:warnings $(ON_DATABASES)

# The features that boot no guest and bring no database, twice; the cloud is there (make up).
features-on-databases: venv
	@test $$(id -u) != 0 || test -x /usr/sbin/mariadbd -a -d /usr/lib/postgresql || apt-get install -qy postgresql mariadb-server
	$(INSIDE) $(BIN)/python -m gateway.tests.database_servers $(BIN)/behave --tags "not @servers and not @own_database" features/*.feature

TAG := gateway:latest
image:
	if type docker >/dev/null 2>&1; then docker build --build-arg PIP_INDEX_URL --build-arg REVISION=$$(git rev-parse HEAD) --tag $(TAG) .; \
	else buildah bud --build-arg PIP_INDEX_URL --build-arg REVISION=$$(git rev-parse HEAD) --format docker --tag $(TAG) .; fi

features: venv needed
	devstack/features $(FEATURES)

# Kills gatewayd at every step of every flow; takes long (FLOW="update new" for some: see features/crash/README.md).
crash: venv
	$(INSIDE) env PYTHONPATH=features $(BIN)/python -m crash $(FLOW)

# 200 services by 16 clients, half through /osb/v2, the gateway killed twice: see features/stress/README.md.
broker-stress: venv
	$(INSIDE) env PYTHONPATH=features $(BIN)/python -m stress $(STRESS)

# Hosts of network namespaces, whose gatewayd are killed, frozen and cut off: see features/several/README.md.
several: venv
	@test $$(id -u) = 0 || { echo 'make several must be root: it makes network namespaces' >&2; exit 1; }
	@type haproxy etcd ip iptables >/dev/null 2>&1 && test -d /usr/lib/postgresql || \
		{ apt-get update -q && DEBIAN_FRONTEND=noninteractive apt-get install -qy etcd-server haproxy iproute2 iptables postgresql; }
	unshare --net --mount --propagation private --pid --fork --kill-child --mount-proc \
		env PYTHONPATH=features $(BIN)/python -m several $(SEVERAL)

# Three engines over PostgreSQL and etcd, which meet the same on the real cloud.
several-engines: venv
	$(INSIDE) env PYTHONPATH=features $(BIN)/python -m several.engines $(SEVERAL)

# What the features need that takes minutes is made while the other tests leave a processor to it.
test: venv needed
	mkdir -p build
	devstack/features --prepare >build/prepare.log 2>&1 & prepared=$$!; status=0; \
		$(MAKE) --no-print-directory check || status=$$?; \
		wait $$prepared || echo '*** Not all is prepared for the features: see build/prepare.log'; exit $$status
	$(MAKE) --no-print-directory features

samples: venv
	$(BIN)/python devstack/samples.py
	$(BIN)/python devstack/protos.py

.PHONY: help venv needed up down demo lint unit functional docs package lowest check databases features-on-databases features crash broker-stress several several-engines image test samples
