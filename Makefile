# The build graph of the report. `make` alone prints the help, which is made from the ## comments.
#
# Rules that everything below keeps:
# - a target is a file that its recipe writes last, so that an interrupted step is never taken for done;
# - a stage's numbers (stage.json) depend on its parameters, the modules that shape them and the
#   stages before it; its looks (the executed notebook) on the notebook and the drawing code too,
#   so touching a figure redraws and never retrains;
# - paths are relative, so that the checkout may lie in a folder with spaces in its name.

ifneq ($(firstword $(sort 4.0 $(MAKE_VERSION))),4.0)
$(error GNU make 4 or later is needed, this is $(MAKE_VERSION). On macOS: `brew install make`, then `gmake`)
endif

.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
.SUFFIXES:
# A stage uses every core by itself, and its seconds are reported: so never two at once, even with -j.
.NOTPARALLEL:
MAKEFLAGS += --no-builtin-rules

# ---- Settings, given on the command line; the environment does not change them ------------------

## PROFILE=full|quick|smoke   how much work: the report, a short look, the least that runs (default full)
PROFILE = full
## VARIANT=name               apply params/variants/name.yaml and build into folders of its own (default source)
VARIANT = $(or $(filter-out mnist,$(DATASET)),source)
## DATASET=fashion-mnist      the variant of that name
DATASET =
## PYTHON=python3             the Python >= 3.11 that .venv is made with
PYTHON = python3
RUNS = runs

ifeq ($(filter full quick smoke,$(PROFILE)),)
$(error PROFILE=$(PROFILE) is unknown: use full, quick or smoke)
endif
ifneq ($(words $(PROFILE) $(VARIANT)),2)
$(error PROFILE and VARIANT take one word each)
endif
ifneq ($(and $(DATASET),$(filter command,$(origin VARIANT))),)
$(error VARIANT=$(VARIANT) and DATASET=$(DATASET): give one of them)
endif
VARIANT_FILE := $(if $(filter-out source,$(VARIANT)),params/variants/$(VARIANT).yaml)
ifneq ($(VARIANT_FILE),$(wildcard $(VARIANT_FILE)))
$(error VARIANT=$(VARIANT) has no file $(VARIANT_FILE); there are: source $(basename $(notdir $(wildcard params/variants/*.yaml))))
endif

R := $(RUNS)/$(PROFILE)/$(VARIANT)
# Only the full profile of the source's recipe goes to the committed folder.
REPORT := $(if $(filter runs/full/source,$(R)),reports,$(R)/report)
ARGS := --profile $(PROFILE) --variant $(VARIANT)$(if $(filter-out runs,$(RUNS)), --runs $(RUNS))
PY := .venv/bin/python

# What a shell may carry from another environment (venv, conda, pip and uv settings) stays outside;
# what says how to reach a package index stays. (A shell that forbids .pyc files would have every process
# compile torch again.)
unexport PYTHONPATH PYTHONHOME PYTHONDONTWRITEBYTECODE VIRTUAL_ENV CONDA_PREFIX JUPYTER_PATH
NETWORK := %INDEX %INDEX_URL %FIND_LINKS %HOST %PROXY %CERT %TLS %TIMEOUT %RETRIES %OFFLINE \
	%CACHE_DIR %CONFIG_FILE
unexport $(filter-out $(NETWORK),$(filter PIP_% UV_%,$(.VARIABLES)))
export PYTHONNOUSERSITE := 1
export JUPYTER_PREFER_ENV_PATH := 1
export PIP_USER := 0
export PIP_DISABLE_PIP_VERSION_CHECK := 1

.PHONY: help
help: ## this help
	@echo "make report rebuilds every number, figure and table from the raw data."; echo
	@sed -n 's/^\([a-z]*\):[^#]*## /  \1|/p' Makefile | awk -F '|' '{printf "%-13s %s\n", $$1, $$2}'
	@echo; echo "Settings:"
	@sed -n 's/^## /  /p' Makefile

# ---- Set-up --------------------------------------------------------------------------------------

INSTALLED := .venv/.installed
python_state = $(shell $(PYTHON) -c 'import sys; print("new" * (sys.version_info >= (3, 11))); \
	import venv, ensurepip; print("venv")' 2>/dev/null)
need_python = $(if $(findstring new,$(python_state)),,$(error Python 3.11 or later is needed and \
	PYTHON=$(PYTHON) is not: install it (apt install python3 python3-venv), or name another with PYTHON=...))
need_venv = $(if $(findstring venv,$(python_state)),,$(error $(PYTHON) has no venv module: \
	`apt install python3-venv` installs it))

# The stamp names the folder it was made in: a moved or copied checkout installs anew.
ifneq ($(shell $(PY) -c pass 2>/dev/null && cat $(INSTALLED) 2>/dev/null),$(CURDIR))
.PHONY: moved
$(INSTALLED): moved
endif

# Without a stamp that can be trusted .venv is made from nothing; with an older one it is updated.
# uv comes by pip, at the version and with the hashes that the lock gives for it.
$(INSTALLED): requirements.lock pyproject.toml
	$(need_python)$(need_venv)
	@[ "$$(cat $@ 2>/dev/null)" = "$(CURDIR)" ] && $(PY) -c pass || $(PYTHON) -m venv --clear .venv
	@rm -f $@
	@sed -n '/^uv==/,/[^\]$$/p' requirements.lock > .venv/uv.txt
	$(PY) -m pip install --quiet --require-hashes --no-deps -r .venv/uv.txt
	$(PY) -m uv pip install --python $(PY) --require-hashes -r requirements.lock
	$(PY) -m uv pip install --python $(PY) --no-deps --no-build-isolation -e .
	@printf '%s\n' "$(CURDIR)" > $@.new && mv $@.new $@

.PHONY: setup
setup: $(INSTALLED) ## make .venv from requirements.lock and install lib/simclr in place

# ---- Data and stages -----------------------------------------------------------------------------

.PHONY: data
data: $(R)/data.stamp ## get the data set and check it
# Asked for by name, or with data/ gone, it is checked again.
ifneq ($(filter data,$(MAKECMDGOALS))$(if $(wildcard data/*/checksums.json),,gone),)
.PHONY: $(R)/data.stamp
endif
$(R)/data.stamp: params/$(PROFILE)/common.yaml $(VARIANT_FILE) | $(INSTALLED)
	@mkdir -p $(@D)
	$(PY) -m simclr.data $(ARGS)
	@touch $@

# $(call stage,name,notebook,modules that shape its numbers,stages it reads)
# A run compares contents first: where only times changed (a comment in common.yaml, say) it renews
# stage.json and executes nothing. Else it writes the executed notebook, and stage.json last. So the
# notebook's recipe always gets its turn after a run, and redraws only what is older than its looks.
LOOKS := $(patsubst %,lib/simclr/%,evaluate.py plots.py curves.py charts.py pictures.py diagrams.py \
	figstyle.py narrative.py settings.py display.py report.mplstyle)
define stage
.PHONY: $(1)
$(1): $(R)/$(1)/$(2).ipynb
$(R)/$(1)/stage.json: params/$(PROFILE)/common.yaml params/$(PROFILE)/$(1).yaml $(VARIANT_FILE) \
		$(3:%=lib/simclr/%.py) $(R)/data.stamp $(4:%=$(R)/%/stage.json) | $(INSTALLED)
	$$(PY) -m simclr.pipeline run $(1) $$(ARGS)
$(R)/$(1)/$(2).ipynb: $(R)/$(1)/stage.json notebooks/$(2).ipynb $(LOOKS)
	@newer=$$$$(find $$(filter-out $$<,$$^) -newer $$@ 2>&1); [ -z "$$$$newer" ] || \
		$$(PY) -m simclr.pipeline render $(1) $$(ARGS)
EXECUTED += $(R)/$(1)/$(2).ipynb
endef

baseline: ## 01: train on the labelled images alone, without and with augmentation
$(eval $(call stage,baseline,01_baseline,data augment model supervised measure device))
pretrain: ## 02: SimCLR pre-training, without labels
$(eval $(call stage,pretrain,02_pretrain,data augment model loss pretrain device))
probe: ## 03: linear probe on the frozen encoder
$(eval $(call stage,probe,03_probe,data model probe measure device,pretrain))
finetune: ## 04: fine-tuning of the whole encoder
$(eval $(call stage,finetune,04_finetune,data augment model supervised probe measure device,pretrain))
# A notebook that is drawn again may give its numbers other names: what quotes them is told again.
$(R)/comparison/06_comparison.ipynb: $(EXECUTED)
comparison: ## 06: every method side by side; trains nothing
$(eval $(call stage,comparison,06_comparison,evaluate compare claims,baseline pretrain probe finetune))

# ---- Report --------------------------------------------------------------------------------------

.PHONY: plan report html pdf verify
report: plan html pdf ## build all of it and export HTML and PDF (first says what it will do)
	@echo "The report is up to date: $(REPORT)/report.html and $(REPORT)/report.pdf"
plan: $(INSTALLED) ## say what `make report` would do and about how long it takes
	@$(PY) -m simclr.pipeline plan $(ARGS)
html: $(REPORT)/report.html ## the report as one self-contained HTML file
pdf: $(REPORT)/report.pdf ## the report as PDF
# An interrupted verification goes on; one that came to its end is done anew.
VERIFIED := runs-verify/$(PROFILE)/$(VARIANT)
$(REPORT)/report.html $(REPORT)/report.pdf: $(REPORT)/report.%: $(EXECUTED) $(R)/comparison/stage.json \
		lib/simclr/report.py $(wildcard lib/simclr/report_assets/*) notebooks/references.bib \
		| $(REPORT)/results.csv
	$(PY) -m simclr.report $* $(ARGS)
# The comparison puts its tables there, too; where somebody has removed them it does so again.
$(REPORT)/results.csv: | $(R)/comparison/stage.json
	@[ -e $@ ] || $(PY) -m simclr.pipeline run comparison $(ARGS)
verify: ## rebuild in runs-verify/ and compare, number by number, with the report that is there
	@[ -e $(REPORT)/results.csv ] || \
		{ echo "error: there is no $(REPORT)/results.csv to compare with; run make report first"; exit 2; }
	@[ ! -e $(VERIFIED)/comparison/stage.json ] || rm -rf $(VERIFIED)
	@$(MAKE) --no-print-directory RUNS=runs-verify html pdf
	$(PY) -m simclr.pipeline verify --profile $(PROFILE) --variant $(VARIANT) --runs runs-verify \
		--against $(REPORT)

# ---- Working on it -------------------------------------------------------------------------------

.PHONY: lab test lint format lock clean distclean
lab: $(INSTALLED) ## open the notebooks in JupyterLab, with the kernel of .venv
	$(PY) -m jupyterlab --ServerApp.root_dir=. --LabApp.default_url=/lab/tree/notebooks
test: $(INSTALLED) ## every test, with a smoke run of every notebook
	$(PY) -m pytest
lint: $(INSTALLED) ## ruff's checks and format, and that notebooks are stripped
	$(PY) -m ruff check .
	$(PY) -m ruff format --check .
	$(PY) -m nbstripout --verify notebooks/*.ipynb
format: $(INSTALLED) ## put code and notebooks into the form that lint wants
	$(PY) -m ruff check --fix .
	$(PY) -m ruff format .
	$(PY) -m nbstripout notebooks/*.ipynb
lock: $(INSTALLED) ## renew requirements.lock from pyproject.toml (UPGRADE=1 raises every version)
	$(PY) -m uv pip compile pyproject.toml --all-extras --universal --python-version 3.11 \
		--generate-hashes --no-annotate --quiet $(if $(UPGRADE),--upgrade) \
		--custom-compile-command 'make lock' --output-file requirements.lock
clean: ## remove what this PROFILE and VARIANT built in runs/ (reports/ and data/ stay)
	rm -rf $(R)
distclean: ## remove all that is not in git: runs/, data/, .venv and caches
	rm -rf runs runs-verify data .venv .pytest_cache .ruff_cache lib/*.egg-info
	find . -name __pycache__ -not -path './.git/*' -prune -exec rm -rf {} +
