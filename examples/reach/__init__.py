"""The demo story: a small arm learns to reach, and Assay says which of its models may leave the lab."""

from __future__ import annotations


class ReachError(Exception):
    """Anything the story refuses; `kind` is stable, the message says what is wrong, where, and what to do."""

    def __init__(self, kind: str, message: str) -> None:
        super().__init__(message)
        self.kind = kind
