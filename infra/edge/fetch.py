"""Where bytes come from: a service over HTTP, or a folder such as a USB stick. Neither is trusted with anything.

HTTP follows no redirect (the token would go along) and ends what drips. A folder gives plain files that lie in it;
a link out of it is refused.
"""

from __future__ import annotations

import http.client
import json
import os
import stat
import time
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any, TypeAlias

from tuf.api.exceptions import DownloadHTTPError
from tuf.ngclient.fetcher import FetcherInterface

from infra.edge.disk import CHUNK
from infra.edge.errors import Invalid, Unavailable

TIMEOUT = 20.0  # seconds without a byte
PATIENCE = 120.0  # seconds for any file, and then at least
SLOWEST = 16 * 1024  # bytes a second
ANSWER_LIMIT = 2**20


def source(given: str, token: str) -> Source:
    """The source that a person named: an http(s) address of a service, or a folder with `metadata` and `targets`."""
    scheme = urllib.parse.urlsplit(given).scheme
    if scheme in {"http", "https"}:
        return HttpSource(given.rstrip("/"), token)
    folder = Path(given).expanduser()
    if not (folder / "metadata").is_dir():
        what = f"{given} is neither an http(s) address nor a folder with metadata/ and targets/"
        raise Invalid("input-invalid", what, "name the service's address, or the copied release repository")
    return FolderSource(folder.resolve())


class _Straight(urllib.request.HTTPRedirectHandler):
    def redirect_request(self, *_given: Any) -> None:
        """No redirect: the device speaks to whom it was told to."""


class HttpSource(FetcherInterface):
    """A service: its release repository, and where it takes reports."""

    def __init__(self, address: str, token: str) -> None:
        self.address = address
        self.base = f"{address}/api/v1/releases"
        self._token = token
        self._opener = urllib.request.build_opener(_Straight)

    def _fetch(self, url: str) -> Iterator[bytes]:
        begun, taken = time.monotonic(), 0
        with self._open(urllib.request.Request(url)) as answer:  # noqa: S310 - `source` took http and https only
            while chunk := self._read(answer, url):
                taken += len(chunk)
                if time.monotonic() - begun > PATIENCE + taken / SLOWEST:
                    raise Unavailable("source-unreachable", f"{self.address} sends too slowly", "try again later")
                yield chunk

    def post(self, path: str, document: Any, key: str) -> int:
        """The status of posting a document once under this idempotency key."""
        request = urllib.request.Request(self.address + path, json.dumps(document).encode(), method="POST")  # noqa: S310 - as above
        request.add_header("Content-Type", "application/json")
        request.add_header("Idempotency-Key", key)
        try:
            with self._open(request) as answer:
                answer.read(ANSWER_LIMIT)
                return int(answer.status)
        except DownloadHTTPError as error:
            return error.status_code

    def _open(self, request: urllib.request.Request) -> Any:
        request.add_header("Authorization", f"Bearer {self._token}")
        request.add_header("User-Agent", "assay-edge")
        try:
            return self._opener.open(request, timeout=TIMEOUT)
        except urllib.error.HTTPError as error:
            error.close()
            if error.code == 401:
                do = "let an approver enrol this device (enrol.json), and look which service this is"
                raise Unavailable("source-refused", f"{self.address} does not know this device", do) from error
            if error.code >= 500:
                raise self._silent(f"answers {error.code}") from error
            raise DownloadHTTPError(f"{error.code} for {request.full_url}", error.code) from error
        except (OSError, http.client.HTTPException, ValueError) as error:
            raise self._silent(str(getattr(error, "reason", error))) from error

    def _read(self, answer: Any, url: str) -> bytes:
        try:
            return bytes(answer.read1(CHUNK))
        except (OSError, http.client.HTTPException) as error:
            raise self._silent(f"broke off at {url}") from error

    def _silent(self, why: str) -> Unavailable:
        return Unavailable("source-unreachable", f"{self.address} does not answer: {why}", "try again later")


class FolderSource(FetcherInterface):
    """A copied release repository."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self.base = folder.as_uri()

    def _fetch(self, url: str) -> Iterator[bytes]:
        path = Path(urllib.parse.unquote(urllib.parse.urlsplit(url).path))
        real = path.resolve()
        if not real.is_relative_to(self._folder):
            what = f"{path.name} is a link out of {self._folder}"
            raise Unavailable("source-refused", what, "copy files, not links")
        try:
            handle = os.open(real, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
        except (FileNotFoundError, NotADirectoryError) as error:
            raise DownloadHTTPError(f"{path.name} is not in {self._folder}", 404) from error
        except OSError as error:
            what = f"{path.name} cannot be read: {error.strerror}"
            raise Unavailable("source-unreachable", what, "look at the stick or folder") from error
        with os.fdopen(handle, "rb") as file:
            if not stat.S_ISREG(os.fstat(handle).st_mode):
                raise Unavailable("source-refused", f"{path.name} is no plain file", "copy files, nothing else")
            try:
                while chunk := file.read(CHUNK):
                    yield chunk
            except OSError as error:
                what = f"{path.name} cannot be read: {error.strerror}"
                raise Unavailable("source-unreachable", what, "look at the stick or folder") from error


Source: TypeAlias = HttpSource | FolderSource
