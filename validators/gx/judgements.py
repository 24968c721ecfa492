"""Our own expectations inside Great Expectations: all of a suite are judged in one run of our engine.

Each is one metric there, `assay.judgement`. What is not evaluable has no value: Great Expectations then reports an
exception and a failure, never a success.
"""

from __future__ import annotations

import dataclasses
import json
import typing
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from great_expectations.expectations.expectation import BatchExpectation
from great_expectations.validator.metric_configuration import MetricConfiguration

from validators.errors import InvalidSuite
from validators.expectations.expectation import Expectation
from validators.findings import NotEvaluable, Outcome
from validators.run import run
from validators.suites import parse

if TYPE_CHECKING:
    from validators.gx.engine import PolarsBatchData

METRIC = "assay.judgement"


def judged(batch: PolarsBatchData, asked: list[Any]) -> tuple[dict[Any, Any], dict[Any, Exception]]:
    """The outcome of each expectation on the batch's recording, and why others have none."""
    if not asked:
        return {}, {}
    if batch.table.recording is None:
        why = NotEvaluable("this expectation is about a recording; make the batch with add_recording_asset")
        return {}, {m.id: why for m in asked}
    entries = [{"type": m.metric_value_kwargs["type"], "kwargs": m.metric_value_kwargs["kwargs"]} for m in asked]
    try:
        suite = parse(json.dumps({"name": "great-expectations", "expectations": entries}))
    except InvalidSuite as error:
        return {}, {m.id: error for m in asked}
    result = run(batch.table.recording, suite, batch.table.robot)
    done: dict[Any, Any] = {}
    failed: dict[Any, Exception] = {}
    unread = [f.to_dict() for f in result.findings if f.check in ("readable", "robot_record")]
    for metric, outcome in zip(asked, result.outcomes, strict=True):
        if outcome.status == "not-evaluable":
            failed[metric.id] = NotEvaluable(f"not evaluable: {outcome.why}")
        else:
            done[metric.id] = _result(outcome, unread)
    return done, failed


def _result(outcome: Outcome, unread: list[dict[str, Any]]) -> dict[str, Any]:
    """Great Expectations' shape. A file that could not be read was not judged, so nothing is a success beside it."""
    findings = [*unread, *(f.to_dict() for f in outcome.findings)]
    said = [f"{f['stream']}, episode {f['episode']}: {f['message']}" for f in findings]
    return {
        "success": not findings,
        "result": {
            "observed_value": outcome.to_dict()["observed"] or len(findings),
            "unexpected_count": len(findings),
            "partial_unexpected_list": said[:20],
            "details": {"findings": findings, "note": outcome.note},
        },
    }


def derive(expectation: type[Expectation]) -> type[Any]:
    """A class of Great Expectations, registered there by being made: its name in snake case is our type."""
    hints = typing.get_type_hints(expectation)
    fields = dataclasses.fields(expectation)
    body = {
        "__annotations__": {f.name: _plain(hints[f.name]) for f in fields},
        "__doc__": expectation.__doc__,
        "__module__": __name__,
        **{f.name: f.default for f in fields if f.default is not dataclasses.MISSING},
        "domain_keys": ("batch_id",),
        "success_keys": tuple(f.name for f in fields),
        "get_validation_dependencies": _dependencies,
        "_validate": _validate,
    }
    return type(expectation.__name__, (BatchExpectation,), body)


def _plain(hint: Any) -> Any:
    """Great Expectations' pydantic knows lists, and tries numbers in the order in which a union names them."""
    return list if typing.get_origin(hint) is tuple else hint


def _dependencies(self: Any, execution_engine: Any = None, runtime_configuration: Any = None) -> Any:
    found = BatchExpectation.get_validation_dependencies(self, execution_engine, runtime_configuration)
    given: Mapping[str, Any] = self.configuration.kwargs
    kwargs = {name: given[name] for name in self.success_keys if given.get(name) is not None}
    value = {"type": self.expectation_type, "kwargs": kwargs}
    found.set_metric_configuration(METRIC, MetricConfiguration(METRIC, {"batch_id": given.get("batch_id")}, value))
    return found


def _validate(self: Any, metrics: dict[str, Any], **_: Any) -> dict[str, Any]:
    outcome: dict[str, Any] = metrics[METRIC]
    return outcome
