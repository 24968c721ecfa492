"""Great Expectations on our engine: `add_polars`, its core expectations and ours, its Checkpoints and Data Docs.

Needs the extra `gx`; this package is the only importer of Great Expectations. Importing it registers everything, and
keeps Great Expectations quiet: no usage statistics, no progress bars. An unknown type would load as an empty suite
without a word, so `load` compares.
"""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

os.environ.setdefault("GX_ANALYTICS_ENABLED", "false")  # read once, when it is imported
os.environ.setdefault("TQDM_DISABLE", "1")

import great_expectations
from great_expectations.core.expectation_suite import ExpectationSuite
from great_expectations.expectations.registry import list_registered_expectation_implementations

from validators.errors import InvalidSuite
from validators.expectations import SHIPPED
from validators.gx import names
from validators.gx.datasource import PolarsDataFrameAsset, PolarsDatasource, PolarsRecordingAsset
from validators.gx.engine import PolarsExecutionEngine
from validators.gx.judgements import derive
from validators.suites import parse

__all__ = [
    "PolarsDataFrameAsset",
    "PolarsDatasource",
    "PolarsExecutionEngine",
    "PolarsRecordingAsset",
    "context",
    "load",
    "register",
]


def register() -> dict[str, type[Any]]:
    """Our expectations that are not yet Great Expectations classes, by type; its own core ones are left alone."""
    known = set(list_registered_expectation_implementations())
    return {e.type: derive(e) for e in SHIPPED if e.type not in known}


def context(**options: Any) -> Any:
    """A context of Great Expectations that calls nobody and draws no progress bars; in memory unless told."""
    made = great_expectations.get_context(**({"mode": "ephemeral"} | options))
    made.enable_analytics(enable=False)
    made.variables.progress_bars = {"globally": False, "metric_calculations": False}
    return made


def load(path: Path) -> ExpectationSuite:
    """The suite as Great Expectations holds it. Raises `InvalidSuite` when it dropped or changed any of it."""
    text = path.read_text(encoding="utf-8")
    ours = parse(text)
    document = json.loads(text)
    suite = ExpectationSuite(name=document["name"], expectations=document["expectations"], meta=document["meta"])
    wanted = [(e.expectation.type, e.config.get("kwargs", {})) for e in ours.entries]
    held = zip(suite.expectations, [kwargs for _, kwargs in wanted], strict=False)
    found = [(e.expectation_type, {name: getattr(e, name, None) for name in kwargs}) for e, kwargs in held]
    if found != wanted:
        lost = [kind for kind, _ in wanted if kind not in {k for k, _ in found}]
        raise InvalidSuite("suite-invalid", f"Great Expectations lost or changed {lost or 'parameters'}", path=path)
    return suite


register()
names.register(PolarsExecutionEngine)
