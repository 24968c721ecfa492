"""What a connection may do to the server: long heads, bodies that stop, many at once, clients that leave."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import os
import socket
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import httpx
import psutil
import pytest

from infra.lakefs.api.connection import MAX_HEAD

AUTHORIZATION = "Authorization: Basic " + base64.b64encode(b"key:secret").decode()
IMPATIENT = (
    "import sys; from infra.lakefs import server; from infra.lakefs.api import connection; "
    "connection.HEAD_SECONDS = connection.SILENT_SECONDS = 0.5; server.TICKS = 1; "
    "from infra.lakefs.__main__ import main; sys.exit(main())"
)


def connect(server: Any) -> socket.socket:
    parts = urlsplit(server.url)
    return socket.create_connection((parts.hostname, parts.port), timeout=30)


def head(server: Any, method: str, path: str, *headers: str) -> bytes:
    lines = (f"{method} {urlsplit(server.url).path}{path} HTTP/1.1", "Host: x", AUTHORIZATION, *headers)
    return "\r\n".join(lines).encode() + b"\r\n\r\n"


def upload(server: Any, repository: str, path: str, *headers: str) -> bytes:
    return head(server, "POST", f"{repository}/branches/main/objects?path={path}", *headers)


def rest(raw: socket.socket) -> bytes:
    """All that comes until the server closes."""
    parts = []
    while data := raw.recv(1 << 16):
        parts.append(data)
    return b"".join(parts)


def flood(raw: socket.socket, data: bytes) -> bytes:
    """Send until the server has had enough, at most 8 MiB; its answer, which a reset may have taken away."""
    try:
        for _ in range((8 << 20) // len(data)):
            raw.sendall(data)
    except (BrokenPipeError, ConnectionResetError):
        pass
    else:
        pytest.fail("the server took 8 MiB without end")
    try:
        return rest(raw)
    except ConnectionResetError:
        return b""


def eventually(holds: Callable[[], bool]) -> None:
    for _ in range(200):
        if holds():
            return
        time.sleep(0.05)
    pytest.fail("it did not come about within 10 s")


@pytest.fixture
def temp(tmp_path: Path) -> Path:
    return tmp_path / "home" / "temp"


@pytest.fixture
def alone(tmp_path: Path, start: Any) -> Iterator[Any]:
    """A server of the test's own, unharmed after it."""
    server = start(tmp_path / "home")
    yield server
    repository = server.repository()
    assert server.put(repository, "after", b"1").status_code == 201
    assert server.get(repository, "after").content == b"1"


def test_an_address_beyond_the_limit_is_431(server: Any) -> None:
    with connect(server) as raw:
        raw.sendall(head(server, "GET", "/config?" + "x" * MAX_HEAD))
        assert rest(raw).startswith(b"HTTP/1.1 431 ")


def test_nobody_known_may_not_send_much(server: Any) -> None:
    for size, status in ((60_000, 401), (100_000, 413)):
        keys = {"access_key_id": "key", "secret_access_key": "x" * size}
        assert httpx.post(server.url + "/auth/login", json=keys).status_code == status


def test_a_head_beyond_the_limit_is_431(server: Any) -> None:
    for headers in ({"x-long": "x" * MAX_HEAD}, {f"x-{n}": "x" * 60 for n in range(1200)}):
        with httpx.Client(auth=("key", "secret")) as client:
            refused = client.get(server.url + "/config", headers=headers)
        assert refused.status_code == 431
        assert "head of the request" in refused.json()["message"]
    with httpx.Client(auth=("key", "secret")) as client:
        assert client.get(server.url + "/config", headers={"x-long": "x" * (MAX_HEAD // 2)}).status_code == 200


@pytest.mark.parametrize(
    "began",
    [b"GET /", b"GET / HTTP/1.1\r\nX: ", b"GET / HTTP/1.1\r\nHost: x\r\nX", b"GET / HTTP/1.1\r\nContent-Length: "],
)
def test_a_head_without_end_is_cut_off(alone: Any, began: bytes) -> None:
    with connect(alone) as raw:
        raw.sendall(began)
        said = flood(raw, b"1" * 8192)
    assert not said or said.split()[1] in {b"431", b"400"}


def test_trailers_without_end_are_cut_off_and_nothing_is_stored(alone: Any, temp: Path) -> None:
    repository = alone.repository()
    for endless in (b"x" * 8192, b"X-Trailer: more\r\n" * 512):
        with connect(alone) as raw:
            raw.sendall(upload(alone, repository, "a", "Transfer-Encoding: chunked") + b"5\r\nhello\r\n0\r\nX: ")
            flood(raw, endless)
    eventually(lambda: not any(temp.iterdir()))
    assert alone.get(repository, "a").status_code == 404


@pytest.mark.parametrize("sent", [b"\x16\x03\x01\x02\x00\x01", b"GET\r\n\r\n", b"GET / HTTP/9.9\r\n\r\n", b"\0" * 100])
def test_what_is_not_http_is_400(server: Any, sent: bytes) -> None:
    with connect(server) as raw:
        raw.sendall(sent)
        said = rest(raw)
    assert said.startswith(b"HTTP/1.1 400 ")
    assert b'{"message": ' in said


def test_a_bad_chunk_ends_an_upload_and_nothing_is_stored(alone: Any, temp: Path) -> None:
    repository = alone.repository()
    with connect(alone) as raw:
        raw.sendall(upload(alone, repository, "a", "Transfer-Encoding: chunked") + b"5\r\nhello\r\nzz\r\n")
        assert rest(raw).startswith(b"HTTP/1.1 400 ")
    eventually(lambda: not any(temp.iterdir()))
    assert alone.get(repository, "a").status_code == 404


def test_two_requests_sent_at_once_are_answered_in_turn(server: Any) -> None:
    repository = server.repository()
    with connect(server) as raw:
        both = upload(server, repository, "a", "Content-Length: 5") + b"hello"
        both += head(server, "GET", f"{repository}/refs/main/objects?path=a", "Connection: close")
        raw.sendall(both)
        said = rest(raw)
    first, second = said.split(b"HTTP/1.1 ")[1:]
    assert (first[:3], second[:3], second[-5:]) == (b"201", b"200", b"hello")


@pytest.mark.parametrize("sent", [0, 10, 100_000, 3_000_000])
@pytest.mark.parametrize("way", ["closed", "reset"])
def test_a_body_shorter_than_it_said_leaves_nothing(alone: Any, temp: Path, sent: int, way: str) -> None:
    repository = alone.repository()
    process = psutil.Process(alone.process.pid)
    alone.put(repository, "before", b"1")
    open_files = process.num_fds()
    with connect(alone) as raw:
        raw.sendall(upload(alone, repository, "half", "Content-Length: 5000000") + b"x" * sent)
        if way == "reset":
            raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
    eventually(lambda: process.num_fds() <= open_files)
    assert not any(temp.iterdir())
    assert alone.get(repository, "half").status_code == 404


def test_a_body_of_unknown_length_is_taken(server: Any) -> None:
    repository = server.repository()
    for size in (0, 1, 70_000, 3_000_000):
        content = os.urandom(size)
        pieces = (content[at : at + 33_333] for at in range(0, size, 33_333))
        url, query = f"{repository}/branches/main/objects", {"path": "chunked"}
        stored = server.http.post(url, params=query, content=pieces)
        assert stored.status_code == 201, stored.text
        assert stored.json()["checksum"] == hashlib.md5(content).hexdigest()
        assert server.get(repository, "chunked").content == content


def test_who_asks_before_sending_is_told_to_go_on_or_why_not(server: Any) -> None:
    repository = server.repository()
    asks = "Expect: 100-continue", "Content-Length: 5", "Connection: close"
    with connect(server) as raw:
        raw.sendall(upload(server, repository, "asked", *asks))
        assert raw.recv(1 << 16) == b"HTTP/1.1 100 Continue\r\n\r\n"
        raw.sendall(b"hello")
        assert rest(raw).startswith(b"HTTP/1.1 201 ")
    with connect(server) as raw:
        raw.sendall(upload(server, repository, "asked", *asks).replace(b"Basic ", b"Basic x"))
        assert rest(raw).startswith(b"HTTP/1.1 401 ")


def test_a_refused_upload_leaves_the_connection_usable(server: Any) -> None:
    repository = server.repository()
    large = os.urandom(3 << 20)
    with httpx.Client(base_url=server.url, auth=("key", "secret")) as client:
        for branch, status in (("none", 404), ("main", 201), ("none", 404), ("main", 201)):
            for content in (b"small", large):
                url = f"{repository}/branches/{branch}/objects"
                assert client.post(url, params={"path": "a"}, content=content).status_code == status
                assert client.post(url, content=content).status_code == 400  # before the body is read
                assert client.post(url, content=content, auth=("key", "wrong")).status_code == 401


@pytest.mark.parametrize(
    ("sent", "status"),
    [("", b"408"), ("GET / HTTP/1.1\r\nHost: ", b"408"), ("body", b"408"), ("nothing of the body", b"408")],
)
def test_a_client_that_stops_sending_is_sent_away(tmp_path: Path, start: Any, sent: str, status: bytes) -> None:
    server = start(tmp_path / "home", program=("-c", IMPATIENT))
    repository = server.repository()
    began = upload(server, repository, "slow", "Content-Length: 5000000")
    with connect(server) as raw:
        raw.sendall({"body": began + b"x" * 2_000_000, "nothing of the body": began}.get(sent, sent.encode()))
        assert rest(raw).split()[1] == status
    eventually(lambda: not any((tmp_path / "home" / "temp").iterdir()))
    assert server.get(repository, "slow").status_code == 404


def test_a_client_that_was_refused_and_stops_sending_is_sent_away_without_a_second_answer(
    tmp_path: Path, start: Any
) -> None:
    server = start(tmp_path / "home", program=("-c", IMPATIENT))
    with connect(server) as raw:
        raw.sendall(upload(server, "/repositories/none", "a", "Content-Length: 5000000").replace(b"Basic ", b"Basic x"))
        raw.sendall(b"x" * 1000)
        said = rest(raw)
    assert said.startswith(b"HTTP/1.1 401 ")
    assert said.count(b"HTTP/1.1 ") == 1


def test_a_client_that_stops_reading_is_sent_away(tmp_path: Path, start: Any) -> None:
    server = start(tmp_path / "home", program=("-c", IMPATIENT))
    repository = server.repository()
    server.put(repository, "large", os.urandom(1 << 20) * 32)
    process = psutil.Process(server.process.pid)
    open_files = process.num_fds()
    with connect(server) as raw:
        raw.sendall(head(server, "GET", f"{repository}/refs/main/objects?path=large"))
        eventually(lambda: process.num_fds() == open_files + 2)
        eventually(lambda: process.num_fds() == open_files)
        assert len(rest(raw)) < 32 << 20


def test_an_idle_connection_is_no_slow_client(tmp_path: Path, start: Any) -> None:
    server = start(tmp_path / "home", program=("-c", IMPATIENT))
    repository = server.repository()
    with connect(server) as raw:
        for _ in range(3):
            raw.sendall(head(server, "HEAD", f"{repository}/refs/main/objects?path=none"))
            assert raw.recv(1 << 16).startswith(b"HTTP/1.1 404 ")
            time.sleep(1)


def test_a_download_that_is_left_gives_everything_back(alone: Any) -> None:
    repository = alone.repository()
    content = os.urandom(1 << 20) * 32
    alone.put(repository, "large", content)
    process = psutil.Process(alone.process.pid)
    open_files, spare, left = process.num_fds(), 8, 40  # a thread that came meanwhile keeps its way to the database
    for _ in range(left):
        with connect(alone) as raw:
            raw.sendall(head(alone, "GET", f"{repository}/refs/main/objects?path=large"))
            assert raw.recv(1000).startswith(b"HTTP/1.1 200 ")
    eventually(lambda: process.num_fds() <= open_files + spare)
    assert alone.get(repository, "large").content == content


def test_many_connections_at_once_are_all_served_in_little_memory(alone: Any, temp: Path) -> None:
    repository, amount = alone.repository(), 400  # a process may have 1024 files open, this one too
    parts = urlsplit(alone.url)
    body = os.urandom(300_000)
    process = psutil.Process(alone.process.pid)
    before, peak = process.memory_info().rss, [0]

    async def client(number: int) -> bytes:
        reader, writer = await asyncio.open_connection(parts.hostname, parts.port)
        content = number.to_bytes(8, "big") + body
        writer.write(upload(alone, repository, f"{number}", f"Content-Length: {len(content)}") + content)
        status = (await reader.readline()).split()[1]
        peak[0] = max(peak[0], process.memory_info().rss)
        writer.close()
        return status

    async def all_at_once() -> list[bytes]:
        return await asyncio.gather(*(client(number) for number in range(amount)))

    assert set(asyncio.run(all_at_once())) == {b"201"}
    assert peak[0] - before < 160 << 20, "400 bodies of 300 kB each are 115 MiB, and as much again in copies"
    assert not any(temp.iterdir())
    for number in range(0, amount, 37):
        assert alone.get(repository, str(number)).content == number.to_bytes(8, "big") + body
