"""The tables. Every governed row is `keys + body`: the body is the canonical document of a domain entity,
so each read validates it, and a field stands in one place only. Text sorts by bytes.
"""

from __future__ import annotations

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    ForeignKey,
    Index,
    Integer,
    MetaData,
    String,
    Table,
    Text,
    UniqueConstraint,
)

NAME = String().with_variant(String(collation="C"), "postgresql")  # sorts by bytes, as SQLite does
NUMBER = Integer().with_variant(BigInteger(), "postgresql")  # 64 bits, as SQLite has

metadata = MetaData(
    naming_convention={"ix": "ix_%(table_name)s_%(column_0_N_name)s", "uq": "uq_%(table_name)s_%(column_0_N_name)s"}
)


def _body() -> Column[str]:
    return Column("body", Text, nullable=False)


head = Table(
    "head",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("home", NAME, nullable=False),
    Column("epoch", NUMBER, nullable=False),
    Column("last_at", NAME, nullable=False),
    Column("last_hash", NAME, nullable=False),
    Column("frontier", Text, nullable=False),
)
audit = Table(
    "audit",
    metadata,
    Column("seq", NUMBER, primary_key=True, autoincrement=False),
    Column("prev", NAME, nullable=False, unique=True),
    Column("action", NAME, nullable=False, index=True),
    Column("subject", NAME, nullable=False, index=True),
    _body(),
)
principal = Table(
    "principal",
    metadata,
    Column("name", NAME, primary_key=True),
    Column("token_digest", NAME, nullable=False, unique=True),
    _body(),
)
key = Table(
    "key",
    metadata,
    Column("keyid", NAME, primary_key=True),
    Column("public", NAME, nullable=False, unique=True),
    Column("principal", ForeignKey("principal.name"), nullable=False),
    Column("role", NAME, nullable=False),
    _body(),
)
dataset = Table(
    "dataset",
    metadata,
    Column("slug", NAME, primary_key=True),
    Column("repository", NAME, nullable=False, unique=True),
    Column("created_at", NAME, nullable=False),
    Column("created_by", NAME, nullable=False),
)
version = Table(
    "version",
    metadata,
    Column("manifest_digest", NAME, primary_key=True),
    Column("dataset", ForeignKey("dataset.slug"), nullable=False, index=True),
    Column("ingest", NAME, nullable=False, index=True),
    Column("registered_at", NAME, nullable=False),
    _body(),
)
location = Table(
    "location",
    metadata,
    Column("manifest_digest", ForeignKey("version.manifest_digest"), primary_key=True),
    Column("store", NAME, primary_key=True),
    Column("commit", NAME, primary_key=True),
    _body(),
)
episode = Table(
    "episode",
    metadata,
    Column("manifest_digest", ForeignKey("version.manifest_digest"), primary_key=True),
    Column("root", NAME, primary_key=True),
    Column("number", NUMBER, primary_key=True),
    Column("fingerprint", NAME, nullable=False, index=True),
    Column("rig", NAME, nullable=False, index=True),
    Column("seed", NAME, nullable=False, index=True),
    _body(),
)
object_ = Table(
    "object",
    metadata,
    Column("manifest_digest", ForeignKey("version.manifest_digest"), primary_key=True),
    Column("path", NAME, primary_key=True),
    Column("sha256", NAME, nullable=False, index=True),
    Column("rows", Boolean, nullable=False),
    _body(),
)
check = Table(
    "check",
    metadata,
    Column("id", NAME, primary_key=True),
    Column("manifest_digest", ForeignKey("version.manifest_digest"), nullable=False, index=True),
    Column("commit", NAME, nullable=False),
    Column("digest", NAME, nullable=False),
    _body(),
)
decision = Table(
    "decision",
    metadata,
    Column("digest", NAME, primary_key=True),
    Column("id", NAME, nullable=False, unique=True),
    Column("decides", NAME, nullable=False),
    Column("subject", NAME, nullable=False, index=True),
    Column("verdict", NAME, nullable=False),
    _body(),
)
signature = Table(
    "signature",
    metadata,
    Column("decision", ForeignKey("decision.digest"), primary_key=True),
    Column("keyid", ForeignKey("key.keyid"), primary_key=True),
    Column("at", NAME, nullable=False),
    Column("envelope", Text, nullable=False),
)
approval = Table(
    "approval",
    metadata,
    Column("id", NAME, primary_key=True),
    Column("dataset", ForeignKey("dataset.slug"), nullable=False, index=True),
    Column("manifest_digest", ForeignKey("version.manifest_digest"), nullable=False, unique=True),
    Column("tag", NAME, nullable=False),
    Column("merge_commit", NAME, nullable=False),
    _body(),
    UniqueConstraint("dataset", "tag"),
)
quarantine = Table(
    "quarantine",
    metadata,
    Column("id", NAME, primary_key=True),
    Column("dataset", ForeignKey("dataset.slug"), nullable=False, index=True),
    Column("manifest_digest", ForeignKey("version.manifest_digest"), nullable=False, index=True),
    _body(),
)
quarantined = Table(
    "quarantined",
    metadata,
    Column("digest", NAME, primary_key=True),
    Column("quarantine", ForeignKey("quarantine.id"), primary_key=True),
    Column("of", NAME, nullable=False),
    Column("root", NAME, nullable=False),
    Column("number", NUMBER, nullable=False),
)
undecided = Table(
    "undecided",
    metadata,
    Column("dataset", ForeignKey("dataset.slug"), primary_key=True),
    Column("commit", NAME, primary_key=True),
    Column("noticed_at", NAME, nullable=False),
    Column("why", Text, nullable=False),
    Column("gone_at", NAME),
)
robot = Table(
    "robot",
    metadata,
    Column("digest", NAME, primary_key=True),
    Column("name", NAME, nullable=False, index=True),
    Column("registered_at", NAME, nullable=False),
    _body(),
)
run = Table(
    "run",
    metadata,
    Column("id", NAME, primary_key=True),
    Column("name", NAME, nullable=False, index=True),
    _body(),
)
model = Table(
    "model",
    metadata,
    Column("digest", NAME, primary_key=True),
    Column("name", NAME, nullable=False, index=True),
    Column("registered_at", NAME, nullable=False),
    _body(),
)
line = Table(
    "line",
    metadata,
    Column("name", NAME, primary_key=True),
    Column("device_class", NAME, primary_key=True),
    _body(),
)
plan = Table(
    "plan",
    metadata,
    Column("digest", NAME, primary_key=True),
    Column("id", NAME, nullable=False, unique=True),
    Column("model", ForeignKey("model.digest"), nullable=False, index=True),
    Column("device_class", NAME, nullable=False, index=True),
    Column("seed", NAME),
    _body(),
)
evidence = Table(
    "evidence",
    metadata,
    Column("digest", NAME, primary_key=True),
    Column("id", NAME, nullable=False, unique=True),
    Column("model", ForeignKey("model.digest"), nullable=False, index=True),
    Column("plan", ForeignKey("plan.digest"), nullable=False, unique=True),
    _body(),
)
policy = Table(
    "policy",
    metadata,
    Column("digest", NAME, primary_key=True),
    Column("name", NAME, nullable=False),
    Column("version", Integer, nullable=False),
    Column("decides", NAME, nullable=False),
    Column("device_class", NAME),
    _body(),
    UniqueConstraint("name", "version"),
)
edge = Table(
    "edge",
    metadata,
    Column("src", NAME, primary_key=True),
    Column("dst", NAME, primary_key=True),
    Column("kind", NAME, primary_key=True),
    Column("valid_from", NAME, primary_key=True),
    Column("valid_to", NAME),
    Column("asserted_by", NAME, nullable=False),
    Index(None, "dst", "kind", "src", "valid_from"),
)
opened = Table(
    "opened",
    metadata,
    Column("sha256", NAME, primary_key=True),
    Column("run", ForeignKey("run.id"), primary_key=True),
)
intent = Table(
    "intent",
    metadata,
    Column("id", NAME, primary_key=True),
    Column("kind", NAME, nullable=False),
    Column("state", NAME, nullable=False, index=True),
    _body(),
)
idempotency = Table(
    "idempotency",
    metadata,
    Column("key", NAME, primary_key=True),
    Column("principal", NAME, primary_key=True),
    Column("request", NAME, nullable=False),
    Column("status", Integer, nullable=False),
    Column("answer", Text, nullable=False),
    Column("at", NAME, nullable=False),
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
    Column("id", NAME, primary_key=True),
    Column("device_class", NAME, nullable=False, index=True),
    Column("model", ForeignKey("model.digest"), nullable=False, index=True),
    Column("decision", ForeignKey("decision.digest"), nullable=False, index=True),
    Column("state", NAME, nullable=False),
    Column("proposed_at", NAME, nullable=False),
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
    Column("device_class", NAME, primary_key=True),
    Column("requested_at", NAME, primary_key=True),
    Column("release", ForeignKey("release.id")),
    _body(),
)
lease = Table(
    "lease",
    metadata,
    Column("device_class", NAME, primary_key=True),
    Column("issued_at", NAME, primary_key=True),
    Column("release", ForeignKey("release.id"), index=True),
    Column("lease_until", NAME, nullable=False),
    _body(),
)
denial = Table(
    "denial",
    metadata,
    Column("id", NAME, primary_key=True),
    Column("release", ForeignKey("release.id"), nullable=False, index=True),
    Column("model", NAME, nullable=False, index=True),
    _body(),
)
device = Table(
    "device",
    metadata,
    Column("name", ForeignKey("principal.name"), primary_key=True),
    Column("device_class", NAME, nullable=False, index=True),
    _body(),
)
device_report = Table(
    "device_report",
    metadata,
    Column("device", ForeignKey("device.name"), primary_key=True),
    Column("seq", NUMBER, primary_key=True),
    Column("received_at", NAME, nullable=False),
    _body(),
)
recall = Table("recall", metadata, Column("id", NAME, primary_key=True), _body())
revoked = Table(
    "revoked",
    metadata,
    Column("urn", NAME, primary_key=True),
    Column("recall", ForeignKey("recall.id"), primary_key=True),
)
proposal = Table(
    "proposal",
    metadata,
    Column("digest", NAME, primary_key=True),
    Column("kind", NAME, nullable=False, index=True),
    _body(),
)
endorsement = Table(
    "endorsement",
    metadata,
    Column("subject", NAME, primary_key=True),
    Column("keyid", ForeignKey("key.keyid"), primary_key=True),
    Column("kind", NAME, nullable=False),
    Column("at", NAME, nullable=False),
    Column("envelope", Text, nullable=False),
)
reproduction = Table(
    "reproduction",
    metadata,
    Column("id", NAME, primary_key=True),
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
