"""`context.data_sources.add_polars("name")`: tables of Polars, and recordings that our readers open."""

from __future__ import annotations

from typing import Any, ClassVar, Literal

import polars as pl
from great_expectations.compatibility import pydantic
from great_expectations.core.batch import LegacyBatchDefinition
from great_expectations.core.batch_spec import RuntimeDataBatchSpec
from great_expectations.core.id_dict import IDDict
from great_expectations.datasource.fluent import BatchRequest
from great_expectations.datasource.fluent.batch_identifier_util import make_batch_identifier
from great_expectations.datasource.fluent.constants import _DATA_CONNECTOR_NAME
from great_expectations.datasource.fluent.interfaces import Batch, DataAsset, Datasource
from great_expectations.exceptions.exceptions import BuildBatchRequestError

from validators import readers
from validators import robot as robots
from validators.errors import UnreadableDataset
from validators.gx.engine import PolarsExecutionEngine, Table


class _PolarsAsset(DataAsset):  # type: ignore[misc]  # Great Expectations has no types here
    """What both kinds of asset share: one batch, no partitions."""

    class Config:
        extra = pydantic.Extra.forbid

    def test_connection(self) -> None:
        """Nothing is reached before a batch is made."""

    def get_batch_parameters_keys(self, partitioner: Any = None) -> tuple[str, ...]:
        """Names of what a batch request may carry."""
        return ()

    def get_batch_identifiers_list(self, batch_request: BatchRequest[Any]) -> list[dict[str, Any]]:
        """The one batch."""
        return [IDDict(batch_request.options)]

    def _request(self, options: dict[str, Any], batch_slice: object, partitioner: object) -> BatchRequest[Any]:
        if batch_slice is not None or partitioner is not None:
            raise BuildBatchRequestError(message="neither batch_slice nor partitioner is known to assets of Polars")
        return BatchRequest(datasource_name=self.datasource.name, data_asset_name=self.name, options=options)

    def _batch(self, batch_request: BatchRequest[Any], held: object) -> Batch:
        spec = RuntimeDataBatchSpec(batch_data=held)
        data, markers = self.datasource.get_execution_engine().get_batch_data_and_markers(batch_spec=spec)
        definition = LegacyBatchDefinition(
            datasource_name=self.datasource.name,
            data_connector_name=_DATA_CONNECTOR_NAME,
            data_asset_name=self.name,
            batch_identifiers=make_batch_identifier(batch_request.options),
            batch_spec_passthrough=None,
        )
        return Batch(
            datasource=self.datasource,
            data_asset=self,
            batch_request=batch_request,
            data=data,
            metadata=self._get_batch_metadata_from_batch_request(batch_request, ignore_options=("dataframe",)),
            batch_markers=markers,
            batch_spec=spec,
            batch_definition=definition,
        )


class PolarsDataFrameAsset(_PolarsAsset):
    """A `pl.DataFrame` or `pl.LazyFrame`, given with the batch request as `dataframe`."""

    type: Literal["dataframe"] = "dataframe"

    def get_batch_parameters_keys(self, partitioner: Any = None) -> tuple[str, ...]:
        """The table itself."""
        return ("dataframe",)

    def build_batch_request(
        self, options: dict[str, Any] | None = None, batch_slice: Any = None, partitioner: Any = None
    ) -> BatchRequest[Any]:
        """For {"dataframe": table}. Raises `BuildBatchRequestError`."""
        if not options or set(options) != {"dataframe"}:
            raise BuildBatchRequestError(message="options must be {'dataframe': a table of Polars}")
        if not isinstance(options["dataframe"], pl.DataFrame | pl.LazyFrame):
            kind = type(options["dataframe"]).__name__
            raise BuildBatchRequestError(message=f"dataframe: a table of Polars was expected, {kind} is none")
        return self._request(options, batch_slice, partitioner)

    def _validate_batch_request(self, batch_request: BatchRequest[Any]) -> None:
        self.build_batch_request(dict(batch_request.options))

    def get_batch(self, batch_request: BatchRequest[Any]) -> Batch:
        """The batch of a request."""
        self._validate_batch_request(batch_request)
        return self._batch(batch_request, batch_request.options["dataframe"])

    def add_batch_definition_whole_dataframe(self, name: str) -> Any:
        """A batch definition for the whole table."""
        return self.add_batch_definition(name=name, partitioner=None)


class PolarsRecordingAsset(_PolarsAsset):
    """A recording: `path` as `assay check` takes it, `stream` where it has several, `robot` a record or model file.

    Core expectations see the stream as a table; our own see the whole recording.
    """

    type: Literal["recording"] = "recording"
    path: str
    stream: str | None = None
    robot: str | None = None

    def test_connection(self) -> None:
        """Raises `UnreadableDataset` when there is no such stream or recording."""
        self._table()

    def build_batch_request(
        self, options: dict[str, Any] | None = None, batch_slice: Any = None, partitioner: Any = None
    ) -> BatchRequest[Any]:
        """Takes no options. Raises `BuildBatchRequestError`."""
        if options:
            raise BuildBatchRequestError(message=f"a recording takes no options, {sorted(options)} were given")
        return self._request({}, batch_slice, partitioner)

    def get_batch(self, batch_request: BatchRequest[Any]) -> Batch:
        """The batch of a request; the recording is opened for it."""
        return self._batch(batch_request, self._table())

    def _table(self) -> Table:
        recording = readers.open(self.path)
        found = recording.main if self.stream is None else recording.streams.get(self.stream)
        if found is None:
            known = ", ".join(recording.streams) or "none"
            raise UnreadableDataset("column-missing", f"name one stream; there are {known}", path=self.path)
        return Table.of(recording, found, robots.load(self.robot) if self.robot else None)

    def add_batch_definition_whole_recording(self, name: str) -> Any:
        """A batch definition for the whole recording."""
        return self.add_batch_definition(name=name, partitioner=None)


class PolarsDatasource(Datasource):  # type: ignore[misc]  # Great Expectations has no types here
    """Great Expectations on Polars."""

    asset_types: ClassVar[list[type[DataAsset]]] = [PolarsDataFrameAsset, PolarsRecordingAsset]
    type: Literal["polars"] = "polars"
    assets: list[PolarsDataFrameAsset | PolarsRecordingAsset] = []  # noqa: RUF012 - pydantic copies it

    @property
    def execution_engine_type(self) -> Any:
        """The engine."""
        return PolarsExecutionEngine

    def test_connection(self, test_assets: bool = True) -> None:
        """There is no host to reach."""
        if test_assets:
            for asset in self.assets:
                asset.test_connection()

    def add_dataframe_asset(self, name: str) -> PolarsDataFrameAsset:
        """An asset of tables."""
        asset: PolarsDataFrameAsset = self._add_asset(PolarsDataFrameAsset(name=name))
        return asset

    def add_recording_asset(
        self, name: str, path: str, stream: str | None = None, robot: str | None = None
    ) -> PolarsRecordingAsset:
        """An asset of one recording."""
        made = PolarsRecordingAsset(name=name, path=str(path), stream=stream, robot=robot)
        asset: PolarsRecordingAsset = self._add_asset(made)
        return asset
