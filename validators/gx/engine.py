"""The execution engine of Great Expectations on Polars: all metrics that it asks for at once are one streaming pass.

Great Expectations resolves metrics through a graph of dependencies, an engine's functions one by one. Here a metric
depends on nothing: `resolve_metrics`, the engine's own door, gets the whole suite's metrics and makes one plan of them.
"""

from __future__ import annotations

import datetime
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

import polars as pl
from great_expectations import exceptions
from great_expectations.core.batch import BatchData, BatchMarkers
from great_expectations.core.batch_spec import RuntimeDataBatchSpec
from great_expectations.core.metric_domain_types import MetricDomainTypes
from great_expectations.execution_engine import ExecutionEngine, PandasExecutionEngine

from validators.errors import MissingExtra
from validators.expectations.core.expectation import columns
from validators.findings import NotEvaluable
from validators.gx import judgements
from validators.gx.names import answer
from validators.gx.rows import Answer
from validators.metrics.compute import Pass, once
from validators.metrics.domain import Columns, Domain, columns_of
from validators.recording import Recording
from validators.robot import RobotModel
from validators.stream import EPISODE, Stream, is_pattern


@dataclass(frozen=True)
class Table:
    """What a batch holds: a table, and the recording that it is of, where it is of one."""

    frame: pl.LazyFrame
    recording: Recording | None = None
    robot: RobotModel | None = None
    group: str | None = None
    columns: Columns = field(default_factory=dict, repr=False)
    names: tuple[str, ...] = ()

    @classmethod
    def alone(cls, table: pl.DataFrame | pl.LazyFrame) -> Table:
        """A table of no recording."""
        frame = table.lazy()
        schema = frame.collect_schema()
        if taken := [name for name in schema if is_pattern(name)]:
            raise exceptions.GreatExpectationsError(f"{taken[0]!r} cannot be the name of a column; rename it")
        return cls(frame, columns=columns_of(schema), names=tuple(schema))

    @classmethod
    def of(cls, recording: Recording, stream: Stream, robot: RobotModel | None) -> Table:
        """A stream of a recording; channels of vectors are columns beside those of the files."""
        group = EPISODE if len(stream.lengths) > 1 else None
        return cls(stream.frames(), recording, robot, group, columns(stream), stream.columns)


class PolarsBatchData(BatchData):  # type: ignore[misc]  # Great Expectations has no types here
    """A batch of Polars."""

    def __init__(self, execution_engine: ExecutionEngine, table: Table) -> None:
        super().__init__(execution_engine=execution_engine)
        self.table = table
        self.columns = table.columns
        self.schema = {name: table.columns[name].dtype for name in table.names if name in table.columns}


class PolarsExecutionEngine(ExecutionEngine[pl.Expr]):  # type: ignore[misc]  # the same
    """Great Expectations over `pl.DataFrame`, `pl.LazyFrame` or a recording."""

    def load_batch_data(self, batch_id: str, batch_data: object) -> None:
        """Keeps a batch. Raises `GreatExpectationsError` for what is no table of Polars."""
        if isinstance(batch_data, pl.DataFrame | pl.LazyFrame):
            batch_data = Table.alone(batch_data)
        if isinstance(batch_data, Table):
            batch_data = PolarsBatchData(self, batch_data)
        if not isinstance(batch_data, PolarsBatchData):
            raise exceptions.GreatExpectationsError(f"{type(batch_data).__name__} is no table of Polars")
        self._metric_cache.clear()  # the same id may name another table now, whose values are its own
        super().load_batch_data(batch_id=batch_id, batch_data=batch_data)

    def get_batch_data_and_markers(self, batch_spec: object) -> tuple[PolarsBatchData, BatchMarkers]:
        """The batch of a specification that carries its table."""
        if not isinstance(batch_spec, RuntimeDataBatchSpec):
            raise exceptions.BatchSpecError(f"a table was expected, {type(batch_spec).__name__} is none")
        held = batch_spec.batch_data
        batch_spec.batch_data = "Polars"  # as the other engines do: a specification is written into results
        table = Table.alone(held) if isinstance(held, pl.DataFrame | pl.LazyFrame) else held
        time = datetime.datetime.now(datetime.UTC).strftime("%Y%m%dT%H%M%S.%fZ")  # noqa: TID251 - as GX does
        return PolarsBatchData(self, table), BatchMarkers({"ge_load_time": time})

    def batch(self, domain: Mapping[str, Any]) -> PolarsBatchData:
        """The batch that a metric is about, the active one when it names none."""
        wanted = domain.get("batch_id")
        held = (
            self.batch_manager.active_batch_data if wanted is None else self.batch_manager.batch_data_cache.get(wanted)
        )
        if not isinstance(held, PolarsBatchData):
            raise exceptions.GreatExpectationsError(f"no batch {wanted or ''} is loaded")
        return held

    def resolve_metrics(
        self,
        metrics_to_resolve: Iterable[Any],
        metrics: dict[Any, Any] | None = None,
        runtime_configuration: dict[str, Any] | None = None,
    ) -> dict[Any, Any]:
        """The value of each metric, by its id. Raises `MetricResolutionError` naming those without one."""
        asked = list(metrics_to_resolve)
        done = {m.id: self._metric_cache[m.id] for m in asked if m.id in self._metric_cache}
        failed: dict[Any, Exception] = {}
        by_batch: dict[int, list[Any]] = {}
        for metric in asked:
            if metric.id not in done:
                by_batch.setdefault(id(self.batch(metric.metric_domain_kwargs)), []).append(metric)
        for group in by_batch.values():
            found, errors = _resolved(self.batch(group[0].metric_domain_kwargs), group)
            done |= found
            failed |= errors
        self._metric_cache.update(done)
        if failed:
            broken = tuple(m for m in asked if m.id in failed)
            first = failed[broken[0].id]
            same = tuple(m for m in broken if str(failed[m.id]) == str(first))
            raise exceptions.MetricResolutionError(message=str(first), failed_metrics=same) from first
        return done

    def resolve_metric_bundle(self, metric_fn_bundle: object) -> dict[Any, Any]:
        """Nothing is bundled: all is one pass already."""
        return {}

    def get_domain_records(self, domain_kwargs: dict[str, Any]) -> pl.LazyFrame:
        """The rows that a domain is about."""
        batch, wanted = self.batch(domain_kwargs), domain_kwargs.get("row_condition")
        if not wanted:
            return batch.table.frame
        given = wanted.dict() if hasattr(wanted, "dict") else wanted
        rows = Domain(batch.columns, (), given, domain_kwargs.get("condition_parser")).rows()
        return batch.table.frame if rows is None else batch.table.frame.filter(rows)

    def get_compute_domain(
        self, domain_kwargs: dict[str, Any], domain_type: str | MetricDomainTypes, accessor_keys: Any = None
    ) -> tuple[pl.LazyFrame, dict[str, Any], dict[str, Any]]:
        """The rows, and how columns are reached in them."""
        parts = self._partition_domain_kwargs(domain_kwargs, domain_type, accessor_keys)
        return self.get_domain_records(domain_kwargs), parts.compute, parts.accessor

    def _clause(self, condition_: Any) -> pl.Expr:
        rows = Domain(self.batch({}).columns, (), condition_.dict()).rows()
        return pl.lit(value=True) if rows is None else rows

    _comparison_condition_to_filter_clause = _clause
    _nullity_condition_to_filter_clause = _clause
    _and_condition_to_filter_clause = _clause
    _or_condition_to_filter_clause = _clause


PandasExecutionEngine.register(
    PolarsExecutionEngine
)  # the expectations of types ask whether types are pandas': they are


def _resolved(batch: PolarsBatchData, asked: list[Any]) -> tuple[dict[Any, Any], dict[Any, Exception]]:
    """Values and refusals of one batch's metrics, from one pass; what fails alone fails for its metric alone."""
    done, failed = judgements.judged(batch, [m for m in asked if m.metric_name == judgements.METRIC])
    answers: dict[Any, Answer] = {}
    unread = _unread(batch.table.recording)
    for metric in asked:
        if metric.metric_name == judgements.METRIC:
            continue
        if unread is not None:
            failed[metric.id] = unread
            continue
        try:
            answers[metric.id] = answer(
                batch, metric.metric_name, metric.metric_domain_kwargs, metric.metric_value_kwargs
            )
        except (NotEvaluable, MissingExtra, KeyError, TypeError, ValueError) as error:
            failed[metric.id] = error
    seen = _seen(batch, answers, failed)
    for key, one in answers.items():
        if key not in failed:
            try:
                done[key] = one.finish(seen)
            except (NotEvaluable, pl.exceptions.PolarsError, TypeError, ValueError) as error:
                failed[key] = error
    return done, failed


def _unread(recording: Recording | None) -> NotEvaluable | None:
    """What is left of a recording says nothing of the files that could not be read, so nothing is a success there."""
    problems = () if recording is None else (*recording.problems, *recording.late())
    if not problems:
        return None
    first = problems[0]
    return NotEvaluable(
        f"not evaluable: {len(problems)} files cannot be read; the first: {first.path}: {first.message}"
    )


def _seen(batch: PolarsBatchData, answers: Mapping[Any, Answer], failed: dict[Any, Exception]) -> Pass:
    """One pass; where Polars refuses one of the expressions, each metric is tried alone to find whose it was."""
    frame = batch.table.frame
    try:
        return once(frame, [p for a in answers.values() for p in a.parts])
    except pl.exceptions.PolarsError:
        for key, one in answers.items():
            try:
                once(frame, one.parts)
            except pl.exceptions.PolarsError as error:
                failed[key] = error
        return once(frame, [p for key, a in answers.items() if key not in failed for p in a.parts])
