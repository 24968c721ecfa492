"""The role that approvers sign: one strict canonical form, one release more and nothing else, distinct keys."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tuf.api.metadata import Metadata, Targets

from catalog.attest.keys import generate, keyid, load, public_hex
from catalog.attest.keyset import signed_bytes, signed_file
from catalog.attest.published import signed_role
from catalog.attest.roles import (
    ClassRole,
    added,
    enough,
    following,
    good,
    only_addition,
    read,
    sign_role,
    with_release,
)
from catalog.domain.audit import AuditHead
from catalog.domain.base import canonical, sha256
from catalog.domain.model import ModelFile
from catalog.domain.release import ReleaseManifest, RoleSignature
from catalog.errors import AssayError, Conflict, Invalid

NOW = datetime(2026, 11, 21, 12, tzinfo=UTC)
SLUG = st.from_regex(r"[a-z0-9]([a-z0-9-]{0,20}[a-z0-9])?", fullmatch=True)
DIGEST = st.binary(min_size=1, max_size=8).map(sha256)
WHEN = st.datetimes(datetime(2020, 1, 1), datetime(2090, 1, 1), timezones=st.just(UTC)).map(
    lambda at: at.replace(microsecond=0)
)


def manifest(number: int, device_class: str = "demo-arm", **changed: Any) -> ReleaseManifest:
    fields: dict[str, Any] = {
        "id": f"00000000-0000-7000-8000-{number:012d}",
        "number": number,
        "device_class": device_class,
        "environment": "demo",
        "hardware": 'any \\ "ünïcode"\n',
        "model": sha256(b"model"),
        "model_name": "reach",
        "files": (ModelFile(path="w.npz", size=1, sha256=sha256(b"w")),),
        "decision": sha256(b"decision"),
        "policy": sha256(b"policy"),
        "epoch": 0,
        "audit_head": AuditHead(size=1, root=sha256(b"1")),
        "issued_at": NOW,
        "lease_hours": 24,
    }
    return ReleaseManifest(**fields | changed)


def role_of(*manifests: ReleaseManifest, version: int = 1, expires: datetime = NOW) -> ClassRole:
    role = ClassRole(version=version, expires=expires, targets={})
    for one in manifests:
        role = with_release(role, one, expires)
    return role.model_copy(update={"version": version, "expires": expires})


@st.composite
def roles(draw: st.DrawFn) -> ClassRole:
    """Any role of class demo-arm."""
    numbers = draw(st.sets(st.integers(1, 10**12 - 1), max_size=8))
    made = [manifest(n, model_name=draw(SLUG), environment=draw(SLUG), model=draw(DIGEST)) for n in sorted(numbers)]
    return role_of(*made, version=draw(st.integers(1, 10**9 - 1)), expires=draw(WHEN))


@given(roles())
@settings(max_examples=60, deadline=None)
def test_what_approvers_sign_is_what_every_tuf_client_computes(role: ClassRole) -> None:
    payload = role.canonical()
    parsed: Metadata[Targets] = Metadata[Targets].from_bytes(signed_file(payload, {}))
    assert signed_bytes(parsed.signed) == payload
    assert parsed.signed.expires == role.expires
    assert {path: target.custom for path, target in parsed.signed.targets.items()} == {
        path: listed.custom.document() for path, listed in role.targets.items()
    }
    assert read("demo-arm", payload) == role
    assert signed_role("demo-arm", signed_file(payload, {"a" * 64: "b" * 128}))[:2] == (role, payload)


@given(roles(), st.integers(1, 10**12 - 1), WHEN)
@settings(max_examples=60, deadline=None)
def test_a_proposal_is_exactly_one_addition(role: ClassRole, number: int, at: datetime) -> None:
    new = manifest(number)
    if new.path in role.targets:
        with pytest.raises(Conflict):
            with_release(role, new, at)
        return
    proposed = with_release(role, new, at)
    assert proposed.expires >= role.expires
    (change,) = added(proposed.canonical(), role.document())
    assert (change.what, change.path, change.before) == ("added", new.path, None)
    assert change.after["custom"] == new.custom()
    only_addition(proposed.canonical(), role.document(), new)


@given(roles(), st.data())
@settings(max_examples=100, deadline=None)
def test_one_changed_byte_is_another_role_or_none(role: ClassRole, data: st.DataObject) -> None:
    payload = bytearray(role.canonical())
    place = data.draw(st.integers(0, len(payload) - 1))
    payload[place] ^= data.draw(st.integers(1, 255))
    try:
        found = read("demo-arm", bytes(payload))
    except Invalid:
        return
    assert found != role


A, B, C = manifest(1), manifest(2), manifest(3)


def _changed(role: ClassRole, change: Callable[[dict[str, Any]], None]) -> bytes:
    document = role.document()
    change(document)
    return canonical(document)


@pytest.mark.parametrize(
    "change",
    [
        lambda d: d["targets"].pop(A.path),
        lambda d: d["targets"][A.path].update(length=1),
        lambda d: d["targets"][A.path]["hashes"].update(sha256="0" * 64),
        lambda d: d["targets"][A.path]["custom"].update(decision=sha256(b"another")),
        lambda d: d["targets"].pop(B.path),
        lambda d: d["targets"].update(role_of(C).document()["targets"]),
        lambda d: d["targets"][B.path].update(length=1),
        lambda d: d.update(version=1),
        lambda d: d.update(version=3),
        lambda d: d.update(expires="2026-11-20T12:00:00Z"),
        lambda d: d.update(delegations={"keys": {}, "roles": []}),
        lambda d: d.update(spec_version="1.0.30"),
        lambda d: d.update(_type="root"),
        lambda d: d.update(extra=1),
        lambda d: d["targets"][B.path].update(extra=1),
        lambda d: d["targets"][B.path]["hashes"].update(sha512="0" * 128),
        lambda d: d["targets"][B.path]["custom"].update({"class": "collaborative-arm"}),
        lambda d: d["targets"].update({f"../{B.path}": d["targets"][B.path]}),
        lambda d: d["targets"].update({B.path.upper(): d["targets"].pop(B.path)}),
    ],
)
def test_anything_but_one_addition_is_refused(change: Callable[[dict[str, Any]], None]) -> None:
    published = role_of(A)
    proposed = with_release(published, B, NOW)
    only_addition(proposed.canonical(), published.document(), B)
    with pytest.raises(AssayError) as error:
        only_addition(_changed(proposed, change), published.document(), B)
    assert error.value.kind in {"release-invalid", "release-outdated"}


def test_a_release_of_another_class_has_no_place_in_a_role() -> None:
    payload = with_release(role_of(), manifest(1, "collaborative-arm"), NOW).canonical()
    assert read("collaborative-arm", payload).version == 2
    with pytest.raises(Invalid, match="not of class demo-arm"):
        read("demo-arm", payload)


def test_another_manifest_than_the_one_that_is_listed_is_refused() -> None:
    published = role_of(A)
    payload = with_release(published, B, NOW).canonical()
    for other in (C, manifest(2, hardware="other"), manifest(2, lease_hours=25)):
        with pytest.raises(Invalid):
            only_addition(payload, published.document(), other)


@pytest.mark.parametrize(
    "payload",
    [
        b"",
        b"{}",
        b"[]",
        b"\xff",
        role_of(A).canonical() + b" ",
        role_of(A).canonical().replace(b'"version":1', b'"version":1.0'),
        role_of(A).canonical().replace(b'"version":1', b'"version":true'),
        role_of(A).canonical().replace(b'"version":1', b'"version":1,"version":1'),
        role_of(A).canonical().replace(b'"version":1', b'"version":01'),
        role_of(A).canonical().replace(b'"reach"', b'"\\u0072each"'),
        role_of(A).canonical().replace(b"2026-11-21T12:00:00Z", b"2026-11-21T12:00:00+00:00"),
        role_of(A).canonical().replace(b"2026-11-21T12:00:00Z", b"2026-11-21T12:00:0Z"),
        json.dumps(role_of(A).document()).encode(),
        b"[" * 100_000,
    ],
)
def test_bytes_in_another_form_are_refused(payload: bytes) -> None:
    with pytest.raises(Invalid) as error:
        read("demo-arm", payload)
    assert error.value.kind == "release-invalid"


def test_changes_are_all_named() -> None:
    before = role_of(A, B, version=5, expires=NOW)
    after = role_of(manifest(1, model_name="other"), C, version=9, expires=NOW - timedelta(days=1))
    assert [(change.what, change.path) for change in added(after.canonical(), before.document())] == [
        ("version", ""),
        ("expires", ""),
        ("changed", A.path),
        ("removed", B.path),
        ("added", C.path),
    ]


def test_a_renewed_role_lists_the_same(tmp_path: Path) -> None:
    role = role_of(A, expires=NOW + timedelta(days=1000))
    assert following(role, NOW).expires == role.expires
    assert following(role, NOW + timedelta(days=900)).expires == NOW + timedelta(days=900 + 365)
    assert following(role, NOW).targets == role.targets


@pytest.fixture
def keys(tmp_path: Path) -> dict[str, Path]:
    paths = {name: tmp_path / f"{name}.pem" for name in ("one", "two", "three")}
    for path in paths.values():
        generate(path)
    return paths


def delegated(*paths: Path) -> dict[str, str]:
    publics = [public_hex(load(path)) for path in paths]
    return {keyid(public): public for public in publics}


def refusal(act: Callable[[], Any]) -> str:
    with pytest.raises(AssayError) as error:
        act()
    return error.value.kind


def test_signatures_count_by_distinct_keys(keys: dict[str, Path]) -> None:
    payload = role_of(A).canonical()
    one, two, three = (sign_role(payload, keys[name]) for name in ("one", "two", "three"))
    known = delegated(keys["one"], keys["two"])
    assert good(payload, [one, two], known) == (one.keyid, two.keyid)
    assert refusal(lambda: good(payload, [one, one], known)) == "separation-of-duties"
    assert refusal(lambda: good(payload, [one, three], known)) == "signer-not-enrolled"
    assert refusal(lambda: good(payload + b" ", [one], known)) == "signature-invalid"
    swapped = RoleSignature(keyid=one.keyid, sig=two.sig)
    assert refusal(lambda: good(payload, [swapped, two], known)) == "signature-invalid"
    assert refusal(lambda: enough(payload, [one], known, 2, "demo-arm")) == "approvals-missing"
    assert refusal(lambda: enough(payload, [], known, 1, "demo-arm")) == "approvals-missing"


def test_one_key_under_two_ids_is_one_key(keys: dict[str, Path]) -> None:
    payload = role_of(A).canonical()
    one = sign_role(payload, keys["one"])
    again = RoleSignature(keyid="0" * 64, sig=one.sig)
    known = delegated(keys["one"])
    aliased = {**known, "0" * 64: known[one.keyid]}
    assert refusal(lambda: good(payload, [one, again], aliased)) == "signer-not-enrolled"
    assert refusal(lambda: good(payload, [again], aliased)) == "signer-not-enrolled"


def test_a_key_in_the_home_signs_nothing(keys: dict[str, Path], tmp_path: Path) -> None:
    assert refusal(lambda: sign_role(b"{}", keys["one"], tmp_path)) == "settings-invalid"
