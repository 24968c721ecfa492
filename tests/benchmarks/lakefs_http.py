"""The embedded lakeFS over HTTP: small uploads, stat, listings, one large object; client included, on the same cores."""

from __future__ import annotations

import hashlib
import http.client
import itertools
import json
import os
import time
from base64 import b64encode
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from urllib.parse import urlsplit

import psutil

from infra.lakefs.home import Home
from infra.lakefs.store import Store, repositories, staging
from infra.lakefs.store.commit import commit
from infra.lakefs.store.entries import make_entry
from tests.benchmarks.figure import Figure, compare
from tests.support.lakefs_server import KEY, SECRET, Running, running

SMALL = 100_000  # bytes
LISTED = 100_000  # objects
LARGE, QUICK = 5_000_000_000, 200_000_000  # bytes
PIECE = 1 << 20


def figures(folder: Path) -> Iterator[Figure]:
    home = folder / "lakefs-http"
    _fill(home)
    with running(home) as server:
        yield from _uploads(server, folder)
        yield from _looks(server)
    with running(folder / "lakefs-large") as server:  # its memory is measured, so nothing was done before
        yield from _large(server, folder)


def _uploads(server: Running, folder: Path) -> Iterator[Figure]:
    repository, number = server.repository(), itertools.count()
    body = os.urandom(SMALL - 8)

    def content() -> bytes:
        return next(number).to_bytes(8, "big") + body

    def upload(data: bytes) -> None:
        server.put(repository, data[:8].hex(), data).raise_for_status()

    def plain(data: bytes) -> None:
        path = folder / f"plain-{data[:8].hex()}-{hashlib.sha256(data).hexdigest()}"
        _write(path, data)
        path.unlink()

    for clients, amount in ((8, 400), (1, 100)):
        with ThreadPoolExecutor(clients) as pool:
            found = compare(
                f"upload of 100 kB, {clients} at once",
                lambda pool=pool, amount=amount: list(pool.map(upload, [content() for _ in range(amount)])),
                "hashed, written and synced",
                lambda pool=pool, amount=amount: list(pool.map(plain, [content() for _ in range(amount)])),
                runs=5,
            )
        yield _each(found, amount, f"{amount / found.seconds:.0f} uploads/s, each durable when answered")


def _looks(server: Running) -> Iterator[Figure]:
    objects = "/repositories/bench/refs/main/objects"
    numbers = itertools.cycle(range(0, LISTED, 997))

    def stat() -> None:
        server.http.get(f"{objects}/stat", params={"path": _path(next(numbers))}).raise_for_status()

    def nothing() -> None:
        server.http.get("/healthcheck").raise_for_status()

    yield compare(f"stat among {LISTED:,} objects", stat, "a request for nothing", nothing, runs=5, repeat=200)
    pages: list[bytes] = []

    def listing() -> None:
        pages.clear()
        after, more = "", True
        while more:
            answer = server.http.get(f"{objects}/ls", params={"amount": 1000, "after": after}).raise_for_status()
            pages.append(answer.content)
            pagination = answer.json()["pagination"]
            after, more = pagination["next_offset"], pagination["has_more"]

    def parse() -> None:
        for page in pages:
            json.loads(page)

    found = compare(f"listing of {LISTED:,} objects", listing, "the JSON parsed alone", parse, runs=5)
    if len(pages) != LISTED // 1000:
        raise RuntimeError(f"the listing has {len(pages)} pages")
    yield found


def _large(server: Running, folder: Path) -> Iterator[Figure]:
    repository, process = server.repository(), psutil.Process(server.process.pid)
    piece, amount = os.urandom(PIECE), LARGE // PIECE
    buffer, peak = bytearray(PIECE), [0]
    server.put(repository, "small", piece).raise_for_status()
    before = process.memory_info().rss

    def look() -> None:
        peak[0] = max(peak[0], process.memory_info().rss)

    def pieces() -> Iterator[bytes]:
        for _ in range(amount):
            yield piece
            look()

    def upload() -> None:
        url = f"{repository}/branches/main/objects"
        server.http.post(url, params={"path": "large"}, content=pieces(), timeout=600).raise_for_status()

    def hash_and_write() -> None:
        md5, sha256 = hashlib.md5(usedforsecurity=False), hashlib.sha256()
        with ThreadPoolExecutor(1) as beside, (folder / "large").open("wb") as file:
            for _ in range(amount):
                waiting = beside.submit(md5.update, piece)
                sha256.update(piece)
                file.write(piece)
                waiting.result()
            file.flush()
            os.fsync(file.fileno())

    found = compare("upload of one large object", upload, "hashed twice, written, synced", hash_and_write, runs=1)
    yield _large_figure(found, amount, peak[0] - before)
    peak[0] = 0
    shown = server.http.get(f"{repository}/refs/main/objects/stat", params={"path": "large"}).json()
    name = shown["physical_address"].rsplit("/", 1)[1]
    stored = Path(str(server.ready["home"])) / "blobs" / name[:2] / name[2:]

    def download() -> None:
        _forget(stored)
        address = urlsplit(server.url)
        connection = http.client.HTTPConnection(str(address.hostname), address.port or 0)
        keys = b64encode(f"{KEY}:{SECRET}".encode()).decode()
        url = f"{address.path}{repository}/refs/main/objects?path=large"
        connection.request("GET", url, headers={"authorization": f"Basic {keys}"})
        answer, size = connection.getresponse(), 0
        while got := answer.readinto(buffer):
            size += got
            look()
        connection.close()
        if size != amount * PIECE:
            raise RuntimeError(f"{size} bytes came instead of {amount * PIECE}")

    def read() -> None:
        _forget(stored)
        with stored.open("rb", buffering=0) as file:
            while file.readinto(buffer):
                pass

    found = compare("download of one large object", download, "reading the file from disk", read, runs=3)
    yield _large_figure(found, amount, peak[0] - before)


def _fill(home: Path) -> None:
    """A repository `bench` with many objects, staged as uploads of one moment are and committed."""
    with Home(home) as opened:
        store = Store(opened.folder, lambda: time.time_ns() // 1000, "bench")
        try:
            blob = store.blobs.put(b"content")
            paths = [_path(number).encode() for number in range(LISTED)]
            entries = [make_entry(p, blob.sha256, blob.md5, blob.size, 0, "text/plain", {}) for p in paths]
            store.database.write(
                lambda c: repositories.create(c, "bench", "local://bench", "main", False, store.clock())
            )
            store.database.write(lambda c: [staging.put(c, "bench", "main", e.path, e) for e in entries])
            commit(store, "bench", "main", "bench", {})
        finally:
            store.close()


def _path(number: int) -> str:
    return f"data/{number // 1000:04d}/{number % 1000:04d}"


def _each(found: Figure, amount: int, note: str) -> Figure:
    seconds, beside = found.seconds / amount, found.baseline_seconds / amount
    return Figure(found.name, seconds, found.baseline, beside, found.runs, note)


def _large_figure(found: Figure, amount: int, grown: int) -> Figure:
    size = amount * PIECE / 1e9
    note = f"{size:.1f} GB at {size / found.seconds:.2f} GB/s, the server's memory grew by {grown / 2**20:.0f} MiB"
    return Figure(found.name, found.seconds, found.baseline, found.baseline_seconds, found.runs, note)


def _write(path: Path, data: bytes) -> None:
    with path.open("wb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())


def _forget(path: Path) -> None:
    """Have the system drop the file from its memory, so that both sides read the disk."""
    with path.open("rb") as file:
        os.fsync(file.fileno())
        os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)
