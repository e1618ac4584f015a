# make run: installs what the app needs, once, and starts it.
# make check: installs what the tests need, once, and runs the checks that take less than a minute: all that
#   need no TensorFlow.
# make test: runs every check.
# make pretrained: trains the networks that come with the app anew.
# make bench STROKES=recorded.jsonl: runs every benchmark and writes the README's table.

PYTHON ?= python3
PORT ?= 8501
BIN = .venv/bin

.PHONY: run check test format pretrained bench

run: .venv/run-installed
	@$(BIN)/python -c 'import socket, sys; sys.exit(socket.socket().connect_ex(("127.0.0.1", $(PORT))) == 0 and \
	"Port $(PORT) is in use by another program. Stop that, or choose another port: make run PORT=8601")'
	$(BIN)/streamlit run app.py --server.port $(PORT)

check: .venv/test-installed
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/python -m pytest -n 2 --dist loadgroup --no-loadscope-reorder --without-tensorflow

# What the checks leave out; so each test runs once, and those that say they need no TensorFlow have shown it.
test: check
	$(BIN)/python -m pytest -n 2 --dist loadgroup --no-loadscope-reorder -m tensorflow

format: .venv/test-installed
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

pretrained: .venv/run-installed
	for pair in shipped quick scrambled; do for network in dnn cnn; do \
	$(BIN)/python -m mnist_models train $$network --recipe $$pair --output mnist_models/runs/pretrained/$$pair || exit 1; done; done

bench: .venv/test-installed
	$(BIN)/python benchmarks/handwriting.py $(if $(STROKES),--strokes "$(STROKES)")
	$(BIN)/python benchmarks/training.py
	$(BIN)/python benchmarks/page.py
	$(BIN)/python benchmarks/classroom.py
	$(BIN)/python benchmarks/lessons.py
	$(BIN)/python benchmarks/install.py
	$(BIN)/python benchmarks/results.py README.md

$(BIN)/python:
	@$(PYTHON) -c 'import sys; version = sys.version.split()[0]; sys.exit(0 if (3, 11) <= sys.version_info < (3, 14) else \
	f"Python 3.11, 3.12 and 3.13 are supported; {sys.executable} is {version}. Name another one: make PYTHON=python3.13")'
	$(PYTHON) -m venv .venv

.venv/run-installed: requirements.txt | $(BIN)/python
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -r requirements.txt
	@touch $@

.venv/test-installed: requirements.txt requirements-dev.txt | $(BIN)/python
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -r requirements-dev.txt
	@touch .venv/run-installed $@
