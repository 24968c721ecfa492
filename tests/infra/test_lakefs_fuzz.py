"""Requests made from the server's own routes, queries and bodies, valid, nearly valid and random: never a 5xx.

`make fuzz` sends more of them (ASSAY_FUZZ_EXAMPLES).
"""

from __future__ import annotations

import functools
import json
import os
import re
import types
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, Union, get_args, get_origin
from urllib.parse import quote

import httpx
import pytest
from hypothesis import HealthCheck, event, given, settings
from hypothesis import strategies as st

from infra.lakefs import api
from infra.lakefs.api import app, auth, imports, tokens
from infra.lakefs.api.call import Body

EXAMPLES = int(os.environ.get("ASSAY_FUZZ_EXAMPLES", "300"))
SOURCE = "".join(path.read_text() for path in sorted(Path(api.__path__[0]).glob("*.py")))
QUERIES = sorted(
    {
        *re.findall(r"\.(?:text|flag|required|choice|many)\(\s*\"(\w+)\"", SOURCE),
        "path",
        "amount",
        "prefix",
        "after",
        "delimiter",
    }
)
HEADERS = ("range", "if-none-match", "if-match", "if-modified-since", "content-type", "x-lakefs-meta-a", "cookie")

TEXT = st.text(st.characters(exclude_categories=("Cs",)), max_size=12)
NAMES = st.sampled_from(
    ["fuzz", "main", "dev", "v1", "main~1", "main@", "main$", "dev^1", "a", "d/b", "none", "0", "1"]
)
BRANCHES = st.sampled_from(["main", "dev"])
WORDS = (
    NAMES
    | st.sampled_from(["", "true", "false", "-1", "1000", "object", "common_prefix", "reset", "source-wins"])
    | TEXT
)
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**70), 2**70) | st.floats() | WORDS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(WORDS, inner, max_size=3),
    max_leaves=6,
)


def values_of(kind: Any) -> st.SearchStrategy[Any]:
    """JSON values that a field of this type takes, its limits left aside."""
    origin, inner = get_origin(kind), get_args(kind)
    if isinstance(kind, type) and issubclass(kind, Body):
        return objects_of(kind)
    if origin is Literal:
        return st.sampled_from(inner)
    if origin in (Union, types.UnionType):
        return st.one_of(values_of(one) for one in inner)
    if origin is list:
        return st.lists(values_of(inner[0]), max_size=4)
    if origin is dict:
        return st.dictionaries(WORDS, values_of(inner[1]), max_size=3)
    if inner:  # Annotated
        return values_of(inner[0])
    simple = {str: WORDS, int: st.integers(-2, 3) | st.integers(), bool: st.booleans(), type(None): st.none()}
    return simple.get(kind, VALUES)


def objects_of(model: type[Body]) -> st.SearchStrategy[dict[str, Any]]:
    fields = {name: values_of(field.annotation) for name, field in model.model_fields.items()}
    required = {name: fields[name] for name, field in model.model_fields.items() if field.is_required()}
    return st.fixed_dictionaries(required, optional={n: f for n, f in fields.items() if n not in required})


def models_of(handler: Callable[..., Any]) -> list[type[Body]]:
    """The bodies that a handler names in its code."""
    while isinstance(handler, functools.partial):
        handler = handler.func
    found = (getattr(handler, "__globals__", {}).get(name) for name in getattr(handler, "__code__", EMPTY).co_names)
    return [model for model in found if isinstance(model, type) and issubclass(model, Body)]


EMPTY = compile("", "", "exec")
OFFERED: list[tuple[str, str, list[type[Body]]]] = [
    *((method, path, models_of(handler)) for method, path, handler in app.ROUTES),
    ("POST", app.BRANCH + "/objects", []),
    ("POST", "/auth/login", [auth.Login]),
    ("POST", "/assay/tokens", [tokens.TokenCreation]),
    ("GET", "/user", []),
    ("POST", app.BRANCH + "/import", models_of(imports.start)),
    ("GET", app.BRANCH + "/import", []),
    ("DELETE", app.BRANCH + "/import", []),
]
NOT_OFFERED: list[tuple[str, str, list[type[Body]]]] = [(how or "POST", path, []) for how, path, _ in app.NOT_OFFERED]


@dataclass(frozen=True)
class Sent:
    method: str
    path: str
    query: str
    headers: dict[str, bytes]
    body: bytes


def as_json(value: Any) -> bytes:
    return json.dumps(value).encode()


@st.composite
def bodies(draw: st.DrawFn, models: list[type[Body]]) -> bytes:
    how = draw(st.sampled_from(["valid"] * 4 + ["list", "nearly", "json", "bytes", "none"]))
    if how in ("valid", "list", "nearly") and models:
        value: Any = draw(st.one_of(objects_of(model) for model in models))
        if how == "nearly" and value:
            broken = draw(st.sampled_from(sorted(value)))
            value = {k: v for k, v in value.items() if k != broken} | draw(
                st.just({}) | st.just({broken: draw(VALUES)})
            )
        return as_json([value] if how == "list" else value)
    return draw(VALUES.map(as_json) if how == "json" else st.binary(max_size=200) if how == "bytes" else st.just(b""))


@st.composite
def requests(draw: st.DrawFn) -> Sent:
    method, template, models = draw(st.sampled_from(OFFERED * 4 + NOT_OFFERED))
    if draw(st.integers(0, 19)) == 0:
        method = draw(st.sampled_from(["GET", "POST", "PUT", "DELETE", "PATCH", "HEAD", "OPTIONS", "TRACE"]))
    hostile = draw(st.integers(0, 7)) == 0

    def segment(found: re.Match[str]) -> str:
        usual = {"repository": "fuzz", "branch": draw(BRANCHES)}.get(found[1]) or draw(NAMES)
        return quote(draw(TEXT.filter(bool)) if hostile else usual, safe="")

    path = re.sub(r"{(\w+)(?::path)?}", segment, template)
    pairs = draw(st.dictionaries(st.sampled_from(QUERIES), WORDS, max_size=2))
    if draw(st.booleans()):
        pairs.setdefault("path", "a")
    query = "&".join(f"{name}={quote(value, safe='')}" for name, value in pairs.items())
    query += draw(st.sampled_from([""] * 8 + ["&path=%ff", "&&&", "&amount=%00", "&a=%zz"]))
    header = st.binary(max_size=20).map(lambda raw: bytes(b for b in raw if b > 31 and b != 127).strip(b" "))
    usual = st.sampled_from(
        [b"bytes=0-1", b"bytes=-1", b"bytes=9-", b"*", b"multipart/form-data; boundary=b", b"text/x"]
    )
    headers = draw(st.dictionaries(st.sampled_from(HEADERS), usual | header, max_size=2))
    return Sent(method, path, query, headers, draw(bodies(models)))


class Fuzzed:
    """A server whose repository `fuzz` has a little of everything, made anew where a request took it away."""

    def __init__(self, server: Any) -> None:
        self.http: httpx.Client = server.http
        self.made = 0

    def state(self) -> list[Any]:
        """Everything but what is staged on `dev`."""
        at = "/repositories/fuzz"
        asked = ("", "/branches?show_hidden=true", "/tags", "/metadata", "/settings/branch_protection")
        found = [self.http.get(at + path).json() for path in (*asked, "/branches/main/diff", "/branches/dev")]
        return [*found, self.http.get("/repositories").json()["results"]]

    def ready(self) -> None:
        if all(self.http.get(f"/repositories/fuzz/{at}").status_code == 200 for at in ("branches/dev", "tags/v1")):
            return
        self.made += 1
        self.http.delete("/repositories/fuzz", params={"force": "true"})
        made = {"name": "fuzz", "storage_namespace": f"local://fuzz-{self.made}"}
        assert self.http.post("/repositories", json=made).status_code == 201
        branch = "/repositories/fuzz/branches"
        for path in ("a", "d/b", "d/c"):
            self.http.post(f"{branch}/main/objects", params={"path": path}, content=path.encode())
        assert self.http.post(f"{branch}/main/commits", json={"message": "m"}).status_code == 201
        self.http.post(branch, json={"name": "dev", "source": "main"})
        self.http.post(f"{branch}/dev/objects", params={"path": "a"}, content=b"staged")
        assert self.http.post("/repositories/fuzz/tags", json={"id": "v1", "ref": "main"}).status_code == 201


@pytest.fixture(scope="module")
def fuzzed(tmp_path_factory: pytest.TempPathFactory, open_server: Callable[..., Any]) -> Iterator[Fuzzed]:
    folder = tmp_path_factory.mktemp("fuzz")
    (folder / "import").mkdir()
    (folder / "import" / "a").write_bytes(b"1")
    with open_server(folder / "home", "--presign", "--allow-import", str(folder / "import")) as server:
        yield Fuzzed(server)


def test_the_fuzzer_knows_bodies_and_queries() -> None:
    """What it derives is not empty, or it would test little without a word."""
    assert {"path", "amount", "delimiter", "stop_at", "user_metadata"} <= set(QUERIES)
    named = {model.__name__ for _, _, models in OFFERED for model in models}
    assert {"CommitCreation", "ProtectionRule", "PathList", "MergeBody", "TokenCreation"} <= named


@settings(
    max_examples=EXAMPLES,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(sent=requests())
def test_no_request_is_a_5xx(fuzzed: Fuzzed, sent: Sent) -> None:
    fuzzed.ready()
    http, url = fuzzed.http, f"{sent.path}?{sent.query}"
    answer = http.request(sent.method, url, headers=sent.headers, content=sent.body)
    event(f"{answer.status_code}")
    assert answer.status_code < 500 or answer.headers["x-error-kind"] == "not-offered", answer.text
    if answer.status_code >= 400 and sent.method != "HEAD":
        assert answer.json()["message"]
    assert http.get("/healthcheck").status_code == 204


@settings(
    max_examples=EXAMPLES // 2,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(sent=requests())
def test_no_request_with_a_token_changes_anything_else(fuzzed: Fuzzed, sent: Sent) -> None:
    fuzzed.ready()
    asked = {"repository": "fuzz", "branches": ["dev"], "access": "stage", "expires_in": 600}
    token = fuzzed.http.post("/assay/tokens", json=asked).json()["token"]
    before = fuzzed.state()
    headers = sent.headers | {"authorization": f"Bearer {token}".encode()}
    url = f"{sent.path}?{sent.query}"
    answer = httpx.request(sent.method, f"{fuzzed.http.base_url}{url[1:]}", headers=headers, content=sent.body)
    event(f"{answer.status_code}")
    assert answer.status_code < 500 or answer.headers["x-error-kind"] == "not-offered", answer.text
    assert fuzzed.state() == before
