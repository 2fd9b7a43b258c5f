# make lab        open the course in JupyterLab (sets everything up on the first call)
# make test       all of the next four
# make style        ruff and import-linter
# make types        mypy
# make units        unit tests and doctests
# make lesson-check   run all lessons and solutions, and compare their outputs
# make test-lab   run a lesson in JupyterLab in a real browser
# make test-site  build the site and open it in a real browser
# make test-torch   compare with PyTorch, which it installs
# make test-opencv4   run networks in OpenCV 4, in an environment of its own
# make test-assignment   let nbgrader grade a right and four wrong submissions
# make lessons    build both editions of the lessons from their sources (LESSONS="02 03": these)
# make translations   write the translated lessons (TO=ko LESSONS=04: begin one, or bring it up to date)
# make site       build the site in build/site
# make site-serve   build it and look at it, on this machine's port 8000 (PORT=8001: another)
# make assignment   make an nbgrader assignment of a lesson (LESSON=04), in the folder assignments
# make colab      copies of the lessons for Google Colab, in build/colab (REPOSITORY=owner/name BRANCH=main)
# make lessons-imagenet   run lessons 02 to 08 on ImageNet's VGG19 (takes hours; LESSONS="02 03": these)
# make bench      compare the library's speed with that of other programs
# make figures    make the pictures of the README and the gallery again
# make constraints  write the exact versions of a fresh environment to constraints.txt
# make clean      remove the environment and all that tools left behind

VENV = .venv
BIN = $(VENV)/bin
PYTHON = $(BIN)/python
# The first of these that is 3.11 to 3.13 makes the environment.
PYTHONS = python3.13 python3.12 python3.11 python3 python
# The folder that `make lab` opens, and further arguments for `jupyter lab`.
LAB_DIR = notebooks
LAB_ARGS =
LESSONS =
# The lesson that becomes an assignment, and nbgrader's folder, which `make clean` leaves alone.
LESSON =
ASSIGNMENTS = assignments
# Your copy of the course on GitHub, for Colab.
REPOSITORY =
BRANCH = main
# The language to translate to.
TO =

# JupyterLab's terminal, and shell cells, are to find `nst`, so the environment's programs come first.
IN_VENV = PATH="$(CURDIR)/$(BIN):$$PATH"
SECTION = @printf '\n=== %s ===\n'

# An upgrade of the system's Python can leave the environment without its interpreter: start anew.
BROKEN := $(shell test -x $(PYTHON) || rm -f $(VENV)/.created $(VENV)/.with-*)

.PHONY: lab test test-lab test-site test-torch test-opencv4 style types units lesson-check lessons translations \
    site site-serve assignment test-assignment colab bench figures constraints clean
.NOTPARALLEL:

# Of a notebook that is not signed, JupyterLab shows diagrams (SVG) as their alternative text.
lab: $(VENV)/.with-lab
	$(PYTHON) notebooks/translate.py
	@find "$(LAB_DIR)" -name '[0-9][0-9]_*.ipynb' -not -path '*/.*' -exec $(PYTHON) -m nbformat.sign {} + >/dev/null
	$(IN_VENV) $(PYTHON) -m jupyterlab --ServerApp.root_dir="$(LAB_DIR)" \
	    --LabApp.default_url=/lab/tree/START_HERE.md --LabApp.app_settings_dir="$(CURDIR)/notebooks/.lab" \
	    --ContentsManager.hide_globs="['*.py','sources','figures','LICENSE','__pycache__']" \
	    $$(test "$$(id -u)" = 0 && echo --allow-root) $(LAB_ARGS)

test: style types units lesson-check

style: $(VENV)/.with-test
	$(SECTION) 'Style: ruff; imports: import-linter'
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/lint-imports

types: $(VENV)/.with-test
	$(SECTION) 'Types: mypy'
	$(BIN)/mypy

units: $(VENV)/.with-test
	$(SECTION) 'Unit tests and doctests: pytest'
	$(PYTHON) -m pytest -m "not browser and not site and not torch and not assignment"

lesson-check: $(VENV)/.with-test
	$(SECTION) 'Lessons and solutions: nbval'
	$(IN_VENV) $(PYTHON) -m pytest --nbval --nbval-current-env \
	    notebooks/[0-9]*.ipynb notebooks/solutions/[0-9]*.ipynb

test-lab: $(VENV)/.with-browser
	$(SECTION) 'A lesson in JupyterLab in a browser: playwright'
	$(PYTHON) -m pytest -m browser tests/project/test_lab.py

test-site: $(VENV)/.with-site-tests
	$(PYTHON) docs/build_site.py
	$(SECTION) 'The site in a browser: playwright'
	$(PYTHON) -m pytest -m site tests/project/test_site.py tests/project/test_playground*.py

test-torch: $(VENV)/.with-torch
	$(SECTION) 'Checkpoints of PyTorch: pytest'
	$(PYTHON) -m pytest -m torch tests

test-opencv4: build/opencv4/.with-opencv4
	$(SECTION) 'Networks in OpenCV 4: pytest'
	build/opencv4/bin/python -m pytest -m "not torch" tests/onnx tests/inference

test-assignment: $(VENV)/.with-test build/assignment/.with-assignment
	$(SECTION) 'Assignments: nbgrader and pytest'
	build/assignment/bin/python -m pytest -m assignment tests/project/test_assignments.py

lessons: $(VENV)/.with-test
	$(IN_VENV) $(PYTHON) notebooks/build.py $(LESSONS)
	$(PYTHON) notebooks/translate.py

translations: $(VENV)/.with-lab
	$(PYTHON) notebooks/translate.py $(TO) $(LESSONS)

site: $(VENV)/.with-site
	$(PYTHON) docs/build_site.py

PORT = 8000
site-serve: site
	$(PYTHON) -m http.server --directory build/site --bind 127.0.0.1 $(PORT)

assignment: build/assignment/.with-assignment
	@test -n "$(LESSON)" || { echo 'Which lesson? make assignment LESSON=04' >&2; exit 1; }
	@mkdir -p "$(ASSIGNMENTS)"
	build/assignment/bin/python notebooks/assignment.py "$(LESSON)" "$(ASSIGNMENTS)"

colab: $(VENV)/.with-lab
	@test -n "$(REPOSITORY)" || { echo 'Where is your copy? make colab REPOSITORY=owner/name' >&2; exit 1; }
	$(PYTHON) notebooks/colab.py "$(REPOSITORY)" "$(BRANCH)"

lessons-imagenet: $(VENV)/.with-test
	$(SECTION) "Lessons on ImageNet's VGG19"
	$(IN_VENV) $(PYTHON) notebooks/imagenet.py $(LESSONS)

bench: $(VENV)/.with-lab
	$(PYTHON) benchmarks/texture.py
	$(PYTHON) benchmarks/transfer.py
	$(PYTHON) benchmarks/throughput.py
	$(PYTHON) benchmarks/perceptual.py
	$(PYTHON) benchmarks/compose.py
	$(PYTHON) benchmarks/stylize.py
	$(PYTHON) benchmarks/fast_styles.py

figures: $(VENV)/.with-lab
	$(PYTHON) benchmarks/figures.py

# The environment. A stamp a set of extras says that it is installed; it ages when the list of
# dependencies or their versions change.

$(VENV)/.created:
	@python=; for name in $(PYTHONS); do \
	    if "$$name" -c 'import sys; sys.exit(not (3, 11) <= sys.version_info < (3, 14))' \
	        2>/dev/null; then python=$$name; break; fi; \
	done; \
	if [ -z "$$python" ]; then \
	    echo 'No Python 3.11, 3.12 or 3.13 found. Install one (https://www.python.org/downloads/),' >&2; \
	    echo 'or name yours: make PYTHONS=/path/to/python3.12 ...' >&2; exit 1; \
	fi; \
	if ! "$$python" -c 'import venv, ensurepip' 2>/dev/null; then \
	    echo "$$python lacks the venv module. On Debian and Ubuntu: apt-get install python3-venv" >&2; \
	    exit 1; \
	fi; \
	printf 'Making %s with ' "$(VENV)"; "$$python" --version; \
	"$$python" -m venv --clear "$(VENV)"
	@touch $@

$(VENV)/.with-lab: EXTRAS = learn
$(VENV)/.with-test: EXTRAS = learn,test
$(VENV)/.with-browser: EXTRAS = learn,test,browser
$(VENV)/.with-torch: EXTRAS = learn,test,torch
$(VENV)/.with-site: EXTRAS = learn,site
$(VENV)/.with-site-tests: EXTRAS = learn,test,browser,site

$(VENV)/.with-lab $(VENV)/.with-test $(VENV)/.with-browser $(VENV)/.with-torch \
    $(VENV)/.with-site $(VENV)/.with-site-tests: $(VENV)/.created pyproject.toml constraints.txt
	@echo 'Installing what the course needs. The first time takes a few minutes.'
	$(PYTHON) -m pip install --quiet --disable-pip-version-check \
	    --constraint constraints.txt --editable '.[$(EXTRAS)]'
	@touch $@

# These two environments hold little but what they are for. A .pth file adds the course's packages;
# their own are found first.
define beside-the-course
$(PYTHON) -m venv --clear $(1)
$(1)/bin/python -c 'import sys, sysconfig; \
    open(sysconfig.get_path("purelib") + "/course.pth", "w").write( \
        f"import site; site.addsitedir({sys.argv[1]!r})\n")' \
    "$$($(PYTHON) -c 'import sysconfig; print(sysconfig.get_path("purelib"))')"
endef

build/opencv4/.with-opencv4: $(VENV)/.with-test pyproject.toml constraints.txt
	$(call beside-the-course,build/opencv4)
	build/opencv4/bin/python -m pip install --quiet --disable-pip-version-check --no-deps \
	    --ignore-installed 'opencv-python<5'
	@touch $@

# What Jupyter looks for beside its Python is copied.
build/assignment/.with-assignment: $(VENV)/.with-lab pyproject.toml constraints.txt
	$(call beside-the-course,build/assignment)
	cp -R $(VENV)/etc $(VENV)/share build/assignment/
	build/assignment/bin/python -m pip install --quiet --disable-pip-version-check \
	    --constraint constraints.txt --editable '.[assignment]'
	@touch $@

# The oldest Python is asked, because what it can run the newer ones can run as well: the older its
# last digit, the better (OLDEST=/usr/bin/python3.11). setuptools is named because the copy that
# comes with an environment depends on its Python.
OLDEST = python3.11
constraints:
	rm -rf build/constraints
	$(MAKE) VENV=build/constraints PYTHONS="$(OLDEST)" build/constraints/.created
	build/constraints/bin/python -m pip install --quiet --disable-pip-version-check \
	    --upgrade --editable '.[learn,test,browser,site,torch,assignment]' setuptools
	{ echo '# The exact versions that the tests ran with: what pip chose in a fresh environment with the'; \
	  echo '# oldest Python this project supports. Written by `make constraints`.'; \
	  build/constraints/bin/python -m pip freeze --all --exclude pip --exclude-editable \
      | sed 's/+cpu$$//'; \
	} > build/constraints.txt
	mv build/constraints.txt constraints.txt
	rm -rf build/constraints

clean:
	rm -rf $(VENV) build dist .mypy_cache .ruff_cache .pytest_cache .hypothesis
	rm -rf notebooks/output notebooks/solutions/output
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
	find . -name .ipynb_checkpoints -type d -prune -exec rm -rf {} +
