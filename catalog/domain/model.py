"""A model is a canonical manifest: files by digest, and all that the weights need to mean what they mean."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Annotated, Any, Literal

from pydantic import Field

from catalog.domain.base import Count, Digest, Entity, Name, ObjectPath, Slug, Text, Utc

CONTRACT = "contract.json"
SAFE_SUFFIXES = frozenset({".npz", ".onnx", ".safetensors", ".json"})


class Tensor(Entity):
    """One input or output: names in order, units, rate."""

    name: Name
    shape: tuple[Count, ...]
    dtype: Name
    units: tuple[str, ...] = ()
    names: tuple[str, ...] = ()
    rate_hz: Annotated[float, Field(gt=0)]


class Runtime(Entity):
    """What executes the weights."""

    name: Name
    version: Name


class BaseModelRef(Entity):
    """The model that this one was fitted from."""

    name: Name
    digest_: Digest = Field(alias="digest")
    licence: Name


class Contract(Entity):
    """What a robot must feed and may expect: weights alone are no release."""

    inputs: Annotated[tuple[Tensor, ...], Field(min_length=1)]
    outputs: Annotated[tuple[Tensor, ...], Field(min_length=1)]
    normalisation: dict[str, Any]
    preprocessing: Text
    runtime: Runtime
    rate_hz: Annotated[float, Field(gt=0)]
    action_type: Name
    base_model: BaseModelRef | None = None


class ModelFile(Entity):
    """One file of a model."""

    path: ObjectPath
    size: Count
    sha256: Digest


class ModelManifest(Entity):
    """The subject of evidence, decisions and releases: this artefact, not another export of it."""

    schema_: Literal["model@1"] = Field("model@1", alias="schema")
    name: Slug
    files: Annotated[tuple[ModelFile, ...], Field(min_length=1)]
    contract: Contract
    converted_from: Digest | None = None

    def weights(self) -> frozenset[str]:
        """The digests of all files but the contract: numbers may lie in JSON, too."""
        return weights_of(self.files)


def weights_of(files: Iterable[ModelFile]) -> frozenset[str]:
    """The digests of all of these files but the contract."""
    return frozenset(f.sha256 for f in files if f.path != CONTRACT)


class Model(Entity):
    """A registered model; `run` is None where nobody recorded how it was fitted."""

    digest_: Digest = Field(alias="digest")
    manifest: ModelManifest
    run: str | None
    metrics: dict[str, float] = Field(default_factory=dict)
    repository: Name
    commit: str
    registered_by: Slug
    registered_at: Utc
