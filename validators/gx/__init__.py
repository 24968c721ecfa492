"""Great Expectations' own classes for our expectations, derived from the dataclasses; the only importer of it.

Needs the extra `gx`. Great Expectations loads an unknown type as an empty suite without a word, so `load` compares.
"""

from __future__ import annotations

import dataclasses
import json
import typing
from pathlib import Path
from typing import Any

from great_expectations.core.expectation_suite import ExpectationSuite
from great_expectations.expectations.expectation import BatchExpectation
from great_expectations.expectations.registry import list_registered_expectation_implementations

from validators.errors import InvalidSuite
from validators.expectations import SHIPPED
from validators.expectations.expectation import Expectation
from validators.suites import parse


def register() -> dict[str, type[Any]]:
    """Our expectations as Great Expectations classes, by type; its own core ones are left alone."""
    known = set(list_registered_expectation_implementations())
    return {e.type: _derive(e) for e in SHIPPED if e.type not in known}


def _derive(expectation: type[Expectation]) -> type[Any]:
    """A subclass registers itself on creation, under its class name in snake case: the same as our type."""
    hints = typing.get_type_hints(expectation)
    fields = dataclasses.fields(expectation)
    defaults = {f.name: f.default for f in fields if f.default is not dataclasses.MISSING}
    annotations = {f.name: hints[f.name] for f in fields}
    keys = {"domain_keys": ("batch_id",), "success_keys": tuple(annotations), "_validate": _validate}
    body = {"__annotations__": annotations, "__doc__": expectation.__doc__, "__module__": __name__, **defaults, **keys}
    return type(expectation.__name__, (BatchExpectation,), body)


def _validate(self: Any, *_: object, **__: object) -> None:
    raise NotImplementedError(
        f"{self.expectation_type} is judged by validators.run, not by Great Expectations' engines"
    )


def load(path: Path) -> ExpectationSuite:
    """The suite as Great Expectations holds it. Raises `InvalidSuite` when it dropped or changed any of it."""
    text = path.read_text(encoding="utf-8")
    ours = parse(text)
    register()
    document = json.loads(text)
    suite = ExpectationSuite(name=document["name"], expectations=document["expectations"], meta=document["meta"])
    wanted = [(e.expectation.type, e.config.get("kwargs", {})) for e in ours.entries]
    held = zip(suite.expectations, [kwargs for _, kwargs in wanted], strict=False)
    found = [(e.expectation_type, {name: _listed(getattr(e, name, None)) for name in kwargs}) for e, kwargs in held]
    if found != wanted:
        lost = [kind for kind, _ in wanted if kind not in {k for k, _ in found}]
        raise InvalidSuite("suite-invalid", f"Great Expectations lost or changed {lost or 'parameters'}", path=path)
    return suite


def _listed(value: Any) -> Any:
    """As JSON has it: a tuple is a list."""
    return list(value) if isinstance(value, tuple) else value
