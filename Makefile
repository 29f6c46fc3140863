PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed
# One process for each core; a file of tests stays in one process, so that what its tests share is made once.
PARALLEL := -n auto --dist loadfile

.PHONY: demo test nightly docs install lint golden benchmark clean

demo: install  ## set up, then build a small data set from synthesised footage into ./demo
	$(BIN)/madance demo --out demo

test: install  ## set up, then check style, types and behaviour
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/python -m pytest $(PARALLEL)

nightly: $(VENV)/.docs $(VENV)/.outside  ## long simulations, random inputs and kills, which `make test` leaves out
	$(BIN)/python -m pytest $(PARALLEL) -m nightly
	$(BIN)/python -m pytest $(PARALLEL) tests/madata/dataset

install: $(STAMP)

$(STAMP): pyproject.toml constraints.txt
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[all]'
	$(BIN)/madance weights fetch wholebody
	touch $(STAMP)

docs: $(VENV)/.docs  ## the documentation, in ./build/docs
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --strict --quiet
	@echo open build/docs/index.html

$(VENV)/.docs: $(STAMP)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[docs]'
	touch $@

$(VENV)/.outside: $(STAMP)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[outside]'
	touch $@

lint: install
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .
	$(BIN)/mypy

golden: install
	$(BIN)/python -m pytest $(PARALLEL) -m golden

benchmark: install
	$(BIN)/python benchmarks/curation.py
	$(BIN)/python -m benchmarks.certainty
	$(BIN)/python benchmarks/training_data.py

clean:
	rm -rf $(VENV) demo build *.egg-info
