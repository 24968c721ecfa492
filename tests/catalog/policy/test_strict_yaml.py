"""Strict YAML reads one meaning or none."""

from __future__ import annotations

import json

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from catalog.errors import Invalid
from catalog.policy.strict_yaml import load


def plain(text: str) -> object:
    """The data alone."""
    return load(text)[0]


REFUSED = {
    "duplicate key": ("a: 1\na: 2", "line 2"),
    "duplicate key in a flow": ("{a: 1, 'a': 2}", "line 1"),
    "duplicate key by escape": ('a: 1\n"\\x61": 2', "line 2"),
    "a tag": ("a: !!str 1", "line 1"),
    "a tag that executes": ("!!python/object/apply:os.system [id]", "line 1"),
    "the non-specific tag": ("a: ! 1", "line 1"),
    "an anchor": ("a: &x 1", "line 1"),
    "an alias": ("a: &x [1]\nb: *x", "line 1"),
    "a merge key": ("a: 1\n<<: {b: 1}", "line 2"),
    "a second document": ("a: 1\n---\na: 2", "line 2"),
    "a directive": ("%YAML 1.1\n---\na: 1", "line 1"),
    "a number as key": ("1: a", "line 1"),
    "a boolean as key": ("true: a", "line 1"),
    "a null key": ("null: a", "line 1"),
    "a list as key": ("? [a]\n: 1", "line 1"),
    "yes": ("a: yes", "line 1"),
    "off as key": ("a: 1\noff: 1", "line 2"),
    "True": ("a: True", "line 1"),
    "tilde": ("a: ~", "line 1"),
    "nothing": ("a:", "line 1"),
    "not a number": ("a: .nan", "line 1"),
    "infinity": ("a: -.inf", "line 1"),
    "overflow": ("a: 1e999", "line 1"),
    "more than 64 bits": ("a: 99999999999999999999", "line 1"),
    "thousands of digits": ("a: " + "9" * 5000, "line 1"),
    "hexadecimal": ("a: 0x10", "line 1"),
    "octal of 1.1": ("a: 010", "line 1"),
    "octal of 1.2": ("a: 0o10", "line 1"),
    "underscores": ("a: 1_000", "line 1"),
    "sexagesimal": ("a: 12:30", "line 1"),
    "a date": ("a: 2026-01-01", "line 1"),
    "a plus": ("a: +1", "line 1"),
    "half a surrogate pair": ('a: "\\ud800"', "line 1"),
    "nested too deep": ("[" * 20 + "]" * 20, "line 1"),
    "nested far too deep": ("[" * 60_000, "line 1"),
    "a tab": ("a:\n\t- b", "line 2"),
    "a broken mapping": ("a: b: c", "line 1"),
    "nothing at all": ("", ""),
    "only a comment": ("# nothing", ""),
    "a control character": ("a: \x00", ""),
    "too large": ("a: " + "x" * (256 * 1024), ""),
    "too large in bytes": ("a: " + "é" * (200 * 1024), ""),
}


@pytest.mark.parametrize("name", REFUSED)
def test_refuses(name: str) -> None:
    text, place = REFUSED[name]
    with pytest.raises(Invalid) as error:
        plain(text)
    assert error.value.kind == "policy-invalid"
    assert place in error.value.where
    assert error.value.do


def test_reads_plain_data() -> None:
    text = "a: 1\nb: [true, false, null, -0.5, 1e3, x, 'yes', \"1\", y]\nc: {n: 400}\nd: |\n  two\n  lines\ne: >-\n  one\n  line\n"
    assert plain(text) == {
        "a": 1,
        "b": [True, False, None, -0.5, 1000.0, "x", "yes", "1", "y"],
        "c": {"n": 400},
        "d": "two\nlines\n",
        "e": "one line",
    }
    assert type(plain("a: 1")["a"]) is int


def test_remembers_lines() -> None:
    _, lines = load("a: 1\nrules:\n  - name: x\n    expr: y\n  - name: z\n")
    assert lines["rules", 0] == 3
    assert lines["rules", 0, "expr"] == 4
    assert lines["rules", 1] == 5


PLAIN = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**63 - 1)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(st.characters(codec="utf-8", exclude_categories=["Cs", "Cc", "Cn", "Co"]), max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text("abcxyz ", max_size=4), inner, max_size=3),
    max_leaves=10,
)


@given(PLAIN)
@settings(deadline=None, max_examples=80)
def test_json_is_read_as_json(value: object) -> None:
    assert plain(json.dumps(value, ensure_ascii=False)) == value


@given(st.text(st.characters(codec="utf-8"), max_size=40))
@settings(deadline=None, max_examples=150)
def test_whatever_is_accepted_is_what_the_safe_loader_reads_too(text: str) -> None:
    try:
        value = plain(text)
    except Invalid:
        return
    theirs = yaml.safe_load(text)
    assert value == theirs or isinstance(value, float)  # 1e5 is a JSON number and, in YAML 1.1, a text
