# Builds the report. `make` alone prints the help, which is made from the comments that begin with ##.
#
# The times of files decide which notebooks are executed. One executed without need costs seconds and
# changes no number: Python keeps what it computed in runs/cache, under keys of all that it depends on.
# Paths are relative, because the checkout may lie in a folder with spaces in its name.

$(if $(filter 4.0,$(firstword $(sort 4.0 $(MAKE_VERSION)))),,$(error GNU make 4 or later is needed, \
	this is $(MAKE_VERSION). On macOS: `brew install make`, then `gmake`))
.DELETE_ON_ERROR:
# A stage's training uses every core by itself, and its seconds are reported: so never two at once, even with -j.
.NOTPARALLEL:
MAKEFLAGS += --no-builtin-rules

# ---- Settings, which are given on the command line; the environment does not change them ---------
## PROFILE=full|quick|smoke   how much work: the report, a short look, the least that runs (default full)
PROFILE = full
## VARIANT=name               apply params/variants/name.yaml, build in a folder of its own (default source)
VARIANT = $(or $(filter-out mnist,$(DATASET)),source)
## NPROC=4                     how many processes pre-train together: `make pretrain NPROC=4`
NPROC = 1
## DATASET=fashion-mnist      the variant of that name
DATASET =
## IMAGES=folder LABELS=100 MORE=50   your own images; how many of them to choose, at first and later
IMAGES =
LABELS = 100
MORE = 0
## PYTHON=python3             the Python >= 3.11 that .venv is made with
PYTHON = python3
VARIANTS := $(basename $(notdir $(wildcard params/variants/*.yaml)))
KNOWN := PROFILE VARIANT NPROC DATASET IMAGES LABELS MORE PYTHON SINCE UPGRADE
$(foreach v,$(.VARIABLES),$(if $(and $(filter command,$(firstword $(origin $v))),$(filter-out $(KNOWN),$v)),\
	$(error $v=$($v): no such setting; there are: $(KNOWN))))
$(if $(and $(DATASET),$(filter command,$(origin VARIANT))),$(error VARIANT=$(VARIANT) and DATASET=$(DATASET): give one of them))
R := runs/$(PROFILE)/$(VARIANT)
# Only the full profile of the source's recipe goes to the committed folder.
REPORT := $(if $(filter runs/full/source,$(R)),reports,$(R)/report)
ARGS := --profile $(PROFILE) --variant $(VARIANT)
PY := .venv/bin/python

# The settings of another environment (venv, conda, pip, uv) stay outside; what says how to reach a
# package index is kept. Without .pyc files every process would compile torch again.
unexport PYTHONPATH PYTHONHOME PYTHONDONTWRITEBYTECODE VIRTUAL_ENV CONDA_PREFIX JUPYTER_PATH
unexport $(filter-out %INDEX %INDEX_URL %FIND_LINKS %HOST %PROXY %CERT %TLS %TIMEOUT %RETRIES %OFFLINE \
	%CACHE_DIR %CONFIG_FILE,$(filter PIP_% UV_%,$(.VARIABLES)))
export PYTHONNOUSERSITE := 1
export PIP_USER := 0

help: ## print this help
	@echo "make report rebuilds all stages, with their numbers, figures and tables, from the raw data."; echo
	@sed -n 's/^\([a-z]*\):[^#]*## /  \1|/p' Makefile | awk -F '|' '{printf "%-13s %s\n", $$1, $$2}'
	@echo; echo "The name of a stage executes its notebook:"; printf '  %s\n' $(STAGES)
	@echo; echo "Settings:"; sed -n 's/^## /  /p' Makefile

# ---- Set-up --------------------------------------------------------------------------------------
INSTALLED := .venv/.installed
need_python = $(if $(shell $(PYTHON) -c 'import sys; sys.version_info < (3, 11) or print(1)' 2>/dev/null),,\
	$(error Python 3.11 or later is needed and PYTHON=$(PYTHON) is not: `apt install python3 python3-venv` \
	installs it, PYTHON=... names another))
# The stamp names the folder it was made in: a checkout that was moved or copied installs anew.
ifneq ($(shell $(PY) -c pass 2>/dev/null && cat $(INSTALLED) 2>/dev/null),$(CURDIR))
$(INSTALLED): always
endif
# Without a stamp that can be trusted .venv is made from nothing; with an older one it is updated.
# Pip installs uv, at the version and with the hashes that the lock gives for it; uv installs the rest.
$(INSTALLED): requirements.lock pyproject.toml
	$(need_python)
	@[ "$$(cat $@ 2>/dev/null)" = "$(CURDIR)" ] && $(PY) -c pass || $(PYTHON) -m venv --clear .venv
	@rm -f $@; sed -n '/^uv==/,/[^\]$$/p' requirements.lock > .venv/uv.txt
	$(PY) -m pip install --quiet --require-hashes --no-deps -r .venv/uv.txt
	$(PY) -m uv pip install --python $(PY) --require-hashes -r requirements.lock
	$(PY) -m uv pip install --python $(PY) --no-deps --no-build-isolation -e .
	$(PY) -m uv pip check --quiet --python $(PY)
	@printf '%s\n' "$(CURDIR)" > $@.new && mv $@.new $@
setup: $(INSTALLED) ## make .venv from requirements.lock and install lib/simclr in place

# ---- Notebooks and report ------------------------------------------------------------------------
data: $(INSTALLED) ## get the data set and check it
	$(PY) -m simclr data $(ARGS)
train: $(INSTALLED) ## train all that the report needs and execute nothing; see README.md
	$(PY) -m simclr train --processes $(NPROC) $(ARGS)
plan: $(INSTALLED) ## say what `make report` would do and about how long it takes
	@$(PY) -m simclr plan $(ARGS)
# The target `stage` executes notebooks/NN_stage.ipynb to $(R)/NN_stage.ipynb. Python writes that file
# once the notebook has come to its end, with the time of its beginning, so later edits are newer.
stage_of = $(lastword $(subst _, ,$(1)))
NAMES := $(sort $(basename $(notdir $(wildcard notebooks/[0-9][0-9]_*.ipynb))))
NAMES := $(foreach name,$(NAMES),$(if $(findstring -Copy,$(name)),,$(name)))
STAGES := $(foreach name,$(NAMES),$(call stage_of,$(name)))
$(foreach name,$(NAMES),$(eval $(call stage_of,$(name)): $(R)/$(name).ipynb))
EXECUTED := $(NAMES:%=$(R)/%.ipynb)
$(EXECUTED): $(R)/%.ipynb: notebooks/%.ipynb $(wildcard params/*.* params/variants/$(VARIANT).yaml) \
		$(wildcard reports/ablations.csv $(R)/trained.json) \
		$(shell find lib/simclr -name '*.py' -o -name '*.mplstyle') | $(INSTALLED)
	$(if $(filter-out 1,$(NPROC)),$(PY) -m simclr encode $(call stage_of,$*) --processes $(NPROC) $(ARGS))
	$(PY) -m simclr run $(call stage_of,$*) $(ARGS)

report: plan $(REPORT)/report.pdf ## print the plan, execute what needs it and write HTML and PDF
	@echo "The report is up to date: $(REPORT)/report.html and $(REPORT)/report.pdf"
# The PDF is written last; where one of the others is missing, somebody has removed it.
$(REPORT)/report.pdf: $(EXECUTED) notebooks/references.bib $(wildcard lib/simclr/report/assets/*) \
		$(if $(and $(wildcard $(REPORT)/report.html),$(wildcard $(REPORT)/results.csv)),,always)
	$(PY) -m simclr export $(ARGS)
ablations: $(INSTALLED) ## measure the grid of params/ablations.yaml: reports/ablations.csv (thirteen hours of two cores)
	$(PY) -m simclr ablations $(ARGS)
bench: $(INSTALLED) ## measure speed beside peers and the machine's limits: benchmarks/results/ (half an hour)
	$(PY) -m uv pip install --quiet --target .venv/bench --no-deps -r benchmarks/requirements.txt
	$(PY) benchmarks/bench.py
torture: $(INSTALLED) ## kill, fill and corrupt on purpose, and say what happens (most of an hour)
	$(PY) benchmarks/torture.py
look: $(INSTALLED) ## take pictures of the report's pages, and of its screen at four widths in two themes: runs/look/
	$(PY) benchmarks/look.py $(REPORT)
unchanged: $(INSTALLED) ## SINCE=revision: show that an edit of the science changed no result, and keep what is trained
	$(PY) benchmarks/unchanged.py $(or $(SINCE),HEAD)
verify: $(INSTALLED) ## train all anew in runs-verify/ and compare with the report, table by table
	$(PY) -m simclr verify $(ARGS)

# ---- Your own images -----------------------------------------------------------------------------
OWN := --images "$(IMAGES)" $(ARGS)
choose: $(INSTALLED) ## choose which of your own images (IMAGES=folder) to label
	$(PY) -m simclr choose --labels $(LABELS) --more $(MORE) $(OWN)
label: $(INSTALLED) ## label them in the browser
	$(PY) -m simclr label $(OWN)
classify: $(INSTALLED) ## train a classifier of all your images from these labels
	$(PY) -m simclr classify $(OWN)

# ---- Working on it -------------------------------------------------------------------------------
lab: $(INSTALLED) ## open the notebooks in JupyterLab, with the kernel of .venv
	$(PY) -m jupyterlab --ServerApp.root_dir=. --LabApp.default_url=/lab/tree/notebooks
test: $(INSTALLED) ## run every test, among them each notebook at its smallest
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
clean: ## remove this PROFILE's and VARIANT's folder in runs/ (what was trained stays in runs/cache)
	rm -rf $(filter $(R),$(foreach v,source $(VARIANTS),runs/full/$v runs/quick/$v runs/smoke/$v))
distclean: ## remove runs/, data/, .venv and caches; your labels in collections/ stay
	rm -rf runs runs-verify data .venv .pytest_cache .ruff_cache lib/*.egg-info
	find . -name __pycache__ -not -path './.git/*' -prune -exec rm -rf {} +
.PHONY: $(STAGES) help setup data train plan report ablations bench torture look unchanged verify choose label classify lab test lint format lock clean distclean always
