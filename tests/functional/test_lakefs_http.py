"""Plain HTTP against the embedded server: what curl or httpx sees, from login to a merged branch."""

from __future__ import annotations

import base64
import hashlib
from typing import Any

import httpx
import lakefs
import pytest

from tests.support.lakefs_server import KEY, SECRET


@pytest.fixture
def below(repo: lakefs.Repository) -> str:
    return f"/repositories/{repo.id}"


def test_the_life_of_an_object(lakefs_server: Any, below: str) -> None:
    http = lakefs_server.http
    objects = f"{below}/branches/main/objects"
    raw = http.post(objects, params={"path": "a/raw"}, content=b"0123456789", headers={"content-type": "text/plain"})
    form = http.post(objects, params={"path": "a/form"}, files={"content": ("name", b"0123456789", "text/plain")})
    assert raw.status_code == form.status_code == 201
    assert raw.json()["checksum"] == form.json()["checksum"] == hashlib.md5(b"0123456789").hexdigest()
    where, query = f"{below}/refs/main/objects", {"path": "a/raw"}
    got = http.get(where, params=query)
    assert (got.content, got.headers["content-type"], got.headers["accept-ranges"]) == (
        b"0123456789",
        "text/plain",
        "bytes",
    )
    part = http.get(where, params=query, headers={"range": "bytes=2-4"})
    assert (part.status_code, part.content, part.headers["content-range"]) == (206, b"234", "bytes 2-4/10")
    assert http.get(where, params=query, headers={"range": "bytes=20-"}).status_code == 416
    assert http.get(where, params=query, headers={"if-none-match": got.headers["etag"]}).status_code == 304
    head = http.head(where, params=query)
    assert (head.status_code, head.content, head.headers["content-length"]) == (200, b"", "10")
    assert head.headers["etag"] == got.headers["etag"]
    only_new = {"if-none-match": "*"}
    assert http.post(objects, params=query, content=b"2", headers=only_new).status_code == 412
    assert http.delete(objects, params=query).status_code == 204
    assert http.get(where, params=query).status_code == http.head(where, params=query).status_code == 404


def test_from_a_login_to_a_merged_branch(lakefs_server: Any, below: str) -> None:
    login = httpx.post(lakefs_server.url + "/auth/login", json={"access_key_id": KEY, "secret_access_key": SECRET})
    token = login.json()["token"]
    with httpx.Client(base_url=lakefs_server.url, headers={"authorization": f"Bearer {token}"}) as http:
        branch = http.post(f"{below}/branches", json={"name": "dev", "source": "main"})
        assert (branch.status_code, len(branch.text)) == (201, 64)
        http.post(f"{below}/branches/dev/objects", params={"path": "a"}, content=b"1")
        commit = http.post(f"{below}/branches/dev/commits", json={"message": "m"})
        assert commit.status_code == 201
        diff = http.get(f"{below}/refs/main/diff/dev").json()["results"]
        assert [(change["type"], change["path"]) for change in diff] == [("added", "a")]
        merged = http.post(f"{below}/refs/dev/merge/main", json={})
        assert http.get(f"{below}/commits/{merged.json()['reference']}").json()["parents"][1] == commit.json()["id"]


def test_an_error_says_what_is_wrong(lakefs_server: Any, below: str) -> None:
    for method, path, status in (
        ("GET", f"{below}/refs/none/objects/ls", 404),
        ("GET", f"{below}/refs/main/objects/stat", 400),
        ("POST", f"{below}/branches", 400),
        ("GET", "/nothing", 404),
        ("PATCH", below, 404),
        ("GET", "/auth/users", 501),
    ):
        answer = lakefs_server.http.request(method, path)
        assert (answer.status_code, answer.headers["content-type"]) == (status, "application/json")
        assert answer.json()["message"]
    unknown = httpx.get(lakefs_server.url + below)
    assert (unknown.status_code, bool(unknown.json()["message"])) == (401, True)


def test_credentials_in_an_address_are_basic_authentication(lakefs_server: Any, below: str) -> None:
    pair = base64.b64encode(f"{KEY}:{SECRET}".encode()).decode()
    for scheme in ("Basic", "basic", "BASIC"):
        headers = {"authorization": f"{scheme} {pair}"}
        assert httpx.get(lakefs_server.url + below, headers=headers).status_code == 200
