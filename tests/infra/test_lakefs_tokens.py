"""Scoped tokens: what they allow, over HTTP, on every route there is; what no trick with names or clocks gets out."""

from __future__ import annotations

import base64
import json
import random
import re
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from http.client import HTTPConnection
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st
from starlette.routing import Route

from infra.lakefs.api.app import build
from infra.lakefs.api.auth import Keys
from infra.lakefs.api.grants import Grant
from infra.lakefs.api.tokens import Tokens, never_back
from infra.lakefs.errors import UnauthenticatedError
from infra.lakefs.home import Credentials
from infra.lakefs.store import Store
from infra.lakefs.store.globs import matches
from infra.lakefs.store.imports import Imports

R, B = "/repositories/{repository}", "/repositories/{repository}/branches/{branch}"
F = R + "/refs/{ref}"
PARAMETER = re.compile(r"{(\w+)(:path)?}")
OPEN = {
    ("GET", "/healthcheck"),
    ("GET", "/auth/capabilities"),
    ("GET", "/setup_lakefs"),
    ("GET", "/user"),
    ("POST", "/auth/login"),
    ("POST", "/setup_lakefs"),
}
READ = {
    ("GET", "/config"),
    ("GET", "/config/version"),
    ("GET", "/config/storage"),
    ("GET", R),
    ("GET", B),
    ("GET", B + "/diff"),
    ("GET", R + "/tags/{tag}"),
    ("GET", R + "/commits/{commit}"),
    ("GET", F + "/commits"),
    ("GET", F + "/objects"),
    ("HEAD", F + "/objects"),
    ("GET", F + "/objects/stat"),
    ("GET", F + "/objects/ls"),
    ("GET", F + "/objects/underlyingProperties"),
    ("GET", R + "/refs/{left}/diff/{right}"),
    ("GET", R + "/refs/{source}/merge/{branch}"),
}
STAGE = READ | {
    ("POST", B + "/objects"),
    ("DELETE", B + "/objects"),
    ("POST", B + "/objects/delete"),
    ("POST", B + "/objects/copy"),
    ("PUT", B + "/objects/stat/user_metadata"),
    ("PUT", B),
    ("POST", R + "/branches"),  # to be told that a branch is there; none is made
}


class Scene:
    """`main` and `ingest-a` parted after a shared commit; `secret` is nobody's; a tag on each."""

    def __init__(self, server: Any) -> None:
        self.server = server
        self.at = server.repository()
        self.name = self.at.rsplit("/", 1)[1]
        server.put(self.at, "shared", b"shared")
        self.shared = server.commit(self.at).json()["id"]
        self.heads = {}
        for branch in ("ingest-a", "secret"):
            server.http.post(f"{self.at}/branches", json={"name": branch, "source": "main"})
            server.put(self.at, "file", branch.encode(), branch)
            self.heads[branch] = server.commit(self.at, branch).json()["id"]
            server.put(self.at, "staged", branch.encode(), branch)
            server.http.post(f"{self.at}/tags", json={"id": f"v-{branch}", "ref": branch})

    def token(self, access: str = "read", *branches: str, seconds: int = 600, name: str | None = None) -> str:
        asked = {
            "repository": name or self.name,
            "branches": list(branches or ("ingest-*",)),
            "access": access,
            "expires_in": seconds,
        }
        made = self.server.http.post("/assay/tokens", json=asked)
        assert made.status_code == 201, made.text
        return str(made.json()["token"])

    def client(self, token: str) -> httpx.Client:
        return httpx.Client(base_url=self.server.url, headers={"authorization": f"Bearer {token}"}, timeout=60)


@pytest.fixture
def scene(server: Any) -> Scene:
    return Scene(server)


def routes(store: Store) -> list[tuple[str, str]]:
    """Every method and path that the application routes, in full."""
    with closing(Imports(store)) as imports:
        gate: Any = build(store, Keys(Credentials("k", "s"), store.clock, b""), imports)
    found = [route for route in gate.app.routes if isinstance(route, Route)]
    assert len(found) == len(gate.app.routes)
    every = {(method, route.path) for route in found for method in route.methods or ()}
    head = ("HEAD", f"/api/v1{F}/objects")
    return sorted(pair for pair in every if pair[0] != "HEAD" or ("GET", pair[1]) not in every or pair == head)


@pytest.mark.parametrize(("access", "allowed"), [("read", READ), ("stage", STAGE)])
def test_every_route_is_refused_unless_it_is_named_here(
    scene: Scene, store: Store, access: str, allowed: set[tuple[str, str]]
) -> None:
    """With names that the token allows throughout, so that only the route decides."""
    names = {"repository": scene.name, "branch": "ingest-a", "ref": "ingest-a", "commit": scene.shared}
    names |= {"tag": "v-ingest-a", "left": "ingest-a", "right": "ingest-a", "source": "ingest-a", "rest": "x"}
    every = routes(store)
    passed = set()
    token = scene.token(access)
    origin = scene.server.url.removesuffix("/api/v1")
    with httpx.Client(base_url=origin, headers={"authorization": f"Bearer {token}"}, timeout=60) as http:
        for method, path in every:
            answer = http.request(method, PARAMETER.sub(lambda found: names.get(found[1], "1"), path), json={})
            if answer.status_code != 403:
                passed.add((method, path.removeprefix("/api/v1")))
            elif method != "HEAD":
                assert answer.json()["message"]
                assert answer.headers["x-error-kind"] == "forbidden"
    assert passed == allowed | OPEN


def test_the_table_knows_every_route_that_the_server_has(store: Store) -> None:
    assert len(routes(store)) > 60


@pytest.mark.parametrize(
    ("ref", "status"),
    [
        ("ingest-a", 200),
        ("ingest-a@", 200),
        ("ingest-a$", 200),
        ("ingest-a~1", 200),
        ("ingest-a^1", 200),
        ("v-ingest-a", 200),
        ("v-ingest-a~1", 200),
        ("{ingest-a}", 200),
        ("{shared}", 200),
        ("{shared}~1", 200),
        ("ingest-none", 404),
        ("ingest-a~99", 404),
        ("main", 403),
        ("main@", 403),
        ("main$", 403),
        ("main~0", 403),
        ("secret", 403),
        ("secret~1", 403),
        ("v-secret", 403),
        ("{secret}", 403),
        ("{secret}~0", 403),
        ("none", 403),
        ("none$", 403),
        ("v-secret$", 403),
        ("v-ingest-a$", 403),
        ("0000", 403),
        ("@", 403),
    ],
)
def test_what_a_ref_means_to_a_token(scene: Scene, ref: str, status: int) -> None:
    ref = ref.replace("{ingest-a}", scene.heads["ingest-a"]).replace("{secret}", scene.heads["secret"])
    ref = ref.replace("{shared}", scene.shared)
    with scene.client(scene.token()) as http:
        assert http.get(f"{scene.at}/refs/{ref}/objects/ls").status_code == status
        for left, right in ((ref, "ingest-a"), ("ingest-a", ref)):
            answer = http.get(f"{scene.at}/refs/{left}/diff/{right}")
            assert answer.status_code == (status if "$" not in ref or status == 403 else 400)


def test_what_was_refused_does_not_say_whether_it_exists(scene: Scene) -> None:
    with scene.client(scene.token()) as http:
        said = {
            http.get(f"{scene.at}/refs/{ref}/objects/ls").json()["message"]
            for ref in (scene.heads["secret"], scene.heads["secret"][:20], "v-secret", "v-none", "0" * 64, "v-secret$")
        }
        assert len(said) == 1
        branches = {http.get(f"{scene.at}/refs/{ref}").status_code for ref in ("secret", "none")}
        assert branches == {403}


def test_a_token_to_stage_writes_its_branches_and_commits_nothing(scene: Scene) -> None:
    server = scene.server
    with scene.client(scene.token("stage")) as http:
        objects = f"{scene.at}/branches/ingest-a/objects"
        assert http.post(objects, params={"path": "new"}, content=b"1").status_code == 201
        assert http.get(f"{scene.at}/refs/ingest-a/objects", params={"path": "new"}).content == b"1"
        copy = {"src_path": "new"}
        assert http.post(f"{objects}/copy", params={"dest_path": "copy"}, json=copy).status_code == 201
        assert http.delete(objects, params={"path": "new"}).status_code == 204
        assert http.post(f"{objects}/delete", json={"paths": ["copy"]}).json() == {"errors": []}
        assert http.put(f"{scene.at}/branches/ingest-a", json={"type": "reset"}).status_code == 204
        assert server.get(scene.at, "staged", "ingest-a").status_code == 404
        for branch in ("main", "secret", "xingest-a"):
            elsewhere = f"{scene.at}/branches/{branch}/objects"
            assert http.post(elsewhere, params={"path": "new"}, content=b"1").status_code == 403
            assert http.delete(elsewhere, params={"path": "shared"}).status_code == 403
        assert http.post(f"{scene.at}/branches/ingest-a/commits", json={"message": "m"}).status_code == 403
        assert http.post(f"{scene.at}/refs/ingest-a/merge/main", json={}).status_code == 403
    assert server.get(scene.at, "shared").content == b"shared"


@pytest.mark.parametrize("source", ["secret", "secret@", "main", "v-secret", "{secret}", "{secret}~0", "none"])
def test_a_copy_brings_nothing_in_from_elsewhere(scene: Scene, source: str) -> None:
    body = {"src_path": "file", "src_ref": source.replace("{secret}", scene.heads["secret"])}
    with scene.client(scene.token("stage")) as http:
        answer = http.post(f"{scene.at}/branches/ingest-a/objects/copy", params={"dest_path": "taken"}, json=body)
    assert answer.status_code == 403
    assert scene.server.get(scene.at, "taken", "ingest-a").status_code == 404


def test_a_token_creates_no_branch_and_is_told_which_is_there(scene: Scene) -> None:
    before = scene.server.http.get(f"{scene.at}/branches", params={"show_hidden": "true"}).json()
    with scene.client(scene.token("stage")) as http:
        for name, status in (("ingest-a", 409), ("ingest-new", 403), ("main", 403), ("other", 403), ("a/b", 403)):
            for more in ({}, {"force": True}, {"hidden": True}):
                made = http.post(f"{scene.at}/branches", json={"name": name, "source": "ingest-a"} | more)
                assert made.status_code == status
    assert scene.server.http.get(f"{scene.at}/branches", params={"show_hidden": "true"}).json() == before


def test_force_does_not_open_a_read_only_repository(server: Any) -> None:
    made = {"name": "read-only-token", "storage_namespace": "local://read-only-token", "read_only": True}
    assert server.http.post("/repositories", json=made).status_code == 201
    asked = {"repository": "read-only-token", "branches": ["*"], "access": "stage", "expires_in": 60}
    token = server.http.post("/assay/tokens", json=asked).json()["token"]
    objects = "/repositories/read-only-token/branches/main/objects"
    with httpx.Client(base_url=server.url, headers={"authorization": f"Bearer {token}"}) as http:
        assert http.post(objects, params={"path": "a", "force": "true"}, content=b"1").status_code == 403
        assert http.get("/repositories/read-only-token/refs/main/objects/ls").status_code == 200


def test_a_token_makes_no_presigned_url_and_its_clients_are_told(tmp_path: Path, start: Any) -> None:
    (tmp_path / "allowed").mkdir()
    scene = Scene(start(tmp_path / "home", "--presign", "--allow-import", str(tmp_path / "allowed")))
    storage = scene.server.http.get("/config").json()["storage_config"]
    assert (storage["pre_sign_support"], storage["import_support"]) == (True, True)
    with scene.client(scene.token("stage")) as http:
        for told in (http.get("/config").json()["storage_config"], http.get("/config/storage").json()):
            assert (told["pre_sign_support"], told["import_support"]) == (False, False)
        query = {"path": "file", "presign": "true"}
        for below in ("/objects", "/objects/stat", "/objects/ls"):
            assert http.get(f"{scene.at}/refs/ingest-a{below}", params=query).status_code == 403
        backing = f"{scene.at}/branches/ingest-a/staging/backing"
        for method, params in (("GET", query), ("GET", {"path": "file"}), ("PUT", {"path": "file"})):
            assert http.request(method, backing, params=params, json={}).status_code == 403


TRICKS = [
    "/repositories/{name}x/refs/ingest-a/objects/ls",
    "/repositories/{other}/refs/ingest-a/objects/ls",
    "/repositories/{name}/../{other}/refs/ingest-a/objects/ls",
    "/repositories/{name}%2F..%2F{other}/refs/ingest-a/objects/ls",
    "/repositories/{name}%2Frefs%2Fsecret/objects/ls",
    "/repositories/{name}/refs/ingest-a%2F..%2Fsecret/objects/ls",
    "/repositories/{name}/refs/ingest-a/../secret/objects/ls",
    "/repositories/{name}/refs/secret%40/objects/ls",
    "/repositories/{name}/refs/%73ecret/objects/ls",
    "/repositories/{name}/refs/secret%0A/objects/ls",
    "/repositories/{name}/branches/ingest-a%2F..%2Fsecret/diff",
    "/repositories/{name}/branches/secret%23ingest-a/diff",
    "/repositories/{name}//branches/secret/diff",
    "/repositories/{NAME}/refs/ingest-a/objects/ls",
    "/repositories",
    "/repositories/",
    "/repositories/{name}/",
    "/repositories/{name}/branches",
    "/healthcheck/../repositories",
    "/assay/tokens",
    "//healthcheck",
]


@pytest.mark.parametrize("trick", TRICKS)
def test_no_trick_with_names_gets_past(scene: Scene, trick: str) -> None:
    other = scene.server.repository().rsplit("/", 1)[1]
    path = trick.format(name=scene.name, NAME=scene.name.upper(), other=other)
    address = httpx.URL(scene.server.url)
    token = scene.token("stage")
    raw = address.copy_with(raw_path=(address.path + path).encode())
    with scene.client(token) as http:
        request = http.build_request("GET", raw)
        request.url = raw  # as written: a client would resolve the dots
        assert http.send(request).status_code == 403


def test_a_token_works_as_a_pair_of_keys_too(scene: Scene) -> None:
    with httpx.Client(base_url=scene.server.url, auth=("token", scene.token())) as http:
        assert http.get(f"{scene.at}/refs/ingest-a/objects", params={"path": "file"}).content == b"ingest-a"
        assert http.get(f"{scene.at}/refs/secret/objects", params={"path": "file"}).status_code == 403
    for pair in (("other", scene.token()), ("token", scene.token()[:-1]), ("token", "")):
        assert httpx.get(f"{scene.server.url}/config", auth=pair).status_code == 401
    keys = {"access_key_id": "token", "secret_access_key": scene.token()}
    assert httpx.post(f"{scene.server.url}/auth/login", json=keys).status_code == 401


def test_an_authorization_decides_alone_whatever_cookie_comes_with_it(scene: Scene) -> None:
    login = httpx.post(f"{scene.server.url}/auth/login", json={"access_key_id": "key", "secret_access_key": "secret"})
    cookie = {"cookie": f"internal_auth_session={login.json()['token']}"}
    assert httpx.get(f"{scene.server.url}/repositories", headers=cookie).status_code == 200
    for pair, status in ((("key", "wrong"), 401), (("token", scene.token()), 403)):
        assert httpx.get(f"{scene.server.url}/repositories", headers=cookie, auth=pair).status_code == status
    scoped = {"cookie": f"internal_auth_session={scene.token()}"}
    assert httpx.get(f"{scene.server.url}/repositories", headers=scoped).status_code == 403


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"branches": []}, "branches"),
        ({"branches": ["a/b"]}, "branches.0"),
        ({"branches": [""]}, "branches.0"),
        ({"branches": ["a"] * 33}, "branches"),
        ({"branches": ["a" * 2049]}, "branches"),
        ({"branches": "main"}, "branches"),
        ({"access": "write"}, "access"),
        ({"expires_in": 0}, "expires_in"),
        ({"expires_in": 86401}, "expires_in"),
        ({"expires_in": "60"}, "expires_in"),
        ({"refs": ["main"]}, "refs"),
    ],
)
def test_a_token_that_is_asked_for_wrongly_is_400(scene: Scene, change: dict[str, Any], said: str) -> None:
    asked = {"repository": scene.name, "branches": ["main"], "access": "read", "expires_in": 60} | change
    answer = scene.server.http.post("/assay/tokens", json=asked)
    assert answer.status_code == 400
    assert said in answer.json()["message"]


def test_a_token_for_no_repository_is_404(server: Any) -> None:
    asked = {"repository": "none", "branches": ["main"], "access": "read", "expires_in": 60}
    assert server.http.post("/assay/tokens", json=asked).status_code == 404


def test_a_token_ends_with_its_repository(scene: Scene) -> None:
    token = scene.token("read", "*")
    scene.server.http.delete(scene.at)
    again = {"name": scene.name, "storage_namespace": f"local://{scene.name}-again"}
    assert scene.server.http.post("/repositories", json=again).status_code == 201
    with scene.client(token) as http:
        assert http.get(f"{scene.at}/refs/main/objects/ls").status_code == 403


def test_a_token_expires(scene: Scene) -> None:
    with scene.client(scene.token(seconds=1)) as http:
        deadline = time.monotonic() + 30
        while (answer := http.get("/config")).status_code == 200 and time.monotonic() < deadline:
            time.sleep(0.1)
    assert answer.status_code == 401
    assert "expired" in answer.json()["message"]


@contextmanager
def served(home: Path, start: Callable[..., Any]) -> Iterator[Any]:
    server = start(home)
    yield server
    server.process.terminate()
    assert server.process.wait(20) == 0


def test_a_token_outlives_a_restart_and_ends_with_the_secret(tmp_path: Path, start: Any) -> None:
    home = tmp_path / "home"
    with served(home, start) as server:
        scene = Scene(server)
        token = scene.token()
    assert (home / "signing.key").stat().st_mode & 0o777 == 0o600
    address = "/config"
    with served(home, start) as server, httpx.Client(base_url=server.url, auth=("token", token)) as http:
        assert http.get(address).status_code == 200
    (home / "signing.key").unlink()
    with served(home, start) as server, httpx.Client(base_url=server.url, auth=("token", token)) as http:
        assert http.get(address).status_code == 401


ACTION = "_lakefs_actions/on.yaml"
WRITES: list[tuple[str, str, dict[str, Any]]] = [
    ("POST", "/objects", {"params": {"path": ACTION}, "content": b"x"}),
    ("POST", "/objects", {"params": {"path": ACTION}, "content": bytes(3 << 20)}),
    ("POST", "/objects/copy", {"params": {"dest_path": ACTION}, "json": {"src_path": "file"}}),
    ("DELETE", "/objects", {"params": {"path": ACTION}}),
    ("POST", "/objects/delete", {"json": {"paths": ["file", ACTION]}}),
    ("PUT", "/objects/stat/user_metadata", {"params": {"path": ACTION}, "json": {"set": {"a": "b"}}}),
    ("PUT", "", {"json": {"type": "object", "path": ACTION}}),
    ("PUT", "", {"json": {"type": "common_prefix", "path": "_lakefs_actions/on"}}),
    ("PUT", "", {"json": {"type": "common_prefix", "path": "_lakefs_actions/"}}),
    ("PUT", "", {"json": {"type": "common_prefix", "path": "_lake"}}),
]


@pytest.mark.parametrize(("method", "address", "said"), WRITES)
def test_a_token_changes_no_action_file(scene: Scene, method: str, address: str, said: dict[str, Any]) -> None:
    scene.server.put(scene.at, ACTION, b"the owner's", "ingest-a")
    before = scene.server.http.get(f"{scene.at}/branches/ingest-a/diff").json()
    with scene.client(scene.token("stage")) as http:
        answer = http.request(method, f"{scene.at}/branches/ingest-a{address}", **said)
    assert answer.status_code == 403
    assert "_lakefs_actions/" in answer.json()["message"]
    assert scene.server.http.get(f"{scene.at}/branches/ingest-a/diff").json() == before
    assert scene.server.get(scene.at, ACTION, "ingest-a").content == b"the owner's"


@pytest.mark.parametrize(
    ("access", "method", "address", "named"),
    [
        ("stage", "POST", "/branches/ingest-a/commits", "committing"),
        ("read", "DELETE", "/branches/ingest-a/objects", "deleting objects"),
        ("read", "PUT", "/branches/ingest-a", "resetting a branch"),
        ("read", "POST", "/refs/ingest-a/merge/ingest-b", "merging"),
        ("read", "GET", "/dump", "GET /repositories/"),
    ],
)
def test_a_refusal_names_the_operation(scene: Scene, access: str, method: str, address: str, named: str) -> None:
    with scene.client(scene.token(access)) as http:
        said = http.request(method, f"{scene.at}{address}").json()["message"]
    assert said.startswith(f"a token to {access} does not allow {named}")


def test_what_only_looks_like_an_action_file_is_staged(scene: Scene) -> None:
    names = ["_lakefs_actions", "_lakefs_action/x", "a/_lakefs_actions/x"]
    with scene.client(scene.token("stage")) as http:
        for path in names:
            address = f"{scene.at}/branches/ingest-a/objects"
            assert http.post(address, params={"path": path}, content=b"x").status_code == 201


@contextmanager
def begun(scene: Scene, token: str, method: str, address: str) -> Iterator[Callable[[], tuple[int, bytes]]]:
    """A request whose body of two bytes is half there; calling sends the rest and gives status and answer."""
    parts = urlsplit(scene.server.url)
    assert parts.hostname
    assert parts.port
    with closing(HTTPConnection(parts.hostname, parts.port, timeout=60)) as connection:
        connection.putrequest(method, f"{parts.path}{scene.at}{address}")
        connection.putheader("authorization", f"Bearer {token}")
        connection.putheader("content-length", "2")
        connection.endheaders(b"{")
        time.sleep(0.3)  # so that it is let in before anything else happens

        def finish() -> tuple[int, bytes]:
            connection.send(b"}")
            answer = connection.getresponse()
            return answer.status, answer.read()

        yield finish


SLOW = [("POST", "/branches/ingest-a/objects?path=late"), ("GET", "/refs/ingest-a/objects?path=file")]


@pytest.mark.parametrize(("method", "address"), SLOW)
def test_a_request_that_began_in_time_does_not_outlive_its_token(scene: Scene, method: str, address: str) -> None:
    token = scene.token("stage", seconds=2)
    with begun(scene, token, method, address) as finish:
        with scene.client(token) as http:
            while http.get("/config").status_code == 200:
                time.sleep(0.1)
        status, answer = finish()
    assert status == 401
    assert b"expired" in answer
    assert scene.server.get(scene.at, "late", "ingest-a").status_code == 404


@pytest.mark.parametrize(("method", "address"), SLOW)
def test_a_request_does_not_move_on_to_the_next_repository(scene: Scene, method: str, address: str) -> None:
    with begun(scene, scene.token("stage"), method, address) as finish:
        assert scene.server.http.delete(scene.at, params={"force": True}).status_code == 204
        again = {"name": scene.name, "storage_namespace": f"local://{scene.name}-again"}
        assert scene.server.http.post("/repositories", json=again).status_code == 201
        made = scene.server.http.post(f"{scene.at}/branches", json={"name": "ingest-a", "source": "main"})
        assert made.status_code == 201
        scene.server.put(scene.at, "file", b"another's", "ingest-a")
        status, _ = finish()
    assert status == 403
    assert scene.server.get(scene.at, "late", "ingest-a").status_code == 404


GRANT = Grant("repo", "0" * 64, ("ingest-*",), "read", 2_000)


def test_a_clock_set_back_revives_nothing() -> None:
    times = iter([1_999_000_000, 2_000_000_000, 1_000_000_000])
    tokens = Tokens(b"key", never_back(lambda: next(times)))
    token = tokens.sign(GRANT)
    assert tokens.read(token) == GRANT
    for _ in range(2):
        with pytest.raises(UnauthenticatedError, match="expired"):
            tokens.read(token)


def test_other_keys_and_another_secret_end_a_token() -> None:
    def tokens(pair: tuple[str, str], secret: bytes) -> Tokens:
        return Keys(Credentials(*pair), lambda: 0, secret).tokens

    token = tokens(("k", "s"), b"1" * 32).sign(GRANT)
    assert tokens(("k", "s"), b"1" * 32).read(token) == GRANT
    for pair, secret in ((("k", "t"), b"1" * 32), (("l", "s"), b"1" * 32), (("k", "s"), b"2" * 32)):
        with pytest.raises(UnauthenticatedError):
            tokens(pair, secret).read(token)


@given(st.randoms(use_true_random=False), st.sampled_from(["flip", "cut", "claims", "insert"]))
def test_a_tampered_token_is_refused(chance: random.Random, how: str) -> None:
    tokens = Tokens(b"key", lambda: 0)
    token = tokens.sign(GRANT)
    at = chance.randrange(len("assay."), len(token))
    if how == "flip":
        changed = token[:at] + chance.choice("abcdef0123456789AZ=.") + token[at + 1 :]
    elif how == "cut":
        changed = token[:at]
    elif how == "insert":
        changed = token[:at] + chance.choice("a0=._\n ") + token[at:]
    else:
        said = {"repository": "other", "namespace": "", "branches": ["*"], "access": "stage", "expires": 2**40}
        claims = base64.urlsafe_b64encode(json.dumps(said).encode()).decode()
        changed = f"assay.{claims}.{token.rpartition('.')[2]}"
    if changed != token:
        with pytest.raises(UnauthenticatedError):
            tokens.read(changed)


NAMES = st.text("ab", max_size=6)


@given(st.text("ab*?", max_size=6), NAMES)
def test_a_pattern_means_what_a_reader_expects(pattern: str, name: str) -> None:
    def means(pattern: str, name: str) -> bool:
        if not pattern:
            return not name
        if pattern[0] == "*":
            return any(means(pattern[1:], name[at:]) for at in range(len(name) + 1))
        return bool(name) and pattern[0] in ("?", name[0]) and means(pattern[1:], name[1:])

    assert matches([pattern], name) == means(pattern, name)


def test_a_pattern_of_many_stars_takes_no_time() -> None:
    assert not matches(["*a" * 500 + "b"], "a" * 1024)
