.PHONY: demo test spark fuzz torture ui system lock bench clean
PYTHON ?= python3
BIN := .venv/bin
EXTRAS := ui video mcap ros hdf5 s3 lakefs sim gx dev

.venv/ready: requirements.lock pyproject.toml
	$(PYTHON) -c 'import sys; v = sys.version_info[:2]; sys.exit(None if (3, 11) <= v <= (3, 13) else f"Assay needs Python 3.11 to 3.13, this is {v[0]}.{v[1]}: make PYTHON=python3.12 ...")'
	$(PYTHON) -m venv .venv
	$(BIN)/pip install --quiet --require-hashes --only-binary :all: -r requirements.lock
	$(BIN)/pip install --quiet --no-deps --no-build-isolation --editable .
	touch $@

demo: .venv/ready  ## the story, from recorded datasets to a verdict on each model
	$(BIN)/python -m examples.reach.story $(if $(DATA),--data $(DATA))

ui: .venv/ready  ## service and browser on the demo's home
	ASSAY_HOME=demo/latest/home $(BIN)/assay up

test: .venv/ready  ## lint, types, contracts, tests
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/pytest -n 2 --dist loadfile

fuzz: .venv/ready  ## many requests to the embedded lakeFS, made from its own routes and bodies
	ASSAY_FUZZ_EXAMPLES=20000 $(BIN)/pytest -n 0 --timeout 7200 tests/infra/test_lakefs_fuzz.py

torture: .venv/ready  ## kill the embedded lakeFS 500 times while clients write; SEED=N repeats a run
	$(BIN)/python -m tests.infra.torture $(if $(SEED),--seed $(SEED))

bench: .venv/ready  ## the figures, as ratios against a baseline in the same run
	$(BIN)/python -m tests.benchmarks

spark: .venv/spark  ## PySpark, 400 MB, for the tests that judge on Spark

.venv/spark: .venv/ready requirements-spark.lock
	$(BIN)/pip install --quiet --require-hashes --no-build-isolation --only-binary :all: --no-binary pyspark -r requirements-spark.lock
	touch $@

system:  ## Debian packages that the full tests use
	apt-get update -qq
	DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends chromium postgresql default-jre-headless

lock:  ## resolve the dependencies again
	uv pip compile --universal --python-version 3.11 --generate-hashes --no-header --no-annotate $(foreach extra,$(EXTRAS),--extra $(extra)) --quiet -o requirements.lock pyproject.toml
	uv pip compile --universal --python-version 3.11 --generate-hashes --no-header --no-annotate --extra spark --quiet --constraint requirements.lock -o requirements-spark.lock pyproject.toml
	printf 'cryptography\nsecuresystemslib\ntuf\n' | uv pip compile --universal --python-version 3.11 --generate-hashes --no-header --no-annotate --quiet --constraint requirements.lock -o infra/edge/requirements.lock -

clean:
	rm -rf .venv demo
