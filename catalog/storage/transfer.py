"""Objects to and from lakeFS in bulk and in constant memory: streamed bodies, and listings as columns.

`lakefs_sdk` takes file names or whole bodies only and makes a model of each listed object, so these operations of its
API are called with its own connection, credentials and errors. `presign` is always said: a client that leaves it out
may be answered with an address that it cannot reach.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, BinaryIO
from urllib.parse import quote, urlencode

import lakefs_sdk
import orjson
import polars as pl
import urllib3
from lakefs_sdk.exceptions import ApiException

BLOCK = 2**20  # bytes sent or read at a time
PAGE = 1000
METADATA = "x-lakefs-meta-"
COLUMNS = {"path": pl.String, "size": pl.Int64, "checksum": pl.String}


class Transfer:
    """One endpoint's objects. Raises ApiException and urllib3's HTTPError, as the client does."""

    def __init__(self, client: lakefs_sdk.ApiClient) -> None:
        configuration = client.configuration
        self._pool: urllib3.PoolManager = client.rest_client.pool_manager
        self._pool.connection_pool_kw["blocksize"] = BLOCK
        self._host = configuration.host
        self._headers = {"Authorization": configuration.get_basic_auth_token(), "Accept": "application/json"}

    def upload(
        self,
        repository: str,
        branch: str,
        path: str,
        body: bytes | BinaryIO,
        size: int,
        content_type: str = "application/octet-stream",
        metadata: Mapping[str, str] | None = None,
    ) -> dict[str, Any]:
        """Stage `size` bytes; the store's description of the object."""
        headers = {"Content-Type": content_type, "Content-Length": str(size)}
        headers |= {METADATA + name: value for name, value in (metadata or {}).items()}
        answer = self._ask("POST", _objects("branches", repository, branch), {"path": path}, headers, body)
        stored: dict[str, Any] = orjson.loads(answer.data)
        return stored

    def read(self, repository: str, ref: str, path: str) -> Iterator[bytes]:
        """The bytes of an object in blocks; an answer that ends early raises."""
        query = {"path": path, "presign": "false"}
        answer = self._ask("GET", _objects("refs", repository, ref), query, stream=True)
        try:
            yield from answer.stream(BLOCK)
        finally:
            answer.release_conn()

    def listing(self, repository: str, ref: str, prefix: str) -> pl.DataFrame:
        """All objects below a prefix in path order: path, size in bytes, the store's checksum."""
        pages, after, more = [], "", True
        while more:
            query = {"after": after, "amount": str(PAGE), "prefix": prefix, "user_metadata": "false"}
            query["presign"] = "false"
            answer = orjson.loads(self._ask("GET", _objects("refs", repository, ref) + "/ls", query).data)
            found = answer["results"]
            columns = {
                "path": [o["path"] for o in found],
                "size": [o.get("size_bytes", 0) for o in found],
                "checksum": [o["checksum"] for o in found],
            }
            pages.append(pl.DataFrame(columns, schema=COLUMNS))
            more, after = answer["pagination"]["has_more"], answer["pagination"]["next_offset"]
        return pl.concat(pages)

    def _ask(
        self,
        method: str,
        place: str,
        query: Mapping[str, str],
        headers: Mapping[str, str] | None = None,
        body: bytes | BinaryIO | None = None,
        *,
        stream: bool = False,
    ) -> urllib3.BaseHTTPResponse:
        answer = self._pool.request(
            method,
            f"{self._host}{place}?{urlencode(query)}",
            body=body,
            headers={**self._headers, **(headers or {})},
            preload_content=not stream,
            redirect=False,
        )
        if not 200 <= answer.status < 300:
            refused = ApiException(status=answer.status, reason=answer.reason)
            refused.body = answer.data.decode(errors="replace")
            raise refused
        return answer


def _objects(kind: str, repository: str, ref: str) -> str:
    return f"/repositories/{quote(repository, safe='')}/{kind}/{quote(ref, safe='')}/objects"
