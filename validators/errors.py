"""What this package refuses, as one small tree: a class says what a handler does, `kind` says why and never changes."""

from __future__ import annotations

from pathlib import Path
from typing import ClassVar


class ValidatorError(Exception):
    """Says what is wrong, in which file, and what to do. `kind` is one of `KINDS`, stable and append-only."""

    KINDS: ClassVar[frozenset[str]] = frozenset()

    def __init__(self, kind: str, message: str, *, path: Path | str | None = None) -> None:
        if kind not in self.KINDS:
            raise ValueError(f"{kind!r} is no kind of {type(self).__name__}")
        self.kind = kind
        self.path = None if path is None else str(path)
        self.detail = message
        super().__init__(f"{path}: {message}" if path is not None else message)


class UnreadableDataset(ValidatorError):
    """The folder cannot be read as a recording; nothing was judged."""

    KINDS = frozenset(
        {
            "path-missing",
            "path-outside",
            "format-unknown",
            "metadata-missing",
            "metadata-empty",
            "metadata-invalid",
            "file-damaged",
            "file-missing",
            "column-missing",
            "column-type",
            "path-unexpected",
            "too-large",
            "access-denied",
            "store-unreachable",
        }
    )


class InvalidSuite(ValidatorError):
    """The suite names something this engine does not know; it is refused whole, never run in part."""

    KINDS = frozenset(
        {"suite-unknown", "suite-invalid", "expectation-unknown", "parameter-unknown", "parameter-invalid"}
    )


class InvalidRobot(ValidatorError):
    """The robot record or its model cannot be used."""

    KINDS = frozenset({"robot-missing", "robot-invalid", "model-invalid", "model-unsupported", "path-outside"})


class InvalidProfile(ValidatorError):
    """The profile of approved data cannot be used."""

    KINDS = frozenset({"profile-missing", "profile-invalid"})


class UncleanableDataset(ValidatorError):
    """The dataset cannot be written without the dropped episodes; nothing was written."""

    KINDS = frozenset(
        {
            "has-video",
            "format-unsupported",
            "nothing-left",
            "episode-unknown",
            "out-exists",
            "unreadable",
            "not-finite",
            "video-missing",
            "video-uncuttable",
            "unwritable",
        }
    )


class MissingExtra(ValidatorError):
    """An optional library is not installed; the message says which extra brings it."""

    KINDS = frozenset({"extra-missing"})
