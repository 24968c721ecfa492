"""Read, stage, copy and delete single objects."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

from infra.lakefs.errors import NoObjectError, NotFoundError, PreconditionError
from infra.lakefs.store import Store, refs, repositories, staging
from infra.lakefs.store.blobs import Blob
from infra.lakefs.store.entries import Entry, make_entry
from infra.lakefs.store.protection import refuse_protected
from infra.lakefs.store.rows import Edit

Guard = Callable[[sqlite3.Connection, Sequence[bytes]], None]  # may refuse paths, in the transaction that stages them


def unguarded(connection: sqlite3.Connection, paths: Sequence[bytes]) -> None:
    """The guard of whoever may write everywhere."""


def stat(connection: sqlite3.Connection, store: Store, repository: str, ref: str, path: bytes) -> Entry:
    """The entry at a path, staged changes included where the ref shows them."""
    found = refs.resolve(connection, repository, ref)
    if found.branch is not None:
        edit = staging.find(connection, repository, found.branch, path)
        if edit is not None and edit[1] is not None:
            return edit[1]
        if edit is not None:
            raise _missing(ref, path)
    entry = store.trees.find(store.trees.load(found.commit.tree), path)
    if entry is None:
        raise _missing(ref, path)
    return entry


def _missing(ref: str, path: bytes) -> NoObjectError:
    return NoObjectError(f"object '{path.decode()[:200]}' not found at '{ref[:80]}'")


def walk(connection: sqlite3.Connection, store: Store, repository: str, ref: refs.Ref, start: bytes) -> Iterator[Entry]:
    """Entries a ref shows, in order from `start` on."""
    committed = store.trees.walk(store.trees.load(ref.commit.tree), start)
    if ref.branch is None:
        return committed
    return _overlay(committed, staging.walk(connection, repository, ref.branch, start))


def check_writable(connection: sqlite3.Connection, repository: str, branch: str, force: bool) -> None:
    refs.existing_branch(connection, repository, branch)
    refuse_protected(repositories.writable(connection, repository, force), branch, "write to")


def stage(
    store: Store,
    repository: str,
    branch: str,
    path: bytes,
    blob: Blob,
    content_type: str,
    metadata: Mapping[str, str],
    *,
    only_new: bool = False,
    force: bool = False,
    mtime: int | None = None,
    guard: Guard = unguarded,
) -> Entry:
    """Stage stored bytes at a path; `only_new` refuses with PreconditionError where something is. `mtime` is seconds
    since 1970, now when not given."""
    seconds = store.clock() // 1_000_000 if mtime is None else mtime
    entry = make_entry(path, blob.sha256, blob.md5, blob.size, seconds, content_type, metadata)

    def change(connection: sqlite3.Connection) -> Entry:
        guard(connection, [path])
        check_writable(connection, repository, branch, force)
        if only_new and _exists(connection, store, repository, branch, path):
            raise PreconditionError(f"path '{path.decode()[:200]}' already exists")
        staging.put(connection, repository, branch, path, entry)
        return entry

    return store.database.write(change, (blob.folder,))


def copy(
    store: Store,
    repository: str,
    source_ref: str,
    source: bytes,
    branch: str,
    destination: bytes,
    force: bool,
    guard: Guard = unguarded,
) -> Entry:
    """Stage the entry of one path at another; no bytes move."""

    def change(connection: sqlite3.Connection) -> Entry:
        guard(connection, [destination])
        check_writable(connection, repository, branch, force)
        found = stat(connection, store, repository, source_ref, source)
        seconds = store.clock() // 1_000_000
        entry = make_entry(
            destination, found.sha256, found.md5, found.size, seconds, found.content_type, found.user_metadata
        )
        staging.put(connection, repository, branch, destination, entry)
        return entry

    return store.database.write(change)


def set_metadata(
    store: Store,
    repository: str,
    branch: str,
    path: bytes,
    metadata: Mapping[str, str],
    guard: Guard = unguarded,
) -> None:
    """Replace an object's user metadata."""

    def change(connection: sqlite3.Connection) -> None:
        guard(connection, [path])
        check_writable(connection, repository, branch, force=False)
        old = stat(connection, store, repository, branch, path)
        entry = make_entry(path, old.sha256, old.md5, old.size, old.mtime, old.content_type, metadata)
        staging.put(connection, repository, branch, path, entry)

    store.database.write(change)


def delete(
    store: Store, repository: str, branch: str, paths: Sequence[bytes], force: bool, guard: Guard = unguarded
) -> None:
    """Stage deletions; deleting what is absent is no error and no change.

    A deletion is always staged, even of what was only staged before: a commit under way may be taking that.
    """

    def change(connection: sqlite3.Connection) -> None:
        guard(connection, paths)
        check_writable(connection, repository, branch, force)
        for path in paths:
            staging.put(connection, repository, branch, path, None)

    store.database.write(change)


def _exists(connection: sqlite3.Connection, store: Store, repository: str, branch: str, path: bytes) -> bool:
    try:
        stat(connection, store, repository, branch, path)
    except NotFoundError:
        return False
    return True


def _overlay(entries: Iterator[Entry], edits: Iterable[Edit]) -> Iterator[Entry]:
    """Entries with edits over them, both sorted."""
    below = next(entries, None)
    for path, entry in edits:
        while below is not None and below.path < path:
            yield below
            below = next(entries, None)
        if below is not None and below.path == path:
            below = next(entries, None)
        if entry is not None:
            yield entry
    if below is not None:
        yield below
        yield from entries
