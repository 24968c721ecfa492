"""The port to a version store: repositories, branches, commits, merges, tags; by value, never by lakeFS's classes."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import BinaryIO, Literal, Protocol

import polars as pl

Progress = Callable[[int], None]  # of a long call; what it raises ends the call


@dataclass(frozen=True)
class StoredObject:
    """One stored object; `checksum` is the store's own (lakeFS: MD5 hex)."""

    path: str
    size: int
    checksum: str


@dataclass(frozen=True)
class CommitInfo:
    """One commit: `metarange` identifies its whole tree."""

    id: str
    parents: tuple[str, ...]
    metarange: str
    message: str
    metadata: Mapping[str, str]


@dataclass(frozen=True)
class Change:
    """One changed path between two refs."""

    path: str
    kind: Literal["added", "removed", "changed", "conflict"]


class VersionStore(Protocol):
    """What the services ask of a store. Absent things are None; every other failure is an error of our tree."""

    name: str

    def known_as(self, repository: str, commit: str) -> str:
        """The name under which the records know a commit of this store."""

    def ensure_repository(self, repository: str, metadata: Mapping[str, str]) -> None:
        """Create the repository with a protected `main` unless it is there."""

    def branches(self, repository: str) -> dict[str, str]:
        """The commit of every branch, by name; hidden ones too."""

    def ensure_branch(self, repository: str, branch: str, source: str) -> None:
        """Create the branch at a ref unless it is there."""

    def delete_branch(self, repository: str, branch: str) -> None:
        """Delete the branch if it is there."""

    def reset(self, repository: str, branch: str) -> None:
        """Drop what is staged on the branch."""

    def head(self, repository: str, ref: str) -> CommitInfo | None:
        """The commit a ref names, or None."""

    def log(self, repository: str, ref: str, amount: int) -> list[CommitInfo]:
        """The newest commits reachable from a ref."""

    def upload(self, repository: str, branch: str, path: str, content: bytes) -> StoredObject:
        """Stage one small object."""

    def upload_stream(self, repository: str, branch: str, path: str, content: BinaryIO, size: int) -> StoredObject:
        """Stage one object of any size, read in blocks."""

    def import_folder(
        self, repository: str, branch: str, folder: str, prefix: str, metadata: Mapping[str, str], progress: Progress
    ) -> CommitInfo:
        """Commit a folder's files below `prefix` by reference, without copying them; `progress` gets their count."""

    def delete(self, repository: str, branch: str, paths: Iterable[str]) -> None:
        """Stage the removal of objects."""

    def listing(self, repository: str, ref: str, prefix: str = "") -> pl.DataFrame:
        """All objects of a ref in path order, staged ones where the ref is a branch: columns `path`, `size` in bytes,
        `checksum` as the store computes it."""

    def read(self, repository: str, ref: str, path: str) -> Iterator[bytes]:
        """The bytes of an object in blocks of about 1 MiB."""

    def commit(self, repository: str, branch: str, message: str, metadata: Mapping[str, str]) -> CommitInfo:
        """Commit what is staged."""

    def merge_base(self, repository: str, source: str, destination: str) -> str:
        """The id of the merge base."""

    def merge(
        self,
        repository: str,
        source: str,
        destination: str,
        message: str,
        metadata: Mapping[str, str],
        *,
        keep: Literal["source", "destination"] | None = None,
    ) -> CommitInfo:
        """Merge a ref into a branch; `keep` says whose side wins a conflict, None refuses it."""

    def diff(self, repository: str, left: str, right: str) -> list[Change]:
        """Changes on `right` since its merge base with `left` (three dots)."""

    def tag(self, repository: str, name: str, ref: str) -> None:
        """Create a tag; the same tag on the same commit is no error."""

    def tagged(self, repository: str, name: str) -> str | None:
        """The commit a tag names, or None."""
