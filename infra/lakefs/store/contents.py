"""The bytes of an entry: from the store where it has them, else from the file they were imported from."""

from __future__ import annotations

from typing import BinaryIO, cast

from infra.lakefs.errors import DamagedError
from infra.lakefs.store import Store
from infra.lakefs.store.entries import Entry
from infra.lakefs.store.sources import SourceFile, open_source

UNKNOWN = bytes(32)  # instead of a sha256: linked to an address whose bytes the server never had


def open_content(store: Store, entry: Entry, *, part: bool = False) -> BinaryIO:
    """The entry's bytes, positioned at their beginning; DamagedError when they are nowhere. `part` says that not all
    of them will be read.

    What lies outside comes as a `SourceFile`, which looks after every read whether the file is still the same: read
    it with `read` or `readinto`, or call its `check` before bytes taken from its descriptor are used, and its
    `check_content` before the last ones are.
    """
    if entry.sha256 == UNKNOWN:
        raise DamagedError(
            f"object '{entry.path.decode()[:200]}' was linked to an address whose bytes never came here: upload it"
            if entry.path
            else "this object was linked to an address whose bytes never came here: upload it"
        )
    try:
        return store.blobs.open(entry.sha256, entry.size)
    except DamagedError:
        outside: SourceFile | None = open_source(store, entry, part=part)
        if outside is None:
            raise
        return cast(BinaryIO, outside)


def read_content(store: Store, entry: Entry) -> bytes:
    """All bytes of a small entry."""
    with open_content(store, entry) as file:
        return file.whole() if isinstance(file, SourceFile) else file.read()
