# make run: installs what the app needs, once, and starts it.
# make check: the linters, the types, and every test that needs no TensorFlow. make test: every check.
# make install: installs what the app needs, and the command mnist-models; make install-dev also what the tests need.
# make lock: brings requirements.lock and requirements-dev.lock in line with requirements.txt and requirements-dev.txt;
#   make lock UPGRADE=1 also takes the newest version of all that these need in turn.
# make pretrained: trains the pretrained models again.
# make bench STROKES=recorded.jsonl: runs every benchmark and writes the table of docs/measured.md.

PYTHON ?= python3
PORT ?= 8501
BIN = .venv/bin

.PHONY: run install install-dev test check format lock pretrained bench

run: .venv/run-installed
	@$(BIN)/python -c 'import socket, sys; sys.exit(socket.socket().connect_ex(("127.0.0.1", $(PORT))) == 0 and \
	"Port $(PORT) is in use by another program. Stop that, or choose another port: make run PORT=8601")'
	@$(BIN)/python -m mnist_models.class_address $(PORT)
	$(BIN)/streamlit run app.py --server.port $(PORT)

install: .venv/run-installed

install-dev: .venv/test-installed

check: .venv/test-installed
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/python -m pytest -n 2 --no-loadscope-reorder --without-tensorflow

# What the checks leave out; so each test runs once, and those that say they need no TensorFlow have shown it.
test: check
	$(BIN)/python -m pytest -n 2 --no-loadscope-reorder -m tensorflow

format: .venv/test-installed
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

# It takes the newest versions that fit, on every system and every Python from 3.11 on, and keeps those that are locked unless
# told to upgrade. Run `make run` or `make test` afterwards to install them.
LOCK = .venv/lock/bin/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes $(if $(UPGRADE),--upgrade)
lock: export UV_CUSTOM_COMPILE_COMMAND = make lock
lock: .venv/lock/bin/uv
	$(LOCK) --output-file requirements.lock requirements.txt
	$(LOCK) --output-file requirements-dev.lock --constraints requirements.lock requirements-dev.txt

.venv/lock/bin/uv: | $(BIN)/python
	$(PYTHON) -m venv .venv/lock
	.venv/lock/bin/python -m pip install --quiet --disable-pip-version-check uv==0.13.9

pretrained: .venv/run-installed
	for pair in shipped teaching quick scrambled; do for network in dnn cnn; do \
	$(BIN)/python -m mnist_models train $$network --recipe $$pair --output mnist_models/runs/pretrained/$$pair || exit 1; done; done

bench: .venv/test-installed
	$(BIN)/python -m benchmarks.handwriting $(if $(STROKES),--strokes "$(STROKES)")
	$(BIN)/python -m benchmarks.training $(if $(STROKES),--strokes "$(STROKES)")
	$(BIN)/python -m benchmarks.page
	$(BIN)/python -m benchmarks.classroom
	$(BIN)/python -m benchmarks.lessons
	$(BIN)/python -m benchmarks.install
	$(BIN)/python -m benchmarks.results docs/measured.md

$(BIN)/python:
	@$(PYTHON) -c 'import sys; version = sys.version.split()[0]; sys.exit(0 if (3, 11) <= sys.version_info < (3, 14) else \
	f"Python 3.11, 3.12 and 3.13 are supported; {sys.executable} is {version}. Name another one: make PYTHON=python3.13")'
	$(PYTHON) -m venv .venv

# $(1): a lock. Then the project itself, in place, so that Dask's workers and benchmarks find it wherever they are started; it is
# built with the setuptools of the lock. An environment of an earlier version has TensorFlow's other distribution, which keeps
# its files in the same folder: it goes first.
define installed
	@$(BIN)/python -m pip show --quiet tensorflow-cpu 2>/dev/null || $(BIN)/python -m pip uninstall -qq --yes tensorflow
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r $(1)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation -e .
endef

.venv/run-installed: requirements.lock pyproject.toml | $(BIN)/python
	$(call installed,requirements.lock)
	@touch $@

.venv/test-installed: requirements-dev.lock pyproject.toml | $(BIN)/python
	$(call installed,requirements-dev.lock)
	@touch .venv/run-installed $@
