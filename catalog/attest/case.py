"""What the checks of one report share: bundle, trust root, the log's proven entries, and what was established."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, NamedTuple

from catalog.attest.bundle import Opened, untrusted
from catalog.domain.audit import AuditEntry
from catalog.domain.decision import Decision
from catalog.domain.principal import Key
from catalog.domain.report import ReportPredicate
from catalog.domain.trust import TrustRoot


class Line(NamedTuple):
    """One thing that was established."""

    what: str
    found: str


@dataclass(frozen=True)
class Log:
    """Entries that are proven to be in the report's head; times that matter are taken from here."""

    entries: tuple[AuditEntry, ...] = ()

    def all(self, action: str, subject: str, **details: Any) -> list[AuditEntry]:
        """Every entry about this subject with these details."""
        found = (e for e in self.entries if e.action == action and e.subject == subject)
        return [e for e in found if all(e.details.get(k) == v for k, v in details.items())]

    def one(self, action: str, subject: str, **details: Any) -> AuditEntry:
        """The first such entry; a report without it is not to be trusted."""
        found = self.all(action, subject, **details)
        if not found:
            raise untrusted(f"no entry {action} about {subject[:90]} is shown to be in the log", "audit.json")
        return found[0]


@dataclass
class Case:
    """One report under examination."""

    opened: Opened
    root: TrustRoot
    lines: list[Line]
    signers: tuple[Key, ...]
    decision: Decision | None = None
    log: Log = Log()

    @property
    def claims(self) -> ReportPredicate:
        """What the report key signed."""
        return self.opened.statement.predicate

    @property
    def model(self) -> str:
        """The digest of the model that the report is about."""
        return self.opened.statement.model

    @property
    def known(self) -> Decision:
        """The decision, once it was checked."""
        if self.decision is None:
            raise ValueError("the decision is checked first")
        return self.decision

    def say(self, what: str, found: str) -> None:
        """Note what was established."""
        self.lines.append(Line(what, found))
