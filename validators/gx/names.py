"""Great Expectations' names of metrics, and what of the shared core answers each."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np
import polars as pl
from great_expectations.expectations.metrics.column_aggregate_metrics import column_outlier_statistics, column_partition
from great_expectations.expectations.metrics.metric_provider import MetricProvider
from great_expectations.expectations.registry import get_metric_kwargs, register_metric
from great_expectations.metrics.column.descriptive_stats import DescriptiveStats

from validators.findings import NotEvaluable
from validators.gx.judgements import METRIC
from validators.gx.rows import MAX_LISTED, OF_ROWS, Answer, Kwargs, as_pandas_counts
from validators.metrics.conditions import CONDITIONS
from validators.metrics.counts import counts
from validators.metrics.divergence import histogram
from validators.metrics.domain import Domain, ignore
from validators.metrics.literals import literals
from validators.metrics.measures import MEASURES, Measure, Seen

if TYPE_CHECKING:
    from validators.gx.engine import PolarsBatchData, PolarsExecutionEngine

Make: TypeAlias = Callable[["PolarsBatchData", Domain, Kwargs], Answer]


def domain_of(batch: PolarsBatchData, given: Kwargs) -> Domain:
    """The domain that Great Expectations describes with keywords."""
    if "column_list" in given:
        names = tuple(given["column_list"])
    elif "column_A" in given:
        names = (given["column_A"], given["column_B"])
    else:
        names = (given["column"],) if given.get("column") else ()
    wanted: Any = given.get("row_condition") or None
    return Domain(
        batch.columns,
        names,
        wanted.dict() if hasattr(wanted, "dict") else wanted,
        given.get("condition_parser"),
        ignore(given.get("ignore_row_if")),
        batch.table.group,
    )


def answer(batch: PolarsBatchData, name: str, domain: Kwargs, kwargs: Kwargs) -> Answer:
    """What answers a metric. Raises `NotEvaluable`, or `KeyError` for a name that is not registered."""
    about = domain_of(batch, domain)
    if name in OWN:
        return OWN[name](batch, about, kwargs)
    if name in MEASURES:
        measure = MEASURES[name](about, kwargs)
        convert = _CONVERTED.get(name, _same)
        return Answer(measure.parts, lambda seen: convert(measure.finish(seen)))
    base, _, suffix = name.rpartition(".")
    return OF_ROWS[suffix](counts(base, about, _plain(kwargs)), kwargs)


def _plain(kwargs: Kwargs) -> dict[str, Any]:
    return {k: v for k, v in kwargs.items() if k != "result_format" and v is not None}


def _same(value: Any) -> Any:
    return value


_CONVERTED: dict[str, Callable[[Any], Any]] = {
    "column.value_counts": as_pandas_counts,
    "column.distinct_values": lambda values: set(values.to_list()),
    "column.outlier_statistics": lambda found: column_outlier_statistics.OutlierStatistics(*found),
}


def _fixed(value: Any) -> Answer:
    return Answer((), lambda _: value)


def _column_types(batch: PolarsBatchData, _: Domain, __: Kwargs) -> Answer:
    """Types as pandas would call them, because Great Expectations knows those; nothing is read for it."""
    empty = pl.DataFrame(schema=batch.schema).to_pandas()
    return _fixed([{"name": name, "type": empty[name].dtype} for name in batch.schema])


def _columns(batch: PolarsBatchData, _: Domain, __: Kwargs) -> Answer:
    return _fixed(list(batch.schema))


def _column_count(batch: PolarsBatchData, _: Domain, __: Kwargs) -> Answer:
    return _fixed(len(batch.schema))


def _head(batch: PolarsBatchData, _: Domain, kwargs: Kwargs) -> Answer:
    rows = batch.table.frame if kwargs.get("fetch_all") else batch.table.frame.head(kwargs.get("n_rows") or 5)
    return Answer((), lambda _: rows.collect(engine="streaming").to_pandas())


def _of(measure: Measure, convert: Callable[[Any], Any] = _same) -> Answer:
    return Answer(measure.parts, lambda seen: convert(measure.finish(seen)))


def _set_difference(forward: bool, count: bool) -> Make:
    """Distinct values that are not in the set, or of the set that are not among the values."""

    def make(_: PolarsBatchData, domain: Domain, kwargs: Kwargs) -> Answer:
        wanted = kwargs.get("value_set") or []
        dtype = domain.dtype(domain.names[0])

        def difference(found: pl.Series) -> Any:
            values = set(found.to_list())
            known = {(fit[0] if len(fit := literals([w], dtype)) else ("no value", w)) for w in wanted}
            left = values - known if forward else known - values
            listed = sorted(left, key=lambda v: (str(type(v)), v))
            shown = [v[1] if isinstance(v, tuple) else v for v in listed]
            return len(left) if count else shown[: kwargs.get("limit") or MAX_LISTED]

        return _of(MEASURES["column.distinct_values"](domain, {}), difference)

    return make


def _flipped(name: str) -> Make:
    """Rows that are as expected, which Great Expectations counts as the unexpected ones of the opposite."""

    def make(_: PolarsBatchData, domain: Domain, kwargs: Kwargs) -> Answer:
        found = counts(name, domain, _plain(kwargs))
        return Answer(found.parts, lambda seen: np.int64(found.unexpected(seen)))  # divided by 0 as numpy divides

    return make


def _between_count(_: PolarsBatchData, domain: Domain, kwargs: Kwargs) -> Answer:
    found = counts("column_values.between", domain, _plain(kwargs))
    return Answer(found.parts, lambda seen: np.int64(seen.pooled(found.met) or 0) if found.met else 0)


def _partition(_: PolarsBatchData, domain: Domain, kwargs: Kwargs) -> Answer:
    bins, n_bins = kwargs.get("bins") or "uniform", kwargs.get("n_bins") or 10
    if bins == "uniform":
        needs = {"column.min": MEASURES["column.min"](domain, {}), "column.max": MEASURES["column.max"](domain, {})}
    else:
        ends = (0.0, 0.25, 0.75, 1.0) if bins == "auto" else tuple(i / n_bins for i in range(n_bins + 1))
        needs = {
            "column.quantile_values": MEASURES["column.quantile_values"](domain, {"quantiles": ends}),
            "column_values.nonnull.count": MEASURES["column.non_null_count"](domain, {}),
        }

    def finish(seen: Seen) -> Any:
        found = {name: measure.finish(seen) for name, measure in needs.items()}
        return column_partition._get_column_partition_using_metrics(bins=bins, n_bins=n_bins, _metrics=found)

    return Answer(tuple(p for m in needs.values() for p in m.parts), finish)


def _length(greatest: bool) -> Make:
    def make(_: PolarsBatchData, domain: Domain, __: Kwargs) -> Answer:
        (value,) = domain.values()
        if domain.dtype(domain.names[0]) != pl.String:
            raise NotEvaluable("only text has a length")
        length = value.column.str.len_chars()
        pick = length.max() if greatest else length.min()
        return Answer((), lambda seen: seen.look((value,)).select(pick).collect(engine="streaming").item())

    return make


def _descriptive(_: PolarsBatchData, domain: Domain, __: Kwargs) -> Answer:
    keys = {
        "min": "column.min",
        "max": "column.max",
        "mean": "column.mean",
        "standard_deviation": "column.standard_deviation",
    }
    measures = {key: MEASURES[name](domain, {}) for key, name in keys.items()}
    parts = tuple(p for m in measures.values() for p in m.parts)
    return Answer(parts, lambda seen: DescriptiveStats(**{k: m.finish(seen) for k, m in measures.items()}))


OWN: dict[str, Make] = {
    "table.columns": _columns,
    "table.column_types": _column_types,
    "table.column_count": _column_count,
    "table.head": _head,
    "column.distinct_values.not_in_set": _set_difference(forward=True, count=False),
    "column.distinct_values.not_in_set.count": _set_difference(forward=True, count=True),
    "column.distinct_values.missing_from_column": _set_difference(forward=False, count=False),
    "column.distinct_values.missing_from_column.count": _set_difference(forward=False, count=True),
    "column.histogram": lambda _, domain, kwargs: _of(histogram(domain, kwargs)),
    "column.partition": _partition,
    "column.descriptive_stats": _descriptive,
    "column_values.between.count": _between_count,
    "column_values.nonnull.count": _flipped("column_values.null"),
    "column_values.null.count": _flipped("column_values.nonnull"),
    "column_values.match_regex.count": _flipped("column_values.not_match_regex"),
    "column_values.not_match_regex.count": _flipped("column_values.match_regex"),
    "column_values.length.min": _length(greatest=False),
    "column_values.length.max": _length(greatest=True),
}


class PolarsMetric(MetricProvider):  # type: ignore[misc]  # Great Expectations has no types here
    """A metric that depends on no other: one pass answers them all."""

    @classmethod
    def _get_evaluation_dependencies(cls, *_: Any, **__: Any) -> dict[str, Any]:
        return {}


def _function(**_: Any) -> None:
    raise NotImplementedError("metrics of Polars are resolved together, by PolarsExecutionEngine.resolve_metrics")


def register(engine: type[PolarsExecutionEngine]) -> None:
    """Tells Great Expectations which of its metrics the engine answers, with the keywords that it declares for them."""
    of_rows = [f"{name}.{suffix}" for name in CONDITIONS for suffix in OF_ROWS]
    register_metric(METRIC, ("batch_id",), ("type", "kwargs"), engine, PolarsMetric, _function)
    for name in [*of_rows, *MEASURES, *OWN]:
        declared = get_metric_kwargs(name) if _known(name) else None
        if declared is not None:
            keys = tuple(declared["metric_domain_keys"]), tuple(declared["metric_value_keys"])
            register_metric(name, *keys, engine, PolarsMetric, _function)


def _known(name: str) -> bool:
    from great_expectations.expectations.registry import _registered_metrics  # the only way to ask

    return name in _registered_metrics
