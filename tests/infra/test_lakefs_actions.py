"""What an action file may say, and what is refused by name."""

from __future__ import annotations

import json
from contextlib import suppress
from itertools import product
from typing import Any

import pytest
import yaml
from hypothesis import assume, given
from hypothesis import strategies as st

from infra.lakefs.errors import InvalidError
from infra.lakefs.store.actions import MAX_FILES, MAX_SIZE, Action, matches, parse, read
from infra.lakefs.store.conditions import condition
from infra.lakefs.store.entries import make_entry
from infra.lakefs.store.events import KINDS, Event, decode
from infra.lakefs.store.strict_yaml import load
from infra.lakefs.store.webhook import duration

HOOK = "hooks: [{id: gate, type: webhook, properties: {url: 'http://h/x'}}]\n"
ON = "on: {pre-commit: {branches: [main, 'w*']}}\n"


def event(kind: str, branch: str = "") -> Event:
    return Event(kind, 0, "repo", "", "main", branch)


def test_a_file_as_lakefs_documents_it() -> None:
    action = parse(
        """
name: Good files check
description: set of checks
on:
  pre-commit:
  pre-merge:
    branches:
      - main
      - 'release-?'
hooks:
  - id: no_temp
    type: webhook
    description: no temporary files
    properties:
      url: "https://example.com/webhook?notmp=true?t=1za2"
      timeout: 1m30s
      query_params:
        disallow: ["user_", "private_"]
        prefix: public/
      headers:
        secret_header: "{{ ENV.MY_SECRET }}"
  - id: alert
    type: webhook
    if: failure()
    properties: {url: "https://example.com/alert"}
  - id: always
    type: webhook
    if: true
    properties: {url: "https://example.com/notification"}
""",
        "checks.yaml",
    )
    assert action.name == "Good files check"
    assert action.on == {"pre-commit": (), "pre-merge": ("main", "release-?")}
    assert [hook.id for hook in action.hooks] == ["no_temp", "alert", "always"]
    first = action.hooks[0].webhook
    assert first is not None
    assert (first.timeout, first.headers) == (90.0, (("secret_header", "{{ ENV.MY_SECRET }}"),))
    assert first.parameters == (("disallow", "user_"), ("disallow", "private_"), ("prefix", "public/"))
    assert [hook.condition(True) for hook in action.hooks] == [False, True, True]
    assert [hook.condition(False) for hook in action.hooks] == [True, False, True]
    assert action.applies(event("pre-commit", "any"))
    assert action.applies(event("pre-merge", "release-1"))
    assert not action.applies(event("pre-merge", "release-10"))
    assert not action.applies(event("post-commit", "main"))


def test_a_file_without_a_name_is_called_as_its_file() -> None:
    assert parse(ON + HOOK, "deep/checks.yaml").name == "deep/checks.yaml"


@pytest.mark.parametrize("kind", sorted(KINDS))
def test_every_documented_event_can_be_named(kind: str) -> None:
    assert parse(f"on: {{{kind}: }}\n{HOOK}", "f").applies(event(kind, "main"))


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "on: no event"),
        ("[]", "a mapping is needed"),
        ("on: {}\n" + HOOK, "no event"),
        ("on: [pre-commit]\n" + HOOK, "on: a mapping"),
        ("on: {pre-comit: }\n" + HOOK, "'pre-comit' is unknown"),
        ("on: {pre-commit: {branches: main}}\n" + HOOK, "branches: a list"),
        ("on: {pre-commit: {branches: ['[a']}}\n" + HOOK, "bracket is left open"),
        ("on: {pre-commit: {branches: ['{a']}}\n" + HOOK, "pattern '{a'"),
        ("on: {pre-commit: {branches: ['a\\b']}}\n" + HOOK, "pattern 'a\\b'"),
        ("on: {pre-commit: {branches: ['" + "{a,b}" * 9 + "']}}\n" + HOOK, "more than 256"),
        ("on: {pre-create-tag: {branches: [main]}}\n" + HOOK, "a tag event has no branch"),
        (ON, "hooks: there is none"),
        (ON + "hooks: []", "hooks: there is none"),
        (ON + "hooks: [{type: webhook}]", "hooks[0].id: required"),
        (ON + "hooks: [{id: a, type: shell}]", "type is 'shell'"),
        (ON + "hooks: [{id: a, type: webhook}]", "hooks[0]: url"),
        (ON + "hooks: [{id: a, type: webhook, properties: {url: 'file:///etc/passwd'}}]", "hooks[0]: url"),
        (ON + "hooks: [{id: a, type: webhook, properties: {url: 'http://{{ ENV.H }}/'}}]", "hooks[0]: url"),
        (ON + "hooks: [{id: a, type: webhook, properties: {url: 'http://h:99999/'}}]", "hooks[0]: url"),
        (ON + "hooks: [{id: a, type: webhook, properties: {url: 'http://h', timeout: 10}}]", "timeout"),
        (ON + "hooks: [{id: a, type: webhook, properties: {url: 'http://h', timeout: 2h}}]", "timeout"),
        (ON + "hooks: [{id: a, type: webhook, properties: {url: 'http://h', headers: {'a b': c}}}]", "'a b'"),
        (ON + "hooks: [{id: a, type: webhook, properties: {url: 'http://h', headers: {host: c}}}]", "'host'"),
        (ON + "hooks: [{id: a, type: webhook, properties: {url: 'http://h', headers: {x: '{{ X }}'}}}]", "ENV.NAME"),
        (ON + "hooks: [{id: a, type: lua, if: 'success('}]", "`if`"),
        (ON + "hooks: [{id: a, type: lua}, {id: a, type: lua}]", "an id stands twice"),
        (ON + ON + HOOK, "key 'on' stands twice"),
        ("a: &x 1\n" + ON + HOOK, "anchors"),
        ("a: !!int 1\n" + ON + HOOK, "tags"),
        ("---\n" + ON + HOOK + "---\n" + ON + HOOK, "a second document"),
        ("a: " + "[" * 20 + "]" * 20, "nested"),
        ("on: {pre-commit: \x00", "YAML forbids"),
        ("on: {", "line 1: not YAML"),
        ('name: "\\ud800"\n' + ON + HOOK, "half of a character"),
        (ON + "hooks:\n\t- id", "not YAML"),
    ],
)
def test_what_is_wrong_is_said(text: str, said: str) -> None:
    with pytest.raises(InvalidError) as refused:
        parse(text, "f.yaml")
    assert said in str(refused.value)


def test_a_bomb_of_aliases_is_refused_at_its_first_anchor() -> None:
    bomb = "a: &a [x]\n" + "".join(f"{chr(98 + n)}: &{chr(98 + n)} [{f'*{chr(97 + n)},' * 9}]\n" for n in range(20))
    with pytest.raises(InvalidError, match="line 1: anchors"):
        load(bomb)


def test_every_file_below_the_folder_counts_and_is_named_when_wrong() -> None:
    def entries(*files: tuple[str, bytes]) -> list[Any]:
        return [
            make_entry(path.encode(), b"", b"", len(content), 0, "", {"c": content.decode("latin-1")})
            for path, content in files
        ]

    def content_of(entry: Any) -> bytes:
        said: str = entry.user_metadata["c"]
        return said.encode("latin-1")

    good = (ON + HOOK).encode()
    found = list(read(entries(("_lakefs_actions/a", good), ("_lakefs_actions/b/c.yml", good), ("a", b"{")), content_of))
    assert [action.name for action in found] == ["a", "b/c.yml"]
    for content, said in (
        (b"\xff", "_lakefs_actions/x"),
        (b"notes", "_lakefs_actions/x"),
        (b" " * (MAX_SIZE + 1), "bytes"),
    ):
        with pytest.raises(InvalidError, match=said):
            list(read(entries(("_lakefs_actions/x", content)), content_of))
    with pytest.raises(InvalidError, match=f"more than {MAX_FILES}"):
        list(read(entries(*((f"_lakefs_actions/{n:04}", good) for n in range(MAX_FILES + 1))), content_of))


TEXT = st.text(
    st.characters(codec="utf-8", exclude_categories=["Cc", "Cs"], exclude_characters="\ufeff\u2028\u2029\ufffe\uffff"),
    max_size=20,
)
TREES = st.recursive(
    TEXT, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXT, inner, max_size=3), max_leaves=12
)


@given(TREES)
def test_what_yaml_writes_as_text_is_read_as_that_text(tree: Any) -> None:
    assert load(json.dumps(tree, ensure_ascii=False)) == tree
    written = yaml.safe_dump(tree, default_style='"', allow_unicode=True)
    assume("&id" not in written)  # equal lists become one with an alias
    assert load(written.replace('!!null "', '"')) == tree


@given(
    st.text(max_size=200)
    | st.lists(
        st.sampled_from(
            [
                "on",
                ":",
                " ",
                "\n",
                "-",
                "[",
                "{",
                "}",
                "]",
                "&a",
                "*a",
                "!!x",
                "#",
                "'",
                '"',
                "|",
                "pre-commit",
                "hooks",
                "id",
            ]
        ),
        max_size=40,
    ).map("".join)
)
def test_any_text_is_an_action_or_refused(text: str) -> None:
    with suppress(InvalidError):
        assert isinstance(parse(text, "f"), Action)


def slow_match(pattern: str, text: str) -> bool:
    """The definition of a glob, by trying everything."""
    if "{" in pattern:
        before, rest = pattern.split("{", 1)
        inside, after = rest.split("}", 1)
        return any(slow_match(before + choice + after, text) for choice in inside.split(","))
    if not pattern:
        return not text
    if pattern[0] == "*":
        return any(slow_match(pattern[1:], text[at:]) for at in range(len(text) + 1))
    if not text:
        return False
    if pattern[0] == "[":
        inside, after = pattern[1:].split("]", 1)
        negated, letters = inside.startswith("!"), inside.removeprefix("!")
        return (text[0] in letters) != negated and slow_match(after, text[1:])
    return pattern[0] in ("?", text[0]) and slow_match(pattern[1:], text[1:])


PIECES = st.sampled_from(["a", "b", "-", "*", "**", "?", "[ab]", "[!a]", "{a,bb}", "{,b}"])


@given(st.lists(PIECES, max_size=6).map("".join), st.text("ab-", max_size=6))
def test_a_glob_matches_what_its_definition_says(pattern: str, branch: str) -> None:
    assert matches(pattern, branch) == slow_match(pattern, branch)


def test_a_glob_of_many_stars_answers_at_once() -> None:
    assert not matches("*a" * 200 + "b", "a" * 1024)


EXPRESSIONS = st.recursive(
    st.sampled_from(["success()", "failure()", "true", "false"]),
    lambda inner: (
        inner.map(lambda e: f"!{e}")
        | inner.map(lambda e: f"( {e} )")
        | st.tuples(inner, st.sampled_from([" && ", "||"]), inner).map("".join)
    ),
    max_leaves=6,
)


@given(EXPRESSIONS, st.booleans())
def test_a_condition_means_what_python_means(text: str, failed: bool) -> None:
    assume(len(text) <= 128)
    words = {
        "success()": str(not failed),
        "failure()": str(failed),
        "true": "True",
        "false": "False",
        "&&": " and ",
        "||": " or ",
        "!": " not ",
    }
    python = text
    for ours, theirs in words.items():
        python = python.replace(ours, theirs)
    assert condition(text)(failed) == eval(python.strip())


@pytest.mark.parametrize(
    "text", ["success", "always()", "true false", "!", "(true", "true)", "&& true", "true ||", "!" * 129, "(" * 100]
)
def test_a_condition_that_is_none_is_refused(text: str) -> None:
    with pytest.raises(InvalidError, match="`if`"):
        condition(text)


@given(st.integers(0, 59), st.integers(1, 59))
def test_durations_add_up(minutes: int, seconds: int) -> None:
    assert duration(f"{minutes}m{seconds}s") == minutes * 60 + seconds
    assert duration(f"{seconds}.5s500ms") == seconds + 1
    for wrong in (
        f"{seconds}",
        f"-{seconds}s",
        f"{seconds}d",
        f"{seconds}s ",
        "0s",
        "",
        "s",
        "9" * 40 + "s",
        f"{60 + minutes}m1s",
    ):
        with pytest.raises(InvalidError):
            duration(wrong)


@given(
    st.builds(
        Event,
        st.sampled_from(sorted(KINDS)),
        st.integers(0, 2**50),
        TEXT,
        TEXT,
        TEXT,
        TEXT,
        TEXT,
        TEXT,
        TEXT,
        TEXT,
        TEXT,
        st.dictionaries(TEXT, TEXT, max_size=3),
    )
)
def test_an_event_survives_the_queue(told: Event) -> None:
    assert decode(told.encoded()) == told


def test_a_payload_leaves_out_what_is_not_known() -> None:
    for kind, commit in product(("pre-commit", "post-commit"), ("", "c")):
        told = Event(kind, 1_700_000_000_000_000, "repo", "t", "main", "main", commit_id=commit).payload("a", "h")
        assert set(told) - {"commit_id"} == {
            "event_type",
            "event_time",
            "action_name",
            "hook_id",
            "repository_id",
            "branch_id",
            "source_ref",
        }
        assert ("commit_id" in told) == (kind == "post-commit" and bool(commit))
        assert told["event_time"] == "2023-11-14T22:13:20Z"
