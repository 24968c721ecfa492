"""What clients send: one strict document a POST."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import Field

from catalog.domain.audit import AuditHead
from catalog.domain.base import Count, Digest, Entity, Name, Slug, Utc
from catalog.domain.dataset import Provenance
from catalog.domain.release import RoleSignature

Path_ = Annotated[str, Field(min_length=1, max_length=4096)]


class RegisterDataset(Entity):
    """Register the recording in a folder that the service can read; by reference, its bytes stay only there."""

    ingest: Slug
    path: Path_
    provenance: Provenance
    by_reference: bool = False


class QuarantineEpisodes(Entity):
    """Quarantine episodes of an ingest; none means all of it."""

    episodes: tuple[Count, ...] = ()
    reason: Annotated[str, Field(min_length=1, max_length=2000)]


class Signed(Entity):
    """A DSSE envelope."""

    envelope: dict[str, Any]


class RegisterRobot(Entity):
    """Record a robot; the record has its model's XML inside."""

    name: Slug
    suite: Name
    record: dict[str, Any]


class GiveFolder(Entity):
    """Use a local folder as an input of a run."""

    path: Path_


class RegisterModel(Entity):
    """Register the model in a folder that the service can read."""

    name: Slug
    path: Path_
    run: str | None = None
    metrics: dict[str, float] = Field(default_factory=dict)


class EnrolLine(Entity):
    """Enrol the name of a model line."""

    name: Slug
    device_class: Slug


class MakePlan(Entity):
    """Plan an evaluation of a model for a class."""

    model: Name
    device_class: Slug
    line: Slug


class JudgeModel(Entity):
    """Judge a model for a class."""

    device_class: Slug


class SignRelease(Entity):
    """One approver's signatures: over the decision, and over the role that lists the release."""

    envelope: dict[str, Any]
    role: RoleSignature


class Rollback(Entity):
    """Go back to a release, or to the last good one."""

    to: str | None = None
    reason: Annotated[str, Field(max_length=2000)] = ""


class Withdraw(Entity):
    """Deny a release for good."""

    reason: Annotated[str, Field(min_length=1, max_length=2000)]


What = Annotated[str, Field(min_length=1, max_length=2560)]


class ReachOf(Entity):
    """What a recall would reach: as of now, or only over what had been asserted at a time."""

    what: What
    as_of: Utc | None = None


class DoRecall(Entity):
    """Recall exactly what was shown: `plan` digests it."""

    what: What
    as_of: Utc | None = None
    plan: Digest
    reason: Annotated[str, Field(min_length=1, max_length=2000)]


class CopyStore(Entity):
    """Copy everything to another lakeFS; the credentials are kept nowhere."""

    url: Annotated[str, Field(pattern=r"^https?://[^\s@?#]{1,500}$")]
    namespace: Annotated[str, Field(pattern=r"^[a-z0-9+.-]{1,32}://\S{0,1000}$")]
    key: Annotated[str, Field(min_length=1, max_length=1000, repr=False)]
    secret: Annotated[str, Field(min_length=1, max_length=1000, repr=False)]


class VerifyAudit(Entity):
    """Verify the log, against a kept head if there is one."""

    kept: AuditHead | None = None


class Started(Entity):
    """A long operation began."""

    operation: str
