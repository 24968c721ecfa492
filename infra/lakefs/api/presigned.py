"""URLs that carry their own permission: to read one content, or to upload to one address, until they expire.

They are bound to the method, the repository's namespace, the content or address, and the expiry, and are answered
outside of /api/v1 without credentials. A namespace is never given twice, so they end with their repository.
Where the server was not started with --presign, none is made and none is honoured.
"""

from __future__ import annotations

import re
from typing import Any
from urllib.parse import quote, urlencode

from infra.lakefs.api.auth import PRESIGNED
from infra.lakefs.api.call import Call, Query
from infra.lakefs.errors import ForbiddenError, InvalidError
from infra.lakefs.store import Store, repositories
from infra.lakefs.store.entries import Entry

LIFETIME = 15 * 60  # seconds
HOST = re.compile(r"[A-Za-z0-9._-]{1,255}(:\d{1,5})?|\[[0-9A-Fa-f:.]{2,45}\](:\d{1,5})?")
NUMBER = re.compile(r"\d{1,18}")
SHA256 = re.compile(r"[0-9a-f]{64}")
MD5 = re.compile(r"[0-9a-f]{32}")


def asked(call: Call) -> bool:
    """Whether presigned URLs are asked for; InvalidError when this server does not offer them."""
    if not call.query.flag("presign"):
        return False
    if not call.store.presign:
        raise InvalidError("presigned URLs are not supported by this server: read and write through it")
    if call.grant is not None:
        raise ForbiddenError("a scoped token makes no presigned URLs: read and write through the server")
    return True


def address(call: Call, entry: Entry, namespace: str) -> dict[str, Any]:
    """The fields of an object's statistics that a URL to read it takes."""
    repository, expires = call.params["repository"], _expiry(call.store)
    said = (entry.sha256.hex(), entry.md5.hex(), entry.size, entry.mtime, entry.content_type)
    signature = call.store.signer.sign("GET", namespace, *said, expires)
    query = {"md5": said[1], "size": said[2], "mtime": said[3], "type": said[4], "expires": expires}
    url = f"{_origin(call)}{PRESIGNED}/{quote(repository)}/objects/{said[0]}"
    return {
        "physical_address": f"{url}?{urlencode({**query, 'signature': signature})}",
        "physical_address_expiry": expires,
    }


def upload(call: Call, name: str, namespace: str) -> dict[str, Any]:
    """The fields of a staging location that a URL to upload to the address `name` takes."""
    repository, expires = call.params["repository"], _expiry(call.store)
    signature = call.store.signer.sign("PUT", namespace, name, expires)
    url = f"{_origin(call)}{PRESIGNED}/{quote(repository)}/addresses/{name}"
    return {
        "presigned_url": f"{url}?{urlencode({'expires': expires, 'signature': signature})}",
        "presigned_url_expiry": expires,
    }


def readable(call: Call) -> Entry:
    """The content that a URL permits to read, as an entry without a path; ForbiddenError when it does not."""
    sha256, query = call.params["sha256"], call.query
    md5, size, mtime, content_type = (query.text(name) for name in ("md5", "size", "mtime", "type"))
    if not (SHA256.fullmatch(sha256) and MD5.fullmatch(md5) and NUMBER.fullmatch(size) and NUMBER.fullmatch(mtime)):
        raise _refused()
    said = (sha256, md5, int(size), int(mtime), content_type)
    _check(call.store, query, "GET", _namespace(call.store, call.params["repository"]), *said)
    return Entry(b"", bytes.fromhex(sha256), bytes.fromhex(md5), said[2], said[3], content_type, "{}", b"")


def check_upload(store: Store, query: Query, repository: str, name: str) -> None:
    """ForbiddenError when a URL does not permit to upload to the address `name`."""
    _check(store, query, "PUT", _namespace(store, repository), name)


def _check(store: Store, query: Query, *said: str | int) -> None:
    expires, signature = query.text("expires"), query.text("signature")
    if not (store.presign and NUMBER.fullmatch(expires)):
        raise _refused()
    if not store.signer.agrees(signature, *said, int(expires)):
        raise _refused()
    if int(expires) <= store.clock() // 1_000_000:
        raise ForbiddenError("this URL has expired: ask for a new one")


def _namespace(store: Store, repository: str) -> str:
    """Of the repository that has the name now; a URL to one that is gone says no more than one that was made up."""
    with store.database.read() as connection:
        found = repositories.find(connection, repository)
    if found is None:
        raise _refused()
    return found.namespace


def _refused() -> ForbiddenError:
    return ForbiddenError("this URL was not made by this server for this request: ask for a new one")


def _expiry(store: Store) -> int:
    return store.clock() // 1_000_000 + LIFETIME


def _origin(call: Call) -> str:
    """Where the client reached this server, through whatever forwards its port."""
    host = call.headers.get("host", "")
    if not HOST.fullmatch(host):
        raise InvalidError("the Host header names no host, so no URL can be made")
    return f"http://{host}"
