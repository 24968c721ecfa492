"""What a device reads is parsed strictly: any bytes are a document of the schema or a refusal, and never anything else."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from catalog.domain import base
from catalog.domain.audit import AuditHead
from catalog.domain.release import CurrentRelease, DeniedRelease, DenyList, ReleaseManifest
from infra.edge.document import Unreadable, canonical, sha256, strict_json, utc_text
from infra.edge.errors import Damaged, EdgeError, Refused
from infra.edge.release import Current, Head, Manifest, relative
from infra.edge.release import DenyList as EdgeDenyList
from infra.edge.state import Denials, State

AT = datetime(2026, 11, 21, 12, tzinfo=UTC)
ONE, TWO = "00000000-0000-7000-8000-000000000001", "00000000-0000-7000-8000-000000000002"
DIGEST = sha256(b"x")
HEAD = AuditHead(size=3, root=DIGEST)


def manifest() -> dict[str, Any]:
    return {
        "schema": "release@1", "id": ONE, "number": 1, "device_class": "demo-arm", "environment": "demo",
        "hardware": "any", "model": DIGEST, "model_name": "reach", "decision": DIGEST, "policy": DIGEST, "epoch": 0,
        "files": [{"path": "contract.json", "size": 2, "sha256": DIGEST}, {"path": "a/w.npz", "size": 0, "sha256": DIGEST}],
        "audit_head": HEAD.document(), "issued_at": utc_text(AT), "lease_hours": 24,
    }  # fmt: skip


def current() -> dict[str, Any]:
    return CurrentRelease(
        device_class="demo-arm", environment="demo", release=ONE, fallbacks=(TWO,), reason="chosen", requested_at=AT,
        issued_at=AT, lease_until=AT + timedelta(hours=1), epoch=2, audit_head=HEAD,
    ).document()  # fmt: skip


def denied() -> dict[str, Any]:
    line = DeniedRelease(release=TWO, model=DIGEST, reason="calibration", at=AT)
    return DenyList(environment="demo", releases=(line,), issued_at=AT, epoch=2, audit_head=HEAD).document()


def state() -> State:
    return State(
        floor=AT, current=ONE, previous=TWO, trial=True, denials=Denials({TWO: "bad"}, {DIGEST: "bad"}),
        head=Head(3, DIGEST), epoch=4, seq=9, blocked="lease-expired", permit={"snapshot": DIGEST},
        unhealthy={TWO: AT}, times={"requested": AT},
    )  # fmt: skip


READERS = {"manifest": Manifest.parse, "current": Current.parse, "denied": EdgeDenyList.parse, "state": State.parse}
HONEST = {"manifest": manifest, "current": current, "denied": denied, "state": lambda: state().document()}


def test_the_catalogs_documents_are_read_as_they_are_written() -> None:
    assert (
        Manifest.parse(ReleaseManifest.of(manifest()).canonical()).custom() == ReleaseManifest.of(manifest()).custom()
    )
    assert Manifest.parse(canonical(manifest())).target == ReleaseManifest.of(manifest()).path
    assert Current.parse(canonical(current())).names(TWO)
    assert EdgeDenyList.parse(canonical(denied())).releases[0].reason == "calibration"


def test_canonical_json_and_times_are_the_catalogs() -> None:
    document = {"b": [1, "ü\n"], "a": {"z": None}}
    assert canonical(document) == base.canonical(document)
    assert utc_text(AT) == base.utc_text(AT)


def test_no_release_allowed_names_nothing() -> None:
    assert not Current.parse(canonical({**current(), "release": None})).names(TWO)


@given(st.sampled_from(sorted(READERS)), st.binary(max_size=200))
@settings(deadline=None)
def test_any_bytes_are_refused_and_nothing_else(kind: str, data: bytes) -> None:
    with pytest.raises(EdgeError) as caught:
        READERS[kind](data)
    assert caught.value.kind in {"document-invalid", "state-damaged"}


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=20) | st.floats(allow_nan=False, allow_infinity=False),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=6,
)


@given(st.sampled_from(sorted(READERS)), st.data())
@settings(deadline=None)
def test_one_field_of_another_kind_is_refused_or_read_as_it_is(kind: str, data: st.DataObject) -> None:
    document = HONEST[kind]()
    name = data.draw(st.sampled_from(sorted(document)))
    changed = {**document, name: data.draw(JSON)}
    try:
        read = READERS[kind](canonical(changed))
    except (Refused, Damaged) as error:
        if error.kind not in {"document-invalid", "state-damaged"}:
            raise
        return
    if isinstance(read, State):
        assert State.parse(read.canonical()) == read
        assert read.document() == json.loads(canonical(changed))


@pytest.mark.parametrize("kind", sorted(READERS))
def test_a_field_more_a_field_less_and_a_field_twice_are_refused(kind: str) -> None:
    document = HONEST[kind]()
    bad = [{**document, "extra": 1}, {**document, "schema": "release@2"}, []]
    bad += [{k: v for k, v in document.items() if k != name} for name in document]
    twice = canonical(document).replace(b"{", b'{"schema":"x",', 1)
    for data in [*(canonical(one) for one in bad), twice]:
        with pytest.raises(EdgeError):
            READERS[kind](data)


@given(st.text(max_size=30))
@settings(deadline=None)
def test_a_path_that_is_taken_stays_in_its_folder(path: str) -> None:
    try:
        taken = relative(path)
    except Unreadable:
        return
    parts = taken.split("/")
    assert not {"", ".", ".."} & set(parts)
    assert taken.isprintable()
    assert not set("\\:") & set(taken)


@pytest.mark.parametrize(
    "path", ["/etc/x.npz", "../x.npz", "a/../x.npz", "a//x.npz", "a\\x.npz", "a/", "", "C:x.npz", "a\n.npz", "x" * 1025]
)
def test_a_path_out_of_the_folder_is_refused(path: str) -> None:
    document = manifest()
    document["files"][0]["path"] = path
    with pytest.raises(Refused) as caught:
        Manifest.parse(canonical(document))
    assert caught.value.kind == "document-invalid"


@pytest.mark.parametrize("paths", [("a.npz", "a.npz"), ("a.npz", "A.NPZ"), ("a", "a/b.npz"), ("a/b", "A/B/c.npz")])
def test_two_paths_that_are_one_file_are_refused(paths: tuple[str, str]) -> None:
    document = manifest()
    for one, path in zip(document["files"], paths, strict=True):
        one["path"] = path
    with pytest.raises(Refused):
        Manifest.parse(canonical(document))


def test_a_state_is_written_as_it_is_read() -> None:
    assert State.parse(state().canonical()) == state()


@given(st.integers(0, 10**12), st.dictionaries(st.uuids().map(str), st.text(max_size=10), max_size=5), st.datetimes())
@settings(deadline=None)
def test_any_state_survives_its_file(seq: int, releases: dict[str, str], floor: datetime) -> None:
    found = State(floor=floor.replace(tzinfo=UTC), seq=seq, denials=Denials(releases, {}))
    assert State.parse(found.canonical()) == found


@given(st.integers(0, 700))
@settings(deadline=None)
def test_a_state_that_breaks_off_is_damaged(length: int) -> None:
    whole = state().canonical()
    with pytest.raises(Damaged):
        State.parse(whole[: min(length, len(whole) - 1)])


@pytest.mark.parametrize("text", [b'{"a":NaN}', b'{"a":1e999}', b'{"a":1,"a":2}', b"[" * 100_000, b"\xff", b""])
def test_json_is_strict(text: bytes) -> None:
    with pytest.raises(Unreadable):
        strict_json(text)
