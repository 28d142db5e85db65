# Everything from nothing: each target makes the virtual environment that it needs (PYTHON chooses the interpreter).
PYTHON ?= python3
VENV ?= .venv
JOBS ?= 2
DEMO ?= alexnet
PIP = -m pip install --quiet --disable-pip-version-check

.PHONY: demo environments test test-paddle26 test-gpu-wheel test-browser lint reference docs messages clean

demo: $(VENV)/demo/.made  ## Run the three checkpoints of one model in an empty directory.
	@rm -rf $(VENV)/empty && mkdir -p $(VENV)/empty
	cd $(VENV)/empty && ../demo/bin/pytest --paddle-model=$(DEMO)

environments: $(VENV)/paddle3/.made $(VENV)/paddle26/.made  ## Both Paddles, so that the tests across versions run too.

test: $(VENV)/paddle3/.made lint  ## The whole suite on the newest Paddle.
	$(VENV)/paddle3/bin/python -m pytest -n $(JOBS) --dist worksteal

test-paddle26: $(VENV)/paddle26/.made  ## The whole suite on Paddle 2.6.2 with the lowest versions of everything that are allowed.
	$(VENV)/paddle26/bin/python -m pytest -n $(JOBS) --dist worksteal

test-gpu-wheel: $(VENV)/gpu26/.made  ## What the GPU wheel says to configurations (3 GB; most of it needs no GPU). Not in CI.
	$(VENV)/gpu26/bin/python -m pytest tests/gpu_wheel

test-browser: $(VENV)/browser/.made  ## report.html in headless Chromium (Debian: chromium, chromium-driver); pictures of it in VENV/screenshots. Not in CI.
	SCREENSHOTS=$(abspath $(VENV))/screenshots $(VENV)/browser/bin/python -m pytest tests/browser

lint: $(VENV)/paddle3/.made  ## ruff and mypy --strict.
	$(VENV)/paddle3/bin/ruff check .
	$(VENV)/paddle3/bin/ruff format --check .
	$(VENV)/paddle3/bin/mypy

reference: $(VENV)/paddle3/.made  ## Write docs/reference from the code; a test fails where it is stale.
	$(VENV)/paddle3/bin/python docs/reference.py

docs: $(VENV)/docs/.made  ## Build the documentation into build/docs; a warning is an error, and so is a file from a network.
	$(VENV)/docs/bin/python -m sphinx --quiet --fail-on-warning --keep-going --fresh-env -b html docs build/docs
	@! grep -rnE '<(script|link|img)[^>]+(src|href)="(https?:)?//|url\(.?(https?:)?//|@import .?https?:' build/docs --include='*.html' --include='*.css'
	@echo 'build/docs/index.html'

SUITES ?= tests/unit tests/plugin tests/e2e
messages: $(VENV)/paddle3/.made  ## Take new messages into tests/messages.txt, once a test of SUITES makes the plugin say them.
	$(VENV)/paddle3/bin/python tests/messages.py $(ANEW) -- $(SUITES)

$(VENV)/demo/.made: pyproject.toml
	$(PYTHON) -m venv $(VENV)/demo
	$(VENV)/demo/bin/python $(PIP) '.[cpu]'
	@touch $@

$(VENV)/paddle3/.made: pyproject.toml
	$(PYTHON) -m venv $(VENV)/paddle3
	$(VENV)/paddle3/bin/python $(PIP) -e '.[cpu,test,lint]'
	@touch $@

$(VENV)/paddle26/.made: pyproject.toml tests/lowest.txt
	$(PYTHON) -m venv $(VENV)/paddle26
	$(VENV)/paddle26/bin/python $(PIP) -e '.[cpu,test]' -c tests/lowest.txt
	@touch $@

$(VENV)/browser/.made: pyproject.toml
	$(PYTHON) -m venv $(VENV)/browser
	$(VENV)/browser/bin/python $(PIP) -e '.[cpu,browser]'
	@touch $@

$(VENV)/docs/.made: pyproject.toml
	$(PYTHON) -m venv $(VENV)/docs
	$(VENV)/docs/bin/python $(PIP) '.[docs]'
	@touch $@

# 2.6.2 is the last GPU wheel on PyPI. Not '.[gpu]', which has no upper bound, and never '.[cpu]' beside it.
$(VENV)/gpu26/.made: pyproject.toml
	$(PYTHON) -m venv $(VENV)/gpu26
	$(VENV)/gpu26/bin/python $(PIP) -e '.[test]' 'paddlepaddle-gpu==2.6.2' 'numpy<2' setuptools
	@touch $@

clean:  ## Remove the environments.
	rm -rf $(VENV)
