"""What an action file below `_lakefs_actions/` says: which hooks run in which order, on which events of which branches.

Every object below that folder must be a valid action file: what cannot be read is refused by name, never skipped.
Fields that lakeFS does not document are ignored.
"""

from __future__ import annotations

import fnmatch
import itertools
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass

from infra.lakefs.errors import InvalidError
from infra.lakefs.store.conditions import Condition, condition
from infra.lakefs.store.entries import Entry
from infra.lakefs.store.events import KINDS, Event
from infra.lakefs.store.strict_yaml import Value, load
from infra.lakefs.store.webhook import Webhook, webhook

FOLDER = b"_lakefs_actions/"
MAX_FILES = 256
MAX_SIZE = 64 << 10  # bytes
MAX_HOOKS = 64
MAX_PATTERNS = 256
MAX_TEXT = 1024
TYPES = ("webhook", "lua", "airflow")
BRACES = re.compile(r"\{([^{}]*)\}")


@dataclass(frozen=True, slots=True)
class Hook:
    """`webhook` is None for a type that is not offered."""

    id: str
    type: str
    condition: Condition
    webhook: Webhook | None


@dataclass(frozen=True, slots=True)
class Action:
    """`on` maps each kind of event to its patterns of branches; without patterns every branch counts."""

    name: str
    on: Mapping[str, tuple[str, ...]]
    hooks: tuple[Hook, ...]

    def applies(self, event: Event) -> bool:
        patterns = self.on.get(event.kind)
        if patterns is None:
            return False
        return not patterns or any(matches(pattern, event.branch) for pattern in patterns)


def read(entries: Iterable[Entry], content: Callable[[Entry], bytes]) -> Iterator[Action]:
    """The actions of a tree, given its entries from FOLDER on; InvalidError names the file that is wrong."""
    found = itertools.takewhile(lambda entry: entry.path.startswith(FOLDER), entries)
    for number, entry in enumerate(found):
        path = entry.path.decode()
        if number == MAX_FILES:
            raise InvalidError(f"more than {MAX_FILES} action files")
        if entry.size > MAX_SIZE:
            raise InvalidError(f"action file '{path}' has {entry.size} bytes, allowed are {MAX_SIZE}")
        data = content(entry)
        try:
            yield parse(data.decode(), path.removeprefix(FOLDER.decode()))
        except (UnicodeDecodeError, InvalidError) as error:
            raise InvalidError(f"action file '{path}': {error}") from error


def parse(text: str, file_name: str) -> Action:
    """One action file; InvalidError says what is wrong and where."""
    root = _mapping(load(text), "the file")
    name = _text(root.get("name", ""), "name") or file_name
    on = {kind: _patterns(kind, value) for kind, value in _mapping(root.get("on", ""), "on").items()}
    if not on:
        raise InvalidError("on: no event is named")
    listed = _items(root.get("hooks", ""), "hooks", MAX_HOOKS)
    if not listed:
        raise InvalidError("hooks: there is none")
    hooks = tuple(_hook(value, f"hooks[{at}]") for at, value in enumerate(listed))
    if len({hook.id for hook in hooks}) < len(hooks):
        raise InvalidError("hooks: an id stands twice")
    return Action(name, on, hooks)


def matches(pattern: str, branch: str) -> bool:
    """A glob of branch names: `*` and `**` any text, `?` one character, `[a-z]`, `[!a]`, `{one,other}`."""
    return any(fnmatch.fnmatchcase(branch, plain) for plain in _alternatives(pattern))


def _alternatives(pattern: str) -> list[str]:
    parts = BRACES.split(pattern)  # outside, inside, outside, …
    choices = [part.split(",") if at % 2 else [part] for at, part in enumerate(parts)]
    return ["".join(chosen) for chosen in itertools.islice(itertools.product(*choices), MAX_PATTERNS + 1)]


def _hook(value: Value, where: str) -> Hook:
    fields = _mapping(value, where)
    identifier = _text(fields.get("id", ""), f"{where}.id")
    kind = _text(fields.get("type", ""), f"{where}.type")
    if not identifier:
        raise InvalidError(f"{where}.id: required")
    if kind not in TYPES:
        raise InvalidError(f"{where}.type is '{kind}': {', '.join(TYPES)}")
    runs_if = _text(fields.get("if", ""), f"{where}.if")
    properties = _mapping(fields.get("properties", ""), f"{where}.properties")
    try:
        return Hook(identifier, kind, condition(runs_if), webhook(properties) if kind == "webhook" else None)
    except InvalidError as error:
        raise InvalidError(f"{where}: {error}") from error


def _patterns(kind: str, value: Value) -> tuple[str, ...]:
    if kind not in KINDS:
        raise InvalidError(f"on: event '{kind[:80]}' is unknown")
    settings = _mapping(value, f"on.{kind}")
    listed = _items(settings.get("branches", ""), f"on.{kind}.branches", MAX_PATTERNS)
    if listed and kind.endswith("-tag"):
        raise InvalidError(f"on.{kind}.branches: a tag event has no branch")
    patterns = tuple(_text(item, f"on.{kind}.branches") for item in listed)
    for pattern in patterns:
        _check(pattern, f"on.{kind}.branches")
    return patterns


def _check(pattern: str, where: str) -> None:
    """Refuse what would match nothing where its author meant something."""
    outside = BRACES.sub("", pattern)
    if not pattern or "\\" in pattern or re.search(r"[{}]", outside):
        raise InvalidError(
            f"{where}: pattern '{pattern}': *, ?, [a-z], [!a] and {{one,other}}, neither nested nor escaped"
        )
    alternatives = _alternatives(pattern)
    if len(alternatives) > MAX_PATTERNS:
        raise InvalidError(f"{where}: pattern '{pattern}' stands for more than {MAX_PATTERNS} patterns")
    if any(re.search(r"[\[\]]", re.sub(r"\[[^\[\]]+\]", "", plain)) for plain in alternatives):
        raise InvalidError(f"{where}: pattern '{pattern}': a bracket is left open")


def _mapping(value: Value, where: str) -> Mapping[str, Value]:
    if value == "":
        return {}
    if not isinstance(value, dict):
        raise InvalidError(f"{where}: a mapping is needed")
    return value


def _items(value: Value, where: str, most: int) -> list[Value]:
    if value == "":
        return []
    if not isinstance(value, list) or len(value) > most:
        raise InvalidError(f"{where}: a list of at most {most} is needed")
    return value


def _text(value: Value, where: str) -> str:
    if not isinstance(value, str) or len(value) > MAX_TEXT or not value.isprintable():
        raise InvalidError(f"{where}: printable text of at most {MAX_TEXT} characters is needed")
    return value
