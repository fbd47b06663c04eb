# Builds the report. `make` alone prints the help, which is made from the comments that begin with ##.
#
# Make installs. What has to be trained, executed or written anew is for `python -m simclr` to find out.
# Paths are relative, because the checkout may lie in a folder with spaces in its name.

$(if $(filter 4.0,$(firstword $(sort 4.0 $(MAKE_VERSION)))),,$(error GNU make 4 or later is needed, \
	this is $(MAKE_VERSION). On macOS: `brew install make`, then `gmake`))
.DELETE_ON_ERROR:
.NOTPARALLEL: # a training uses every core by itself
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
ARGS = $(if $(filter-out 1,$(NPROC)),--processes $(NPROC)) --profile $(PROFILE) --variant $(VARIANT)
STAGES := $(foreach file,$(sort $(wildcard notebooks/[0-9][0-9]_*.ipynb)),$(lastword $(subst _, ,$(basename $(file)))))
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
report: ## train and execute what is not up to date, and write HTML and PDF
plan: ## say what `make report` would do and about how long it takes
data: ## get the data set and check it
train: ## train all that the report needs and execute nothing; see docs/machines.md
verify: ## train all anew in runs-verify/ and compare with the report, table by table
ablations: ## measure the grid of params/ablations.yaml: reports/ablations.csv (thirteen hours of two cores)
report plan data train verify ablations: $(INSTALLED)
	@$(PY) -m simclr $@ $(ARGS)
$(STAGES): $(INSTALLED)
	@$(PY) -m simclr run $@ $(ARGS)

# ---- Measuring and checking ----------------------------------------------------------------------
bench: $(INSTALLED) ## measure speed beside peers and the machine's limits: benchmarks/results/ (half an hour)
	$(PY) -m uv pip install --quiet --target .venv/bench --no-deps -r benchmarks/requirements.txt
	$(PY) benchmarks/bench.py
torture: $(INSTALLED) ## kill, fill and corrupt on purpose, and say what happens (most of an hour)
	$(PY) benchmarks/torture.py
look: $(INSTALLED) ## take pictures of the report's pages, and of its screen at four widths in two themes: runs/look/
	$(PY) benchmarks/look.py $(if $(filter fullsource,$(PROFILE)$(VARIANT)),reports,runs/$(PROFILE)/$(VARIANT)/report)
unchanged: $(INSTALLED) ## SINCE=revision: show that an edit of the science changed no result, and keep what is trained
	$(PY) benchmarks/unchanged.py $(or $(SINCE),HEAD)

# ---- Your own images -----------------------------------------------------------------------------
choose: MORE_ARGS = --labels $(LABELS) --more $(MORE)
choose: ## choose which of your own images (IMAGES=folder) to label
label: ## label them in the browser
classify: ## train a classifier of all your images from these labels
choose label classify: $(INSTALLED)
	@$(PY) -m simclr $@ $(MORE_ARGS) --images "$(IMAGES)" $(ARGS)

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
	rm -rf $(filter runs/$(PROFILE)/$(VARIANT),$(foreach v,source $(VARIANTS),runs/full/$v runs/quick/$v runs/smoke/$v))
distclean: ## remove runs/, data/, .venv and caches; your labels in collections/ stay
	rm -rf runs runs-verify data .venv .pytest_cache .ruff_cache lib/*.egg-info
	find . -name __pycache__ -not -path './.git/*' -prune -exec rm -rf {} +
.PHONY: $(STAGES) help setup data train plan report ablations bench torture look unchanged verify choose label classify lab test lint format lock clean distclean always
