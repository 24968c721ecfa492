"""Canonical JSON is one text for one value, and strict JSON refuses what two readers could read differently."""

from __future__ import annotations

import json
import math
from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from catalog.domain.audit import AuditEntry
from catalog.domain.base import canonical, sha256, strict_json, utc_text
from catalog.errors import Invalid

TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=12)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.floats(allow_nan=False, allow_infinity=False) | TEXT,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(TEXT, inner, max_size=4),
    max_leaves=12,
)


@given(JSON)
@settings(deadline=None)
def test_canonical_form_is_a_fixed_point(value: object) -> None:
    data = canonical(value)
    assert strict_json(data, "value") == value
    assert canonical(strict_json(data, "value")) == data


@given(st.dictionaries(TEXT, JSON, max_size=5), st.randoms())
@settings(deadline=None)
def test_the_order_of_keys_and_the_spaces_do_not_matter(value: dict[str, object], random: object) -> None:
    keys = list(value)
    random.shuffle(keys)  # type: ignore[attr-defined]
    text = json.dumps({key: value[key] for key in keys}, indent=3)
    assert canonical(strict_json(text, "value")) == canonical(value)


def test_the_bytes_are_as_documented() -> None:
    assert canonical({"b": [1, 2.5, None], "a": "é"}) == '{"a":"é","b":[1,2.5,null]}'.encode()
    assert sha256(b"") == "sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf, {"a": [math.nan]}])
def test_what_is_not_finite_has_no_canonical_form(value: object) -> None:
    with pytest.raises(ValueError):
        canonical(value)


@pytest.mark.parametrize(
    "text",
    [
        '{"a": 1, "a": 1}',
        '{"a": {"b": 1, "b": 2}}',
        "NaN",
        "[Infinity]",
        "-Infinity",
        "1e999",
        "-1e999",
        '{"a": 1} {"b": 2}',
        "",
        "[" * 100_000,
        b"\xff\xfe{",
        '{"a": 1,}',
    ],
)
def test_strict_json_refuses(text: str | bytes) -> None:
    with pytest.raises(Invalid) as error:
        strict_json(text, "evidence")
    assert error.value.kind == "document-invalid"
    assert "evidence" in str(error.value)


def test_strict_json_has_a_size_limit() -> None:
    assert strict_json(b"[1]", "list", limit=3) == [1]
    with pytest.raises(Invalid, match="larger than 2 bytes"):
        strict_json(b"[1]", "list", limit=2)


@given(st.datetimes(timezones=st.just(UTC)), st.datetimes(timezones=st.just(UTC)))
@settings(deadline=None)
def test_texts_of_times_sort_as_the_times_do(a: datetime, b: datetime) -> None:
    assert (utc_text(a) < utc_text(b)) == (a < b)
    assert datetime.fromisoformat(utc_text(a)) == a


def entry(**changes: object) -> dict[str, object]:
    document: dict[str, object] = {
        "schema": "audit@1",
        "seq": 0,
        "at": "2026-01-01T00:00:00.000000Z",
        "actor": "ada",
        "action": "init",
        "subject": "home",
        "details": {},
        "prev": "sha256:" + "0" * 64,
    }
    return {**document, **changes}


def test_an_entity_is_its_document() -> None:
    parsed = AuditEntry.of(entry())
    assert parsed.document() == entry()
    assert AuditEntry.parse(parsed.canonical()) == parsed
    assert parsed.digest() == sha256(canonical(entry()))


@pytest.mark.parametrize(
    ("changes", "place"),
    [
        ({"more": 1}, "more"),
        ({"seq": "0"}, "seq"),
        ({"seq": 0.5}, "seq"),
        ({"seq": True}, "seq"),
        ({"seq": -1}, "seq"),
        ({"actor": ""}, "actor"),
        ({"actor": 7}, "actor"),
        ({"at": "2026-01-01T00:00:00"}, "at"),
        ({"at": "2026-01-01T00:00:00+02:00"}, "at"),
        ({"at": "yesterday"}, "at"),
        ({"prev": "sha256:" + "A" * 64}, "prev"),
        ({"prev": "0" * 64}, "prev"),
        ({"schema": "audit@2"}, "schema"),
    ],
)
def test_an_entity_takes_nothing_else_and_names_the_bad_part(changes: dict[str, object], place: str) -> None:
    with pytest.raises(Invalid, match=f"AuditEntry: {place}") as error:
        AuditEntry.of(entry(**changes))
    assert error.value.kind == "document-invalid"


def test_a_missing_field_and_a_number_that_is_not_one_are_refused() -> None:
    document = entry()
    del document["actor"]
    with pytest.raises(Invalid, match="actor"):
        AuditEntry.of(document)
    with pytest.raises(Invalid):
        AuditEntry.of(entry(details={"value": math.nan}))


def test_an_entity_does_not_change() -> None:
    parsed = AuditEntry.of(entry())
    with pytest.raises(ValueError, match="frozen"):
        parsed.seq = 1


def test_only_utc_is_a_time() -> None:
    at = datetime(2026, 1, 1, tzinfo=timezone(timedelta(hours=9)))
    with pytest.raises(ValueError, match="UTC"):
        AuditEntry(**{**entry(), "at": at})
