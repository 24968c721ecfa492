"""What is not allowed, not offered or not understood: the status, a sentence, and nothing changed."""

from __future__ import annotations

import base64
import hashlib
import os
import re
import socket
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import httpx
import pytest

from infra.lakefs.api.app import NOT_OFFERED


@pytest.mark.parametrize(("method", "path"), sorted({(method or "POST", path) for method, path, _ in NOT_OFFERED}))
def test_what_is_not_offered_says_so(server: Any, method: str, path: str) -> None:
    answer = server.http.request(method, re.sub(r"{\w+(:path)?}", "x", path), params={"path": "a"}, json={})
    assert answer.status_code == 501
    assert "not offered" in answer.json()["message"]
    assert answer.headers["x-error-kind"] == "not-offered"


def test_without_credentials_only_the_open_addresses_answer(server: Any) -> None:
    for path, status in {
        "/healthcheck": 204,
        "/setup_lakefs": 200,
        "/auth/capabilities": 200,
        "/user": 200,
        "/config": 401,
        "/repositories": 401,
        "/nothing": 401,
    }.items():
        assert httpx.get(server.url + path).status_code == status


def test_a_session_token_opens_the_same_doors_and_a_forged_one_none(server: Any) -> None:
    keys = {"access_key_id": "key", "secret_access_key": "secret"}
    given_ = httpx.post(server.url + "/auth/login", json=keys).json()
    token = given_["token"]
    for headers in ({"authorization": f"Bearer {token}"}, {"cookie": f"internal_auth_session={token}"}):
        assert httpx.get(server.url + "/config", headers=headers).status_code == 200
    expires, signature = token.split(".")
    for forged in (f"{int(expires) + 1}.{signature}", f"{expires}.", ".", token[:-1], "é.é"):
        headers = {"authorization": b"Bearer " + forged.encode()}
        assert httpx.get(server.url + "/config", headers=headers).status_code == 401
    for basic in ("key", "key:", ":secret", "key:secret ", "key:secre"):
        headers = {"authorization": "Basic " + base64.b64encode(basic.encode()).decode()}
        assert httpx.get(server.url + "/config", headers=headers).status_code == 401


@pytest.mark.parametrize(
    ("body", "said"),
    [
        (b"{not json", "body"),
        (b"[]", "body"),
        (b'{"message": 7}', "message"),
        (b"{}", "message"),
        (b'{"message": "m", "metadata": {"k": 1}}', "metadata.k"),
        (b'{"message": "m", "metadata": ["k"]}', "metadata"),
        (b'{"message": "m", "date": -1}', "date"),
        (b'{"message": "m", "date": 99999999999999999999}', "date"),
        (b'{"message": "m", "date": 1.5}', "date"),
        (b'{"message": "m", "allow_empty": "yes"}', "allow_empty"),
        (b'{"message": "\\ud800"}', "body"),
        (b'{"message": "\xff"}', "body"),
    ],
)
def test_a_body_that_is_not_understood_names_the_field(server: Any, body: bytes, said: str) -> None:
    repository = server.repository()
    answer = server.http.post(f"{repository}/branches/main/commits", content=body)
    assert answer.status_code == 400
    assert said in answer.json()["message"]
    assert server.http.get(f"{repository}/refs/main/commits").json()["pagination"]["results"] == 1


def test_a_body_beyond_the_limit_is_413(server: Any) -> None:
    repository = server.repository()
    answer = server.http.post(f"{repository}/branches/main/commits", content=b" " * ((8 << 20) + 1))
    assert answer.status_code == 413


@pytest.mark.parametrize("query", ["path=%ff", "path=%ed%a0%80", "path=a&user_metadata=perhaps", "path=", "", "p=1"])
def test_a_query_that_is_not_understood_is_400(server: Any, query: str) -> None:
    repository = server.repository()
    assert server.http.get(f"{repository}/refs/main/objects/stat?{query}").status_code == 400


@pytest.mark.parametrize(
    ("expression", "status"),
    [
        ("main~99999", 404),
        ("main~9999999", 404),
        ("main~~~~", 404),
        ("main^3", 404),
        ("@", 404),
        ("main$~1", 404),
        ("none$", 404),
        ("main~1$", 400),
        ("main^0", 200),
        ("main~0", 200),
        ("main@~0", 200),
        ("main$", 200),
    ],
)
def test_ref_expressions_at_the_edge(server: Any, expression: str, status: int) -> None:
    repository = server.repository()
    assert server.http.get(f"{repository}/refs/{expression}/objects/ls").status_code == status


def test_a_prefix_of_several_commits_is_no_ref(server: Any) -> None:
    repository = server.repository()
    made = [
        server.http.post(f"{repository}/branches/main/commits", json={"message": str(n), "allow_empty": True}).json()[
            "id"
        ]
        for n in range(17)
    ]
    ids = {*made, server.http.get(f"{repository}/commits/main~17").json()["id"]}
    for digits in (1, 12):
        prefix = made[-1][:digits]
        unique = sum(identifier.startswith(prefix) for identifier in ids) == 1
        answer = server.http.get(f"{repository}/commits/{prefix}")
        assert answer.status_code == (200 if unique else 404)
    assert any(sum(i.startswith(d) for i in ids) > 1 for d in "0123456789abcdef")


def test_a_namespace_is_never_given_twice(server: Any) -> None:
    name = server.repository().rsplit("/", 1)[1]
    assert server.http.delete(f"/repositories/{name}").status_code == 204
    again = server.http.post("/repositories", json={"name": name, "storage_namespace": f"local://{name}"})
    assert again.status_code == 400
    assert "is or was used" in again.json()["message"]


def test_a_multipart_body_without_its_part_or_cut_off_is_400(server: Any) -> None:
    repository = server.repository()
    url, query = f"{repository}/branches/main/objects", {"path": "a"}
    assert server.http.post(url, params=query, files={"other": b"x"}).status_code == 400
    whole = b'--b\r\nContent-Disposition: form-data; name="content"\r\n\r\nhello\r\n--b--\r\n'
    kind = {"content-type": "multipart/form-data; boundary=b"}
    for body in (whole[:-10], b"", b"garbage", whole[:60]):
        assert server.http.post(url, params=query, content=body, headers=kind).status_code == 400
    assert (
        server.http.post(url, params=query, content=whole, headers={"content-type": "multipart/form-data"}).status_code
        == 400
    )
    assert server.get(repository, "a").status_code == 404
    assert server.http.post(url, params=query, content=whole, headers=kind).status_code == 201
    assert server.get(repository, "a").content == b"hello"


@pytest.mark.parametrize("kind", [b"text/\xff", b"x" * 300])
def test_a_content_type_that_is_no_header_is_400(server: Any, kind: bytes) -> None:
    repository = server.repository()
    url, query = f"{repository}/branches/main/objects", {"path": "a"}
    assert server.http.post(url, params=query, content=b"1", headers={b"content-type": kind}).status_code == 400
    part = (
        b'--b\r\nContent-Disposition: form-data; name="content"\r\nContent-Type: '
        + kind
        + b"\r\n\r\nhello\r\n--b--\r\n"
    )
    headers = {"content-type": "multipart/form-data; boundary=b"}
    assert server.http.post(url, params=query, content=part, headers=headers).status_code == 400


def test_a_cookie_of_another_server_is_no_credential(server: Any) -> None:
    for cookie in ("a/b=c, d", "=", ";;;", "internal_auth_session"):
        assert httpx.get(server.url + "/config", headers={"cookie": cookie}).status_code == 401


def test_an_upload_that_breaks_off_leaves_nothing(server: Any, tmp_path: Any) -> None:
    repository = server.repository()
    parts = urlsplit(server.url)
    basic = base64.b64encode(b"key:secret").decode()
    with socket.create_connection((parts.hostname, parts.port)) as raw:
        raw.sendall(
            f"POST {parts.path}{repository}/branches/main/objects?path=half HTTP/1.1\r\nHost: x\r\n"
            f"Authorization: Basic {basic}\r\nContent-Length: 5000000\r\n\r\n".encode()
        )
        raw.sendall(b"x" * 3_000_000)
    assert server.put(repository, "whole", b"1").status_code == 201
    assert server.get(repository, "half").status_code == 404


def test_a_large_object_goes_up_and_down_unchanged(server: Any) -> None:
    repository = server.repository()
    content = os.urandom(5_000_001)
    for way in ("raw", "form"):
        if way == "raw":
            stored = server.put(repository, way, content)
        else:
            files = {"content": ("f", content, "x/y")}
            stored = server.http.post(f"{repository}/branches/main/objects", params={"path": way}, files=files)
        assert stored.json()["checksum"] == hashlib.md5(content).hexdigest()
        assert stored.json()["physical_address"].endswith(hashlib.sha256(content).hexdigest())
        assert server.get(repository, way).content == content
        part = server.http.get(
            f"{repository}/refs/main/objects", params={"path": way}, headers={"range": "bytes=10-3000009"}
        )
        assert part.status_code == 206
        assert part.content == content[10:3_000_010]
    etag = f'"{hashlib.md5(content).hexdigest()}"'
    again = server.http.get(f"{repository}/refs/main/objects", params={"path": "raw"}, headers={"if-none-match": etag})
    assert (again.status_code, again.content) == (304, b"")


def test_a_missing_blob_is_said_and_not_served(tmp_path: Any, start: Any) -> None:
    server = start(tmp_path / "home")
    repository = server.repository()
    server.put(repository, "a", b"content")
    name = hashlib.sha256(b"content").hexdigest()
    path = tmp_path / "home" / "blobs" / name[:2] / name[2:]
    path.write_bytes(b"cut")
    assert server.get(repository, "a").status_code == 500
    assert server.get(repository, "a").headers["x-error-kind"] == "damaged"
    path.unlink()
    assert "missing" in server.get(repository, "a").json()["message"]
    assert server.put(repository, "b", b"content").status_code == 201
    assert server.get(repository, "a").content == b"content"


def test_what_is_missing_is_named(server: Any) -> None:
    repository = server.repository()
    stat = server.http.get(f"{repository}/refs/main/objects/stat", params={"path": "nope"})
    copy = server.http.post(
        f"{repository}/branches/main/objects/copy", params={"dest_path": "x"}, json={"src_path": "nope"}
    )
    for answer in (stat, copy):
        assert (answer.status_code, answer.json()["message"]) == (404, "object 'nope' not found at 'main'")


@pytest.mark.parametrize("name", ["a..b", "a.", "a.lock"])
def test_the_refusal_of_a_tag_says_all_rules(server: Any, name: str) -> None:
    answer = server.http.post(f"{server.repository()}/tags", json={"id": name, "ref": "main"})
    assert answer.status_code == 400
    assert "no '..', not ending in '.' or '.lock'" in answer.json()["message"]


def test_an_action_file_that_cannot_be_read_is_named_alone(server: Any) -> None:
    repository = server.repository()
    server.put(repository, "_lakefs_actions/x.yaml", b"notes")
    message = server.commit(repository).json()["message"]
    assert "action file '_lakefs_actions/x.yaml'" in message
    assert "hook ''" not in message


def test_a_folder_that_is_not_there_yet_is_said_and_holds_nothing_up(tmp_path: Path, start: Any, capfd: Any) -> None:
    server = start(tmp_path / "home", "--allow-import", str(tmp_path / "later"))
    assert server.http.get("/healthcheck").status_code == 204
    assert f"--allow-import {tmp_path / 'later'} is not there" in capfd.readouterr().err
