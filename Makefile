# make book       everything from a fresh clone to the built book
# make test       the same, then the tests
# make test-all   the same, then what takes long: chapters run again, other devices, environments and faults
# make bench      the instruments against what one would use instead
# make lab        the chapters in JupyterLab, in copies of your own
# make editions   copies of the chapters to hand out: for students, for teachers, for any notebook program
# make pdf        the book as PDF and EPUB, and its slides as PDF, by the Chromium that is there
# make bundle     all that a course without a network needs, in one zip: site, editions, data, packages (TORCH=cpu: smaller)
# make clean      forget what was built (.venv stays, and models that took hours to train)

# The newest Python that will do and can make virtual environments. Another one: make book PYTHON=/path/to/python3
OLDEST := (3, 11)
NEWEST := (3, 14)
WILL_DO = import sys, venv, ensurepip; sys.exit(not $(OLDEST) <= sys.version_info[:2] <= $(NEWEST))
PYTHON ?= $(shell for p in python3.14 python3.13 python3.12 python3.11 python3 python; do \
	$$p -c '$(WILL_DO)' 2>/dev/null && command -v $$p && break; done)

PY := .venv/bin/python
READY := .venv/.ready
HTML := _build/html/index.html
EDITIONS := _build/editions/.ready
WHEEL := _build/wheel/.ready

USED := $(PY) -m layerbook.used

PACKAGE := $(shell find layerlib layerbook -name '*.py')
CHAPTERS := $(patsubst book/%.ipynb,%,$(wildcard book/*.ipynb))
EXECUTED := $(CHAPTERS:%=_build/executed/%.ipynb)
PAGES := _config.yml _toc.yml $(wildcard book/*.md book/*/*.md book/*.bib book/_ext/*.py book/_static_*/* book/records/*.json)

# Networks this small gain little from a second thread, and lose much where other programs want it too.
# Chapters run side by side instead, two at a time; another number: make -j1 book
MAKEFLAGS += -j2
export OMP_NUM_THREADS ?= 1
# glibc gives the memory of large tensors back after every step, and fetches it again: a third of a
# convolutional network's time. These settings let it keep the memory.
export MALLOC_MMAP_THRESHOLD_ ?= 4000000000
export MALLOC_TRIM_THRESHOLD_ ?= 16000000000

# Other people's packages, which only their tests import: beside .venv, so that it stays what requirements.txt says.
FOREIGN := _build/foreign/.ready

.PHONY: book test test-all bench lab editions pdf bundle clean look
.DELETE_ON_ERROR:

book: $(HTML)
	@echo "The book: $(CURDIR)/$(HTML)"
	@echo "To run its chapters yourself, in JupyterLab: make lab"

# Side by side; what one test makes for many, and the browser, stay with one worker (tests/conftest.py).
PYTEST := $(PY) -m pytest tests --numprocesses logical --maxprocesses 4 --dist loadgroup --no-loadscope-reorder
LONG := slow or device or faults or chaos or foreign

test: book
	@echo "Testing the packages, the chapters and the built book ..."
	@$(PYTEST) -m "not ($(LONG))" --cov --cov-report=
	@$(PY) -m tools.coverage_floor

test-all: test $(FOREIGN)
	@echo "Testing what takes long ..."
	@$(PYTEST) -m "$(LONG)"

bench: $(READY)
	@$(PY) -m benchmarks

# In copies that stay as they were left: what was filled in is not written over. Remove one to get it anew.
lab: $(EDITIONS)
	@mkdir -p lab && cp -rn _build/editions/student _build/editions/portable lab/ 2>/dev/null || true
	@echo "Your copies of the chapters: $(CURDIR)/lab"
	@.venv/bin/jupyter lab --ServerApp.root_dir=lab $(LAB)

editions: $(EDITIONS)
	@echo "The editions: $(CURDIR)/_build/editions"

PRINT := .venv/bin/jupyter-book build . --path-output _build/print -W -n --keep-going --quiet

pdf: $(HTML)
	@echo "Printing the book ..."
	@rm -rf _build/print _build/pdf && mkdir -p _build/print
	@$(PRINT) --builder singlehtml > _build/print.log 2>&1 && \
		$(PRINT) --builder custom --custom-builder epub >> _build/print.log 2>&1 || { cat _build/print.log >&2; exit 1; }
	@$(PY) -m layerbook.printing

bundle: $(HTML) $(EDITIONS)
	@$(PY) -m layerbook.bundle --torch "$(TORCH)"

clean:
	rm -rf _build/editions _build/wheel _build/executed _build/running _build/used _build/reported _build/new _build/site _build/html _build/book.log

# Whatever is half done when a step stops must not count as done later. So the stamp comes last, and
# chapters and book are made beside their place and moved there once they are complete.
$(READY): requirements.txt pyproject.toml
	@test -n "$(PYTHON)" || { echo "No Python from 3.11 to 3.14 with venv found. Install one, or name it:" \
		"make book PYTHON=/path/to/python3" >&2; exit 1; }
	@"$(PYTHON)" -c '$(WILL_DO)' || { echo "$(PYTHON) will not do: the pinned packages are for Python 3.11 to 3.14," \
		"with venv and ensurepip. Name another: make book PYTHON=/path/to/python3" >&2; exit 1; }
	@rm -f $@
	@$(PY) -m pip --version > /dev/null 2>&1 || { echo "Making .venv with $(PYTHON) ..."; "$(PYTHON)" -m venv --clear .venv; }
	@echo "Installing the pinned packages into .venv (PyTorch is large: minutes, once) ..."
	@$(PY) -m pip install --quiet --disable-pip-version-check -r requirements.txt
	@$(PY) -m pip install --quiet --disable-pip-version-check --no-deps -e .
	@touch $@

$(FOREIGN): tests/foreign/requirements.txt $(READY)
	@rm -rf _build/foreign
	@echo "Installing other people's packages for the tests into _build/foreign ..."
	@$(PY) -m pip install --quiet --disable-pip-version-check --no-deps --target _build/foreign -r $<
	@touch $@

# A chapter runs again when what it uses changed: its code, what that reaches in the packages, record, parameters, data.
# The digest of these is looked at every time (also by make -n, hence the plus); one that is the same keeps its date.
look: $(READY)
	+@test ! -x $(PY) || $(USED) look book _build/used

$(CHAPTERS:%=_build/used/%.digest): look
	+@:

# If only words changed, the executed copy gets these.
_build/executed/%.ipynb: book/%.ipynb _build/used/%.digest $(READY)
	@if [ -n "$(filter-out book/$*.ipynb,$?)" ] || ! $(USED) refresh $< $@; then \
		echo "Running chapter $* ..." && mkdir -p _build/executed _build/running && \
		.venv/bin/layerlib run $* --out _build/running/$*.ipynb > /dev/null && \
		mv _build/running/$*.ipynb $@; \
	fi

# The scoreboard reads what the other chapters reported, and every record, and tells whether their code has changed since.
OTHERS := $(filter-out performance robustness scoreboard,$(CHAPTERS))
_build/executed/scoreboard.ipynb: $(OTHERS:%=_build/used/%.digest) $(OTHERS:%=_build/reported/%.digest) \
	$(wildcard book/records/*.json book/registration.md)

# The map of verdicts reads them, too, and the verdicts of stored runs.
_build/executed/robustness.ipynb: $(OTHERS:%=_build/reported/%.digest) $(wildcard book/records/*.json book/records/sweeps/*.json)

# What the benchmarks measured last. It measures, too: after all others, so that none runs beside it.
_build/executed/performance.ipynb: benchmarks/results.json $(wildcard benchmarks/gpu.json benchmarks/released/*.json) \
	| $(filter-out %/performance.ipynb,$(EXECUTED))

$(OTHERS:%=_build/reported/%.looked): _build/reported/%.looked: _build/executed/%.ipynb
	@mkdir -p _build/reported
	@$(USED) report $< _build/reported/$*.digest
	@touch $@

$(OTHERS:%=_build/reported/%.digest): %.digest: %.looked
	+@:

# The package as a file, since no index has it. It is built from a copy: building leaves files.
$(WHEEL): $(PACKAGE) pyproject.toml README.md LICENSE $(READY)
	@rm -rf _build/wheel && mkdir -p _build/wheel/source
	@cp -r layerlib layerbook pyproject.toml README.md LICENSE _build/wheel/source
	@$(PY) -m pip wheel --quiet --disable-pip-version-check --no-deps --no-build-isolation \
		--wheel-dir _build/wheel ./_build/wheel/source
	@rm -rf _build/wheel/source
	@touch $@

# The portable copies have the package beside them.
$(EDITIONS): $(EXECUTED) $(WHEEL) _config.yml book/references.bib $(wildcard book/teach/*.yaml book/records/*.json) $(READY)
	@rm -rf _build/editions
	@$(PY) -m layerbook.editions > /dev/null
	@cp _build/wheel/*.whl _build/editions/portable
	@touch $@

# Sphinx keeps what it has read in _build/site, and goes on from there where only words and outputs are others. After
# any other change, and after a build that failed or was stopped, it reads all: it warns of a page only when it reads it.
$(HTML): $(EXECUTED) $(EDITIONS) $(PACKAGE) $(PAGES) $(READY)
	@echo "Building the book ..."
	@rm -rf _build/new && mkdir -p _build/site && mv _build/site _build/new
	@test -z "$(filter-out $(EXECUTED) $(EDITIONS) $(filter %.md,$(PAGES)),$?)" || rm -rf _build/new/*
	@.venv/bin/jupyter-book build . --path-output _build/new -W -n --keep-going --quiet > _build/book.log 2>&1 || \
		{ cat _build/book.log >&2; exit 1; }
	@cp -r _build/new/_build/html _build/new/html
	@rm -rf _build/html && mv _build/new/html _build/html && mv _build/new _build/site
