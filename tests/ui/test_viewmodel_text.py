"""Text from outside stays text: Markdown reads none of it, no character hides, and values are said with their units."""

from __future__ import annotations

import re
import unicodedata
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ui.viewmodels import text


@given(st.text())
def test_markdown_leaves_no_mark_unescaped_and_loses_nothing(said: str) -> None:
    shown = text.markdown(said)
    assert not re.search(r"(?<!\\)(?:\\\\)*[!-/:-@\[\]-`{-~]", re.sub(r"\\[!-/:-@\[-`{-~]", "", shown))
    assert re.sub(r"\\([!-/:-@\[-`{-~])", r"\1", shown).replace(text.JOINER, "") == text.plain(said)


@given(
    st.text(), st.sampled_from(["http://evil.example", "HTTPS://evil.example", "www.evil.example", "a@evil.example"])
)
def test_no_address_is_left_for_markdown_to_link(around: str, address: str) -> None:
    read = re.sub(r"\\([!-/:-@\[-`{-~])", r"\1", text.markdown(around + address))
    assert not re.search(r"(?i)https?://|www\.|@[-\w]", read)


@given(st.text())
def test_plain_text_is_one_line_without_unseen_characters(said: str) -> None:
    shown = text.plain(said)
    assert not [c for c in shown if unicodedata.category(c) in ("Cc", "Cf", "Cs", "Zl", "Zp")]
    assert text.plain(shown) == shown


@pytest.mark.parametrize("sign", ["\u202e", "\u200b", "\x00", "\x1b", "\ud800"])
def test_a_character_that_would_hide_is_seen(sign: str) -> None:
    assert text.plain(f"a{sign}b") == f"a{text.UNSEEN}b"


@given(st.lists(st.integers(0, 500)))
def test_ranges_name_every_episode_once(numbers: list[int]) -> None:
    named: list[int] = []
    for run in filter(None, text.ranges(numbers).split(", ")):
        first, _, last = run.partition("–")
        named += range(int(first), int(last or first) + 1)
    assert named == sorted(set(numbers))


@pytest.mark.parametrize(
    ("read", "name", "said"),
    [
        (0.98289, "success.lower", "0.98289"),
        (20.0, "policy.latency_p99_ms", "20 ms"),
        (2000, "latency.idle.steps", "2,000"),
        (5.04, "joint_zero_deg", "5.04°"),
        (True, "finished", "yes"),
        (None, "seed", "not known"),
        ([], "found", "none"),
        ({"digest": "sha256:0", "name": "arm v1", "why_not": ""}, "input", "name arm v1, digest sha256:0"),
    ],
)
def test_a_value_is_said_with_its_unit(read: object, name: str, said: str) -> None:
    assert text.value(read, name) == said


def test_every_value_of_a_rule_is_listed_with_thresholds_last() -> None:
    read = {"policy.least": 0.9, "success.lower": 0.95, "inputs": [{"name": "a"}, {"name": "b"}]}
    assert text.values(read) == [
        ("success.lower", "0.95"),
        ("policy.least", "0.9"),
    ]


@pytest.mark.parametrize(("count", "said"), [(0, "0 B"), (999, "999 B"), (1000, "1.0 kB"), (3_200_000, "3.2 MB")])
def test_sizes(count: int, said: str) -> None:
    assert text.size(count) == said


def test_times_say_their_zone() -> None:
    assert text.when(datetime(2026, 1, 2, 3, 4, 5, 6, tzinfo=UTC)) == "2026-01-02 03:04:05 UTC"
