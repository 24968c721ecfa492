"""What the server lets nobody do: reach it from elsewhere, fill its memory, make files by naming objects, read secrets."""

from __future__ import annotations

import base64
import os
import re
import resource
import socket
import stat
import subprocess
import sys
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import httpx
import psutil
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

BASIC = b"authorization: Basic " + base64.b64encode(b"key:secret") + b"\r\n"
MIB = 1 << 20


def test_it_listens_on_the_loopback_alone(server: Any) -> None:
    listening = [c for c in psutil.Process(server.process.pid).net_connections() if c.status == psutil.CONN_LISTEN]
    assert {c.laddr.ip for c in listening} == {"127.0.0.1"}


def send(server: Any, pieces: Iterable[bytes]) -> bytes:
    """What comes back for these bytes; a server may refuse, close or reset before it has them all."""
    parts = urlsplit(server.url)
    with socket.create_connection((parts.hostname, parts.port), timeout=60) as connection:
        try:
            for piece in pieces:
                connection.sendall(piece)
        except OSError:
            pass
        try:
            return connection.recv(1 << 16)
        except ConnectionError:
            return b""


def head(*more: bytes, target: bytes = b"/api/v1/config", method: bytes = b"GET") -> bytes:
    return method + b" " + target + b" HTTP/1.1\r\nhost: x\r\n" + BASIC + b"".join(more)


def long_address() -> Iterator[bytes]:
    yield b"GET /api/v1/config?"
    yield from [b"a" * MIB] * 64
    yield b" HTTP/1.1\r\nhost: x\r\n" + BASIC + b"\r\n"


def long_header() -> Iterator[bytes]:
    yield head(b"x-a: ")
    yield from [b"a" * MIB] * 64
    yield b"\r\n\r\n"


def long_name() -> Iterator[bytes]:
    yield head()
    yield from [b"a" * MIB] * 64
    yield b": a\r\n\r\n"


def many_headers() -> Iterator[bytes]:
    yield head()
    yield from [b"x-a: a\r\n" * 10_000] * 100
    yield b"\r\n"


def large_metadata() -> Iterator[bytes]:
    yield head(method=b"POST", target=b"/api/v1/repositories/none/branches/main/objects?path=a")
    yield from [b"x-lakefs-meta-a: " + b"a" * 60_000 + b"\r\n"] * 100
    yield b"content-length: 1\r\n\r\n1"


def no_end_of_chunk_size() -> Iterator[bytes]:
    yield head(b"transfer-encoding: chunked\r\n\r\n", method=b"POST", target=b"/api/v1/repositories")
    yield from [b"0" * MIB] * 64


def long_trailers() -> Iterator[bytes]:
    yield head(b"transfer-encoding: chunked\r\n\r\n0\r\n", method=b"POST", target=b"/api/v1/repositories")
    yield from [b"x-a: " + b"a" * 60_000 + b"\r\n"] * 1000
    yield b"\r\n"


def large_body() -> Iterator[bytes]:
    yield head(b"content-length: 67108864\r\n\r\n", method=b"POST", target=b"/api/v1/repositories")
    yield from [b" " * MIB] * 64


def large_body_in_chunks() -> Iterator[bytes]:
    yield head(b"transfer-encoding: chunked\r\n\r\n", method=b"POST", target=b"/api/v1/repositories")
    yield from [b"100000\r\n" + b" " * MIB + b"\r\n"] * 64
    yield b"0\r\n\r\n"


def large_login() -> Iterator[bytes]:
    yield b"POST /api/v1/auth/login HTTP/1.1\r\nhost: x\r\ncontent-length: 67108864\r\n\r\n"
    yield from [b" " * MIB] * 64


def large_body_of_a_stranger() -> Iterator[bytes]:
    yield b"POST /api/v1/repositories HTTP/1.1\r\nhost: x\r\ncontent-length: 67108864\r\n\r\n"
    yield from [b" " * MIB] * 64


def not_http() -> Iterator[bytes]:
    yield b"\x16\x03\x01\x00\xa5" + b"\x00" * 1000


def two_lengths() -> Iterator[bytes]:
    yield head(b"content-length: 5\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n", method=b"POST")


def endless_length() -> Iterator[bytes]:
    yield head(b"content-length: 99999999999999999999999\r\n\r\n", method=b"POST")


@pytest.mark.parametrize(
    "oversized",
    [
        long_address,
        long_header,
        long_name,
        many_headers,
        large_metadata,
        no_end_of_chunk_size,
        long_trailers,
        large_body,
        large_body_in_chunks,
        large_login,
        large_body_of_a_stranger,
        not_http,
        two_lengths,
        endless_length,
    ],
)
def test_what_is_too_large_or_no_http_is_refused_and_held_nowhere(server: Any, oversized: Callable[[], Any]) -> None:
    process = psutil.Process(server.process.pid)
    before = process.memory_info().rss
    answer = send(server, oversized())
    assert answer == b"" or re.match(rb"HTTP/1.1 4\d\d ", answer), answer[:200]
    assert server.http.get("/config").status_code == 200
    assert process.memory_info().rss - before < 48 * MIB


def test_a_header_made_to_be_tried_in_many_ways_is_answered(server: Any) -> None:
    repository = server.repository()
    server.put(repository, "a", b"content")
    where = f"{repository}/refs/main/objects"
    for header, status in (("bytes=" + "-11" * 60 + "x", 400), ("bytes=" + "1-1" * 60, 200), ("bytes=1-2, 4-5", 200)):
        assert server.http.get(where, params={"path": "a"}, headers={"range": header}).status_code == status
    for pattern in ("*a" * 400 + "b", "?*" * 500):
        rules = [{"pattern": pattern}]
        assert server.http.put(f"{repository}/settings/branch_protection", json=rules).status_code == 204
        name = {"name": "a" * 1024, "source": "main"}
        server.http.post(f"{repository}/branches", json=name)
        assert server.put(repository, "a", b"1", branch="a" * 1024).status_code in (201, 403)


HOSTILE = st.sampled_from(
    ["../", "..", "/", "//", "./", "\0", "\n", "\\", "~", "%2e%2e%2f", "C:", "CON", "*", "$(x)", ";", "\u202e", "é"]
) | st.text(st.characters(exclude_categories=("Cs",)), min_size=1, max_size=20)
KEYS = st.lists(HOSTILE, min_size=1, max_size=8).map("".join) | st.integers(1000, 1024).map("a/".__mul__)
KEPT = re.compile(r"(blobs|ranges|trees)/[0-9a-f]{2}/[0-9a-f]{62}(\.\w+)?|temp/\d+|[a-z]+(\.[a-z]+)?(-wal|-shm)?")


def files(folder: Path) -> set[str]:
    return {str(path.relative_to(folder)) for path in folder.rglob("*") if not path.is_dir()}


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(key=KEYS, form=st.booleans())
def test_a_key_is_a_name_and_never_the_path_of_a_file(server: Any, key: str, form: bool) -> None:
    home = Path(server.ready["home"])
    around = {path for path in home.parent.iterdir() if path != home}
    if not hasattr(server, "hostile"):
        server.hostile = server.repository()
    objects = f"{server.hostile}/branches/main/objects"
    content = key.encode()
    if form:
        stored = server.http.post(objects, params={"path": key}, files={"content": (key, content)})
    else:
        stored = server.http.post(objects, params={"path": key}, content=content)
    if len(content) > 1024:
        assert stored.status_code == 400
    else:
        assert stored.status_code == 201, stored.text
        assert stored.json()["path"] == key
        assert server.get(server.hostile, key).content == content
        listed = server.http.get(f"{server.hostile}/refs/main/objects/ls", params={"prefix": key}).json()["results"]
        assert listed[0]["path"] == key
        assert server.http.delete(objects, params={"path": key}).status_code == 204
    assert all(KEPT.fullmatch(name) for name in files(home)), files(home)
    assert {path for path in home.parent.iterdir() if path != home} == around


def test_names_of_repositories_branches_and_tags_make_no_files(server: Any) -> None:
    home = Path(server.ready["home"])
    repository = server.repository()
    for number, name in enumerate(("../evil", "/evil", "a\0b", "..", "a/../../b", "x" * 5000)):
        made = {"name": name, "storage_namespace": f"local://{name}"}
        assert server.http.post("/repositories", json=made).status_code == 400
        for what, body in (("branches", {"name": name, "source": "main"}), ("tags", {"id": name, "ref": "main"})):
            assert server.http.post(f"{repository}/{what}", json=body).status_code == 400
        namespace = {"name": f"hostile-{number}", "storage_namespace": f"local://../{name}/etc"}
        assert server.http.post("/repositories", json=namespace).status_code in (201, 400)
    assert all(KEPT.fullmatch(name) for name in files(home))


SECRET, WRONG = "the-right-secret-4711", "the-wrong-secret-0815"


@contextmanager
def logged(home: Path, log: Path) -> Iterator[tuple[subprocess.Popen[bytes], httpx.Client]]:
    environment = {**os.environ, "LAKEFS_ACCESS_KEY_ID": "the-key", "LAKEFS_SECRET_ACCESS_KEY": SECRET}
    command = [sys.executable, "-m", "infra.lakefs", "--home", str(home), "--port", "0"]
    with (
        log.open("wb") as stderr,
        subprocess.Popen(command, stdout=subprocess.PIPE, stderr=stderr, env=environment) as p,
    ):
        assert p.stdout is not None
        url = httpx.Response(200, content=p.stdout.readline()).json()["url"]
        try:
            with httpx.Client(base_url=url, auth=("the-key", SECRET), timeout=60) as http:
                yield p, http
        finally:
            p.terminate()
        assert p.wait(20) == 0


def test_no_secret_is_said_or_written(tmp_path: Path) -> None:
    """Right and wrong credentials of each kind, malformed requests, and failures of the store that are logged."""
    home, log = tmp_path / "home", tmp_path / "log"
    said = b""

    def ask(method: str, path: str, **more: Any) -> httpx.Response:
        nonlocal said
        answer = http.request(method, path, **more)
        said += answer.content + repr(answer.headers.raw).encode()
        return answer

    with logged(home, log) as (process, http):
        ask("POST", "/repositories", json={"name": "repo", "storage_namespace": "local://repo"})
        asked = {"repository": "repo", "branches": ["*"], "access": "stage", "expires_in": 600}
        scoped = http.post("/assay/tokens", json=asked).json()["token"]
        session = http.post("/auth/login", json={"access_key_id": "the-key", "secret_access_key": SECRET}).json()[
            "token"
        ]
        secrets = [
            SECRET,
            WRONG,
            scoped.rpartition(".")[2],
            session,
            base64.b64encode(f"the-key:{SECRET}".encode()).decode(),
        ]
        ask("POST", "/auth/login", json={"access_key_id": "the-key", "secret_access_key": WRONG})
        ask("POST", "/auth/login", json={"access_key_id": 5, "secret_access_key": WRONG, WRONG: WRONG})
        ask("POST", "/auth/login", content=f'{{"secret_access_key": "{WRONG}"')
        for pair in (("the-key", WRONG), ("token", WRONG), ("token", scoped + WRONG), ("token", f"assay.{WRONG}.x")):
            assert ask("GET", "/config", auth=pair).status_code == 401
        for given_ in (f"Bearer {session}{WRONG}", f"Bearer {WRONG}", f"Basic {WRONG}", WRONG, f"Digest {WRONG}"):
            assert ask("GET", "/config", headers={"authorization": given_}, auth=None).status_code == 401
        with httpx.Client(base_url=http.base_url, auth=("token", scoped)) as other:
            said += other.post("/repositories/repo/branches/main/commits", json={"message": "m"}).content
        objects = "/repositories/repo/branches/main/objects"
        ask("POST", objects, params={"path": "a"}, content=b"content")
        blob = next((home / "blobs").glob("*/*"))
        blob.write_bytes(b"cut")
        assert ask("GET", "/repositories/repo/refs/main/objects", params={"path": "a"}).status_code == 500
        resource.prlimit(process.pid, resource.RLIMIT_FSIZE, (4096, resource.RLIM_INFINITY))
        assert ask("POST", objects, params={"path": "b"}, content=b"x" * MIB).status_code == 507
        parts = urlsplit(str(http.base_url))
        with socket.create_connection((parts.hostname, parts.port)) as raw:
            raw.sendall(f"NONSENSE\r\nauthorization: Basic {WRONG}\r\n\r\n".encode())
            said += raw.recv(4096)
    written = log.read_bytes()
    assert b"Traceback" in written  # the failure was logged, so there was something to look at
    for secret in secrets:
        assert secret.encode() not in said
        assert secret.encode() not in written
    for name in files(home):
        path = home / name
        kept_shut = stat.S_IMODE(path.stat().st_mode) & 0o077 == 0
        assert kept_shut or not any(secret.encode() in path.read_bytes() for secret in secrets)


def test_only_the_owner_enters_a_home(tmp_path: Path, start: Any) -> None:
    (tmp_path / "open").mkdir(mode=0o755)
    (tmp_path / "open").chmod(0o755)
    for home in (tmp_path / "made", tmp_path / "open"):
        start(home)
        assert stat.S_IMODE(home.stat().st_mode) == 0o700
        assert stat.S_IMODE((home / "signing.key").stat().st_mode) == 0o600
