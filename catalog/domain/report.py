"""A provenance report: one document of facts, two renderings, and the closed list of the documents they come from.

`Report` is the only place for the facts; HTML shows it and the bundle carries it. A bundle holds every document that a
fact names, so that whoever has the trust root can establish each of them again, offline.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import Field

from catalog.domain.audit import AuditHead
from catalog.domain.base import Count, Digest, Entity, Name, Slug, Text, Utc
from catalog.domain.dataset import Quarantine
from catalog.domain.merkle import Consistency, Inclusion
from catalog.domain.release import Denial, RoleSignature
from catalog.domain.statement import InTotoStatement, SubjectDigest

REPORT_JSON, REPORT_HTML, SUMMARY = "report.json", "report.html", "decision.vsa.json"
BUNDLE_LIMIT = 256 * 2**20  # bytes of a bundle

FileName = Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9_.-]*(/[a-z0-9][a-z0-9_.-]*)*$", max_length=200)]
Standing = Literal["allowed", "denied", "lapsed", "not-approved", "blocked"]
Result = Literal["PASSED", "FAILED"]
SAID: dict[str, str] = {
    "allowed": "allowed: judged eligible, approved by enough people, released and not withdrawn",
    "denied": "withdrawn: a release of this model is denied",
    "lapsed": "lapsed: it was released, and today's floor does not allow it any more, so no lease is renewed",
    "not-approved": "not released: judged eligible, and not approved by enough people or not published",
    "blocked": "blocked: the decision says that it may not go to this class of devices",
}


def result_of(standing: Standing) -> Result:
    """Only what is allowed passes."""
    return "PASSED" if standing == "allowed" else "FAILED"


class DocumentFile(Entity):
    """One file of a bundle."""

    name: FileName
    size: Count
    sha256: Digest


class Fact(Entity):
    """One thing that is known; `source` is the file of the bundle it was read in, empty for the catalog's own word."""

    name: Name
    value: bool | int | float | str
    source: str = ""


class Row(Entity):
    """One row of a table, and the file it was read in."""

    cells: tuple[str, ...]
    source: str = ""


class Table(Entity):
    """A table of facts."""

    title: Name
    columns: tuple[Name, ...]
    rows: tuple[Row, ...]


class Section(Entity):
    """One question, its answer in a sentence, and the facts behind it."""

    key: Slug
    question: Name
    answer: Text
    facts: tuple[Fact, ...] = ()
    tables: tuple[Table, ...] = ()
    notes: tuple[Text, ...] = ()


class Report(Entity):
    """Where a model's data came from, how it was labelled, which version it was, and why the model was allowed."""

    schema_: Literal["provenance-report@1"] = Field("provenance-report@1", alias="schema")
    home: Annotated[str, Field(min_length=1, max_length=64)]
    environment: Slug
    as_of: Utc
    audit_head: AuditHead
    epoch: Count
    model: Digest
    model_name: Slug
    device_class: Slug
    device: Slug | None
    decision: Digest
    release: str | None
    standing: Standing
    result: Result
    sections: tuple[Section, ...]
    documents: tuple[DocumentFile, ...]


class ReportPredicate(Entity):
    """What the report key signs: the standing at a time, and every file of the bundle."""

    home: Annotated[str, Field(min_length=1, max_length=64)]
    environment: Slug
    as_of: Utc
    audit_head: AuditHead
    epoch: Count
    device_class: Slug
    decision: Digest
    policy: Digest | None
    release: str | None
    standing: Standing
    result: Result
    files: Annotated[tuple[DocumentFile, ...], Field(min_length=1, max_length=100_000)]


class ReportStatement(InTotoStatement):
    """An in-toto v1 statement about one model manifest."""

    predicate_type: Literal["urn:assay:predicate:provenance-report@1"] = Field(
        "urn:assay:predicate:provenance-report@1", alias="predicateType"
    )
    predicate: ReportPredicate


class VsaVerifier(Entity):
    """Who evaluated."""

    id: Name


class VsaReference(Entity):
    """Something by address and digest."""

    uri: Name
    digest_: SubjectDigest = Field(alias="digest")


class VsaPredicate(Entity):
    """A verification summary. No SLSA level is claimed, so `verifiedLevels` is empty."""

    verifier: VsaVerifier
    time_verified: Utc = Field(alias="timeVerified")
    resource_uri: Name = Field(alias="resourceUri")
    policy: VsaReference
    input_attestations: tuple[VsaReference, ...] = Field(alias="inputAttestations")
    result: Result = Field(alias="verificationResult")
    levels: tuple[()] = Field((), alias="verifiedLevels")


class VsaStatement(InTotoStatement):
    """An in-toto v1 statement that sums up one decision."""

    predicate_type: Literal["https://slsa.dev/verification_summary/v1"] = Field(
        "https://slsa.dev/verification_summary/v1", alias="predicateType"
    )
    predicate: VsaPredicate


class ReleaseRecord(Entity):
    """How a release came to be allowed, and the approvers' signatures over the role that lists it."""

    schema_: Literal["release-record@1"] = Field("release-record@1", alias="schema")
    role_version: Count
    proposed_by: Slug
    allowed_at: Utc | None
    allowed_by: Slug | None
    published_at: Utc | None
    role_signatures: tuple[RoleSignature, ...]


class CatalogState(Entity):
    """What speaks against the model or its data, as of the report."""

    schema_: Literal["state@1"] = Field("state@1", alias="schema")
    denials: tuple[Denial, ...]
    quarantines: tuple[Quarantine, ...]
    later_decisions: tuple[Digest, ...]


class AuditProofs(Entity):
    """The audit entries behind a report, each proven to be in the report's head, and that this head continues the one
    which the approvers signed."""

    schema_: Literal["audit-proofs@1"] = Field("audit-proofs@1", alias="schema")
    inclusions: tuple[Inclusion, ...]
    consistency: Consistency


class Bundle(Entity):
    """A report in one file: the signed statement, the text files by name, and binary files as base64."""

    schema_: Literal["report-bundle@1"] = Field("report-bundle@1", alias="schema")
    envelope: dict[str, Any]
    files: dict[FileName, str]
    binary: dict[FileName, str] = Field(default_factory=dict)
