"""Physical addresses: places given out for bytes to arrive at, and objects made of bytes that are somewhere already.

An address carries its expiry and a signature over the namespace, which is never given twice, so nothing is kept of one
that is never used, and it ends with its repository. What arrives there is a blob like any other; a row says which,
until the address expires.
"""

from __future__ import annotations

import errno
import os
import re
import secrets
import sqlite3

from infra.lakefs.errors import InvalidError
from infra.lakefs.store import Store, repositories, sources
from infra.lakefs.store.blobs import Blob
from infra.lakefs.store.contents import UNKNOWN
from infra.lakefs.store.folders import SCHEME, refusal
from infra.lakefs.store.hashing import digest

LIFETIME = 6 * 3600  # seconds between giving an address out and linking it
NAME = re.compile(r"(\d{1,12})-([0-9a-f]{32})-([0-9a-f]{64})")
MD5 = re.compile(r"[0-9a-fA-F]{32}")


def give(store: Store, namespace: str) -> tuple[str, str]:
    """A new address in a repository's namespace, and its last part, which names it in URLs."""
    expires, nonce = store.clock() // 1_000_000 + LIFETIME, secrets.token_hex(16)
    name = f"{expires}-{nonce}-{store.signer.sign('address', namespace, expires, nonce)}"
    return f"{_place(namespace)}{name}", name


def check_given(store: Store, repository: str, name: str) -> None:
    """InvalidError when the address was not given out for this repository, or has expired."""
    with store.database.read() as connection:
        namespace = repositories.get(connection, repository).namespace
    parsed = NAME.fullmatch(name)
    if parsed is None or not store.signer.agrees(parsed[3], "address", namespace, int(parsed[1]), parsed[2]):
        raise InvalidError("this address was not given out for this repository: ask for one")
    if int(parsed[1]) <= store.clock() // 1_000_000:
        raise InvalidError("this address has expired: ask for a new one, and upload again")


def arrive(store: Store, name: str, blob: Blob) -> None:
    """Remember what was uploaded to an address; a second upload replaces the first."""
    expires = int(name.partition("-")[0])

    def change(connection: sqlite3.Connection) -> None:
        connection.execute("DELETE FROM addresses WHERE expires<=?", (store.clock() // 1_000_000,))
        connection.execute(
            "INSERT OR REPLACE INTO addresses VALUES (?,?,?,?,?)", (name, expires, blob.sha256, blob.md5, blob.size)
        )

    store.database.write(change, (blob.folder,))


def content_at(store: Store, repository: str, address: str, checksum: str, size: int) -> Blob:
    """What lies at an address, after comparing it with what the caller says of it; InvalidError where they differ.

    An address of this repository must have been given out; `local://ABSOLUTE/PATH` is read where imports may read. Any
    other `local://` address is believed, as in lakeFS: its object can be listed and never be read.
    """
    if not MD5.fullmatch(checksum):
        raise InvalidError("checksum must be the MD5 of the content, 32 hex digits")
    with store.database.read() as connection:
        place = _place(repositories.get(connection, repository).namespace)
    if address.startswith(place):
        found = _arrived(store, repository, address.removeprefix(place))
    elif address.startswith(SCHEME + "/"):
        found = _outside(store, address)
    elif address.startswith(SCHEME):
        return Blob(UNKNOWN, bytes.fromhex(checksum), size, store.blobs.temp)
    else:
        raise InvalidError(f"'{address[:200]}' is not a local:// address, and this server keeps data on its disk only")
    if (found.md5.hex(), found.size) != (checksum.lower(), size):
        raise InvalidError(
            f"at '{address[:200]}' lie {found.size} bytes with MD5 {found.md5.hex()}, "
            f"not {size} bytes with MD5 {checksum}: send what is there"
        )
    return found


def _arrived(store: Store, repository: str, name: str) -> Blob:
    check_given(store, repository, name)
    with store.database.read() as connection:
        row = connection.execute("SELECT * FROM addresses WHERE address=?", (name,)).fetchone()
    if row is None:
        raise InvalidError("nothing was uploaded to this address: PUT the bytes to its presigned URL first")
    return Blob(row["sha256"], row["md5"], row["size"], store.blobs.temp)


def _outside(store: Store, address: str) -> Blob:
    path = store.folders.locate(store.folders.named(address))
    descriptor = store.folders.open_file(path)
    try:
        sha256, md5, known = digest(descriptor)
    except OSError as error:
        raise refusal(path, error.errno or errno.EIO) from error
    finally:
        os.close(descriptor)
    store.database.write(lambda connection: sources.put(connection, [(sha256, path, *known)]))
    return Blob(sha256, md5, known[0], store.blobs.temp)


def _place(namespace: str) -> str:
    return f"{namespace.rstrip('/')}/data/"
