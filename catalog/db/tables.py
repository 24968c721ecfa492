"""The tables. Every governed row is `keys + body`: the body is the canonical document of a domain entity,
so each read validates it, and a field stands in one place only. Text sorts by bytes.
"""

from __future__ import annotations

from sqlalchemy import Boolean, Column, ForeignKey, Index, Integer, MetaData, String, Table, Text, UniqueConstraint

metadata = MetaData(
    naming_convention={"ix": "ix_%(table_name)s_%(column_0_N_name)s", "uq": "uq_%(table_name)s_%(column_0_N_name)s"}
)


def _body() -> Column[str]:
    return Column("body", Text, nullable=False)


head = Table(
    "head",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("home", String, nullable=False),
    Column("epoch", Integer, nullable=False),
    Column("last_at", String, nullable=False),
    Column("last_hash", String, nullable=False),
    Column("frontier", Text, nullable=False),
)
audit = Table(
    "audit",
    metadata,
    Column("seq", Integer, primary_key=True, autoincrement=False),
    Column("prev", String, nullable=False, unique=True),
    Column("action", String, nullable=False, index=True),
    Column("subject", String, nullable=False, index=True),
    _body(),
)
principal = Table(
    "principal",
    metadata,
    Column("name", String, primary_key=True),
    Column("token_digest", String, nullable=False, unique=True),
    _body(),
)
key = Table(
    "key",
    metadata,
    Column("keyid", String, primary_key=True),
    Column("public", String, nullable=False, unique=True),
    Column("principal", ForeignKey("principal.name"), nullable=False),
    Column("role", String, nullable=False),
    _body(),
)
dataset = Table(
    "dataset",
    metadata,
    Column("slug", String, primary_key=True),
    Column("repository", String, nullable=False, unique=True),
    Column("created_at", String, nullable=False),
    Column("created_by", String, nullable=False),
)
version = Table(
    "version",
    metadata,
    Column("manifest_digest", String, primary_key=True),
    Column("dataset", ForeignKey("dataset.slug"), nullable=False, index=True),
    Column("ingest", String, nullable=False, index=True),
    Column("registered_at", String, nullable=False),
    _body(),
)
location = Table(
    "location",
    metadata,
    Column("manifest_digest", ForeignKey("version.manifest_digest"), primary_key=True),
    Column("store", String, primary_key=True),
    Column("commit", String, primary_key=True),
    _body(),
)
episode = Table(
    "episode",
    metadata,
    Column("manifest_digest", ForeignKey("version.manifest_digest"), primary_key=True),
    Column("root", String, primary_key=True),
    Column("number", Integer, primary_key=True),
    Column("fingerprint", String, nullable=False, index=True),
    Column("rig", String, nullable=False, index=True),
    Column("seed", String, nullable=False, index=True),
    _body(),
)
object_ = Table(
    "object",
    metadata,
    Column("manifest_digest", ForeignKey("version.manifest_digest"), primary_key=True),
    Column("path", String, primary_key=True),
    Column("sha256", String, nullable=False, index=True),
    Column("rows", Boolean, nullable=False),
    _body(),
)
check = Table(
    "check",
    metadata,
    Column("id", String, primary_key=True),
    Column("manifest_digest", ForeignKey("version.manifest_digest"), nullable=False, index=True),
    Column("commit", String, nullable=False),
    Column("digest", String, nullable=False),
    _body(),
)
decision = Table(
    "decision",
    metadata,
    Column("digest", String, primary_key=True),
    Column("id", String, nullable=False, unique=True),
    Column("decides", String, nullable=False),
    Column("subject", String, nullable=False, index=True),
    Column("verdict", String, nullable=False),
    _body(),
)
signature = Table(
    "signature",
    metadata,
    Column("decision", ForeignKey("decision.digest"), primary_key=True),
    Column("keyid", ForeignKey("key.keyid"), primary_key=True),
    Column("at", String, nullable=False),
    Column("envelope", Text, nullable=False),
)
approval = Table(
    "approval",
    metadata,
    Column("id", String, primary_key=True),
    Column("dataset", ForeignKey("dataset.slug"), nullable=False, index=True),
    Column("manifest_digest", ForeignKey("version.manifest_digest"), nullable=False, unique=True),
    Column("tag", String, nullable=False),
    Column("merge_commit", String, nullable=False),
    _body(),
    UniqueConstraint("dataset", "tag"),
)
quarantine = Table(
    "quarantine",
    metadata,
    Column("id", String, primary_key=True),
    Column("dataset", ForeignKey("dataset.slug"), nullable=False, index=True),
    Column("manifest_digest", ForeignKey("version.manifest_digest"), nullable=False, index=True),
    _body(),
)
quarantined = Table(
    "quarantined",
    metadata,
    Column("digest", String, primary_key=True),
    Column("quarantine", ForeignKey("quarantine.id"), primary_key=True),
    Column("of", String, nullable=False),
    Column("root", String, nullable=False),
    Column("number", Integer, nullable=False),
)
undecided = Table(
    "undecided",
    metadata,
    Column("dataset", ForeignKey("dataset.slug"), primary_key=True),
    Column("commit", String, primary_key=True),
    Column("noticed_at", String, nullable=False),
    Column("why", Text, nullable=False),
    Column("gone_at", String),
)
robot = Table(
    "robot",
    metadata,
    Column("digest", String, primary_key=True),
    Column("name", String, nullable=False, index=True),
    Column("registered_at", String, nullable=False),
    _body(),
)
run = Table(
    "run",
    metadata,
    Column("id", String, primary_key=True),
    Column("name", String, nullable=False, index=True),
    _body(),
)
model = Table(
    "model",
    metadata,
    Column("digest", String, primary_key=True),
    Column("name", String, nullable=False, index=True),
    Column("registered_at", String, nullable=False),
    _body(),
)
line = Table(
    "line",
    metadata,
    Column("name", String, primary_key=True),
    Column("device_class", String, primary_key=True),
    _body(),
)
plan = Table(
    "plan",
    metadata,
    Column("digest", String, primary_key=True),
    Column("id", String, nullable=False, unique=True),
    Column("model", ForeignKey("model.digest"), nullable=False, index=True),
    Column("device_class", String, nullable=False, index=True),
    Column("seed", String),
    _body(),
)
evidence = Table(
    "evidence",
    metadata,
    Column("digest", String, primary_key=True),
    Column("id", String, nullable=False, unique=True),
    Column("model", ForeignKey("model.digest"), nullable=False, index=True),
    Column("plan", ForeignKey("plan.digest"), nullable=False, unique=True),
    _body(),
)
policy = Table(
    "policy",
    metadata,
    Column("digest", String, primary_key=True),
    Column("name", String, nullable=False),
    Column("version", Integer, nullable=False),
    Column("decides", String, nullable=False),
    Column("device_class", String),
    _body(),
    UniqueConstraint("name", "version"),
)
edge = Table(
    "edge",
    metadata,
    Column("src", String, primary_key=True),
    Column("dst", String, primary_key=True),
    Column("kind", String, primary_key=True),
    Column("valid_from", String, primary_key=True),
    Column("valid_to", String),
    Column("asserted_by", String, nullable=False),
    Index(None, "dst", "kind"),
)
intent = Table(
    "intent",
    metadata,
    Column("id", String, primary_key=True),
    Column("kind", String, nullable=False),
    Column("state", String, nullable=False, index=True),
    _body(),
)
idempotency = Table(
    "idempotency",
    metadata,
    Column("key", String, primary_key=True),
    Column("principal", String, primary_key=True),
    Column("request", String, nullable=False),
    Column("status", Integer, nullable=False),
    Column("answer", Text, nullable=False),
    Column("at", String, nullable=False),
)
outbox = Table(
    "outbox",
    metadata,
    Column("id", Integer, primary_key=True, autoincrement=True),
    Column("body", Text, nullable=False),
)

release = Table(
    "release",
    metadata,
    Column("id", String, primary_key=True),
    Column("device_class", String, nullable=False, index=True),
    Column("model", ForeignKey("model.digest"), nullable=False, index=True),
    Column("decision", ForeignKey("decision.digest"), nullable=False, index=True),
    Column("state", String, nullable=False),
    Column("proposed_at", String, nullable=False),
    _body(),
)
release_signature = Table(
    "release_signature",
    metadata,
    Column("release", ForeignKey("release.id"), primary_key=True),
    Column("keyid", ForeignKey("key.keyid"), primary_key=True),
    _body(),
)
choice = Table(
    "choice",
    metadata,
    Column("device_class", String, primary_key=True),
    Column("requested_at", String, primary_key=True),
    Column("release", ForeignKey("release.id")),
    _body(),
)
lease = Table(
    "lease",
    metadata,
    Column("device_class", String, primary_key=True),
    Column("issued_at", String, primary_key=True),
    Column("release", ForeignKey("release.id"), index=True),
    Column("lease_until", String, nullable=False),
    _body(),
)
denial = Table(
    "denial",
    metadata,
    Column("id", String, primary_key=True),
    Column("release", ForeignKey("release.id"), nullable=False, index=True),
    Column("model", String, nullable=False, index=True),
    _body(),
)
device = Table(
    "device",
    metadata,
    Column("name", ForeignKey("principal.name"), primary_key=True),
    Column("device_class", String, nullable=False, index=True),
    _body(),
)
device_report = Table(
    "device_report",
    metadata,
    Column("device", ForeignKey("device.name"), primary_key=True),
    Column("seq", Integer, primary_key=True),
    Column("received_at", String, nullable=False),
    _body(),
)
recall = Table("recall", metadata, Column("id", String, primary_key=True), _body())
revoked = Table(
    "revoked",
    metadata,
    Column("urn", String, primary_key=True),
    Column("recall", ForeignKey("recall.id"), primary_key=True),
)
proposal = Table(
    "proposal",
    metadata,
    Column("digest", String, primary_key=True),
    Column("kind", String, nullable=False, index=True),
    _body(),
)
endorsement = Table(
    "endorsement",
    metadata,
    Column("subject", String, primary_key=True),
    Column("keyid", ForeignKey("key.keyid"), primary_key=True),
    Column("kind", String, nullable=False),
    Column("at", String, nullable=False),
    Column("envelope", Text, nullable=False),
)
reproduction = Table(
    "reproduction",
    metadata,
    Column("id", String, primary_key=True),
    Column("run", ForeignKey("run.id"), nullable=False, index=True),
    _body(),
)
replay = Table(
    "replay",
    metadata,
    Column("evidence", ForeignKey("evidence.digest"), primary_key=True),
    _body(),
)

UNGOVERNED = frozenset({"intent", "idempotency", "outbox"})
