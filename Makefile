# Everything from nothing: each target makes the virtual environment that it needs (PYTHON chooses the interpreter).
PYTHON ?= python3
VENV ?= .venv
JOBS ?= 2
DEMO ?= alexnet
PIP = -m pip install --quiet --disable-pip-version-check

.PHONY: demo test test-paddle26 lint readme clean

demo: $(VENV)/demo/.made  ## Run the three checkpoints of one model in an empty directory.
	@rm -rf $(VENV)/empty && mkdir -p $(VENV)/empty
	cd $(VENV)/empty && ../demo/bin/pytest --paddle-model=$(DEMO)

test: $(VENV)/paddle3/.made lint  ## The whole suite on the newest Paddle.
	$(VENV)/paddle3/bin/python -m pytest -n $(JOBS) --dist worksteal

test-paddle26: $(VENV)/paddle26/.made  ## The whole suite on Paddle 2.6.2, which needs numpy 1.
	$(VENV)/paddle26/bin/python -m pytest -n $(JOBS) --dist worksteal

lint: $(VENV)/paddle3/.made  ## ruff and mypy --strict.
	$(VENV)/paddle3/bin/ruff check .
	$(VENV)/paddle3/bin/ruff format --check .
	$(VENV)/paddle3/bin/mypy

readme: $(VENV)/paddle3/.made  ## Write the option tables of the READMEs from the code.
	$(VENV)/paddle3/bin/python tests/readme_tables.py

$(VENV)/demo/.made: pyproject.toml
	$(PYTHON) -m venv $(VENV)/demo
	$(VENV)/demo/bin/python $(PIP) '.[cpu]'
	@touch $@

$(VENV)/paddle3/.made: pyproject.toml
	$(PYTHON) -m venv $(VENV)/paddle3
	$(VENV)/paddle3/bin/python $(PIP) -e '.[cpu,test,lint]'
	@touch $@

$(VENV)/paddle26/.made: pyproject.toml
	$(PYTHON) -m venv $(VENV)/paddle26
	$(VENV)/paddle26/bin/python $(PIP) -e '.[cpu,test]' 'paddlepaddle==2.6.2' 'numpy<2'
	@touch $@

clean:  ## Remove the environments.
	rm -rf $(VENV)
