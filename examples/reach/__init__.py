"""The demo story: a small arm learns to reach, and Assay says which of its models may leave the lab."""

from __future__ import annotations

import os

# the number of threads decides in which order a numeric library adds; set before it is imported, so that a run made
# again on the same host class agrees in every bit
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")


class ReachError(Exception):
    """Anything the story refuses; `kind` is stable, the message says what is wrong, where, and what to do."""

    def __init__(self, kind: str, message: str) -> None:
        super().__init__(message)
        self.kind = kind
