"""Every error of lineage; each class carries a stable `kind` that callers may match and that is never renamed."""

from __future__ import annotations

from typing import ClassVar


class LineageError(Exception):
    """Base of the tree. The message says what is wrong, where, and what to do."""

    kind: ClassVar[str] = "lineage"


class UrnError(LineageError):
    """A text or a part that is no URN of Assay."""

    kind = "urn-invalid"


class EdgeError(LineageError):
    """An edge between nodes that its kind does not join."""

    kind = "edge-invalid"


class EventError(LineageError):
    """An event that contradicts itself."""

    kind = "event-invalid"


class EmitError(LineageError):
    """An event that could not be written; the file is as it was before."""

    kind = "event-not-written"


class EventLogError(LineageError):
    """A file of events that cannot be read, or is damaged before its last line."""

    kind = "event-log-unreadable"


class IngestError(LineageError):
    """An event of another system that cannot be read as lineage."""

    kind = "event-unreadable"
