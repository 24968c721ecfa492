"""A store that data was copied to, asked by the names that the records know.

Decisions, approvals and manifests name commits as the store called them in which they were made. A copy of such a
commit has another name; here every name is translated on its way in and back on its way out, so that what was judged
before the move is found, compared and served after it. Commits made here since keep their own names.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import replace
from typing import BinaryIO, Literal

import polars as pl

from catalog.storage.port import Change, CommitInfo, Progress, StoredObject, VersionStore


class Moved:
    """`copies` gives the copies in a repository: the name that the records know, and the name here."""

    def __init__(self, store: VersionStore, copies: Callable[[str], Mapping[str, str]]) -> None:
        self._store, self._copies = store, copies
        self._named: dict[str, tuple[Mapping[str, str], dict[str, str]]] = {}
        self.name = store.name

    def known_as(self, repository: str, commit: str) -> str:
        """The name under which the records know a commit of this store."""
        return self._names(repository)[1].get(commit, commit)

    def ensure_repository(self, repository: str, metadata: Mapping[str, str]) -> None:
        """As the store does."""
        self._store.ensure_repository(repository, metadata)

    def branches(self, repository: str) -> dict[str, str]:
        """As the store does."""
        return {name: self.known_as(repository, head) for name, head in self._store.branches(repository).items()}

    def ensure_branch(self, repository: str, branch: str, source: str) -> None:
        """As the store does."""
        self._store.ensure_branch(repository, branch, self._here(repository, source))

    def delete_branch(self, repository: str, branch: str) -> None:
        """As the store does."""
        self._store.delete_branch(repository, branch)

    def reset(self, repository: str, branch: str) -> None:
        """As the store does."""
        self._store.reset(repository, branch)

    def head(self, repository: str, ref: str) -> CommitInfo | None:
        """As the store does."""
        found = self._store.head(repository, self._here(repository, ref))
        return None if found is None else self._told(repository, found)

    def log(self, repository: str, ref: str, amount: int) -> list[CommitInfo]:
        """As the store does."""
        return [self._told(repository, c) for c in self._store.log(repository, self._here(repository, ref), amount)]

    def upload(self, repository: str, branch: str, path: str, content: bytes) -> StoredObject:
        """As the store does."""
        return self._store.upload(repository, branch, path, content)

    def upload_stream(self, repository: str, branch: str, path: str, content: BinaryIO, size: int) -> StoredObject:
        """As the store does."""
        return self._store.upload_stream(repository, branch, path, content, size)

    def import_folder(
        self, repository: str, branch: str, folder: str, prefix: str, metadata: Mapping[str, str], progress: Progress
    ) -> CommitInfo:
        """As the store does."""
        return self._told(repository, self._store.import_folder(repository, branch, folder, prefix, metadata, progress))

    def delete(self, repository: str, branch: str, paths: Iterable[str]) -> None:
        """As the store does."""
        self._store.delete(repository, branch, paths)

    def listing(self, repository: str, ref: str, prefix: str = "") -> pl.DataFrame:
        """As the store does."""
        return self._store.listing(repository, self._here(repository, ref), prefix)

    def read(self, repository: str, ref: str, path: str) -> Iterator[bytes]:
        """As the store does."""
        return self._store.read(repository, self._here(repository, ref), path)

    def commit(self, repository: str, branch: str, message: str, metadata: Mapping[str, str]) -> CommitInfo:
        """As the store does."""
        return self._told(repository, self._store.commit(repository, branch, message, metadata))

    def merge_base(self, repository: str, source: str, destination: str) -> str:
        """As the store does."""
        source, destination = self._here(repository, source), self._here(repository, destination)
        return self.known_as(repository, self._store.merge_base(repository, source, destination))

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
        """As the store does."""
        source = self._here(repository, source)
        return self._told(repository, self._store.merge(repository, source, destination, message, metadata, keep=keep))

    def diff(self, repository: str, left: str, right: str) -> list[Change]:
        """As the store does."""
        return self._store.diff(repository, self._here(repository, left), self._here(repository, right))

    def tag(self, repository: str, name: str, ref: str) -> None:
        """As the store does."""
        self._store.tag(repository, name, self._here(repository, ref))

    def tagged(self, repository: str, name: str) -> str | None:
        """As the store does."""
        found = self._store.tagged(repository, name)
        return None if found is None else self.known_as(repository, found)

    def _names(self, repository: str) -> tuple[Mapping[str, str], dict[str, str]]:
        # nothing is copied to the store that is in use, so what was copied to it is read once
        if repository not in self._named:
            copies = self._copies(repository)
            self._named[repository] = copies, {copy: known for known, copy in copies.items()}
        return self._named[repository]

    def _here(self, repository: str, ref: str) -> str:
        return self._names(repository)[0].get(ref, ref)

    def _told(self, repository: str, found: CommitInfo) -> CommitInfo:
        parents = tuple(self.known_as(repository, parent) for parent in found.parents)
        return replace(found, id=self.known_as(repository, found.id), parents=parents)
