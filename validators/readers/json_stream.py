"""A JSON document from a stranger, item by item: memory is that of one item, what is wrong is said with its line."""

from __future__ import annotations

import codecs
import json
import re
from collections.abc import Callable, Iterator
from typing import IO, Any, NoReturn, TypeAlias

from validators.errors import UnreadableDataset

MAX_BYTES = 8 << 30  # of one document
MAX_ITEM = 64 << 20  # characters of one item
HEAD = 1 << 16  # bytes that tell what a document is
CHUNK = 1 << 18

Place: TypeAlias = tuple[str | int, ...]  # keys and positions from the document's top

_BLANK = re.compile(r"[ \t\r\n]*")


def spelled(place: Place) -> str:
    """The place as people write it: `frames.12.objects[3]`."""
    return "".join(f"[{p}]" if isinstance(p, int) else f".{p}" for p in place).removeprefix(".")


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        keys = [k for k, _ in pairs]
        raise _Twice(next(k for k in keys if keys.count(k) > 1))
    return found


class _Twice(ValueError):
    pass


class _Ended(Exception):
    """The head ended before the document."""


class _Text:
    """What was read of the document and not yet used."""

    def __init__(self, file: IO[bytes], where: str, *, head: bool = False) -> None:
        self._file, self._where, self._head = file, where, head
        self._decode = codecs.getincrementaldecoder("utf-8-sig")()
        self._scan = json.JSONDecoder(object_pairs_hook=_object).raw_decode
        self._text, self._at, self._all = "", 0, False
        self._lines, self._column, self._bytes = 1, 0, 0  # of what was dropped

    def _more(self) -> bool:
        """Reads on, at least as much again as is kept; false at the end."""
        if self._all or (self._head and self._bytes >= HEAD):
            return self._stop()
        used = self._text[: self._at]
        if lines := used.count("\n"):
            self._lines, self._column = self._lines + lines, len(used) - used.rindex("\n") - 1
        else:
            self._column += len(used)
        rest = self._text[self._at :]
        try:
            read = self._file.read(HEAD if self._head else max(CHUNK, len(rest)))
            self._all = not read
            self._text, self._at = rest + self._decode.decode(read, final=self._all), 0
        except UnicodeDecodeError as error:
            at = f"{error.reason} near byte {self._bytes + error.start}"
            raise UnreadableDataset("metadata-invalid", f"no UTF-8 text: {at}", path=self._where) from error
        except OSError as error:
            raise UnreadableDataset("file-damaged", f"cannot be read: {error}", path=self._where) from error
        self._bytes += len(read)
        if self._bytes > MAX_BYTES:
            raise UnreadableDataset("too-large", f"more than {MAX_BYTES} bytes of JSON", path=self._where)
        return not self._all

    def _stop(self) -> bool:
        if self._head and not self._all:
            raise _Ended
        return False

    def fail(self, message: str, at: int | None = None) -> NoReturn:
        """Refuses the document, with line and column."""
        used = self._text[: self._at if at is None else at]
        lines = used.count("\n")
        column = len(used) - used.rindex("\n") - 1 if lines else self._column + len(used)
        detail = f"no JSON at line {self._lines + lines}, column {column + 1}: {message}"
        raise UnreadableDataset("metadata-invalid", detail, path=self._where)

    def peek(self) -> str:
        """The next character that is no blank; empty at the end."""
        while True:
            match = _BLANK.match(self._text, self._at)
            self._at = match.end() if match else self._at
            if self._at < len(self._text):
                return self._text[self._at]
            if not self._more():
                return ""

    def take(self, expected: str) -> str:
        """The next character, one of those expected."""
        found = self.peek()
        if not found or found not in expected:
            wanted = " or ".join(repr(c) for c in expected)
            self.fail(f"{wanted} was expected, {repr(found) if found else 'the end'} was found")
        self._at += 1
        return found

    def value(self) -> Any:
        """The next value, whole."""
        self.peek()
        while True:
            try:
                value, end = self._scan(self._text, self._at)
            except json.JSONDecodeError as error:
                cut = error.pos > len(self._text) - 16 or error.msg.startswith("Unterminated")
                into = error.pos - self._at  # growing moves the text
                if not cut or not self._grow():
                    self.fail(error.msg, self._at + into)
            except StopIteration:
                if not self._grow():
                    self.fail("a value was expected")
            except RecursionError:
                self.fail("nested too deeply")
            except _Twice as error:
                self.fail(f"in the value that begins here, key {error.args[0]!r} occurs twice")
            except ValueError as error:  # an integer of thousands of digits
                self.fail(str(error))
            else:
                length = end - self._at
                if end < len(self._text) - 2 or not self._grow():  # a number may go on: `1` of `1e+5`
                    self._at += length
                    return value

    def _grow(self) -> bool:
        if len(self._text) - self._at > MAX_ITEM:
            detail = f"an item of more than {MAX_ITEM} characters near line {self._lines}"
            raise UnreadableDataset("too-large", detail, path=self._where)
        return self._more()


def walk(file: IO[bytes], where: str, opened: Callable[[Place], bool]) -> Iterator[tuple[Place, Any]]:
    """(place, value) of each member of the containers that are opened; an opened one comes first, as [] or {}.

    NaN and Infinity are taken as numbers, because many tools write them. Raises `UnreadableDataset`
    (`metadata-empty`, `metadata-invalid` with line and column, `too-large`).
    """
    text = _Text(file, where)
    if not text.peek():
        raise UnreadableDataset("metadata-empty", "holds no JSON; copy it again", path=where)
    yield from _members(text, (), opened)
    if text.peek():
        text.fail("something follows the document")


def _members(text: _Text, place: Place, opened: Callable[[Place], bool]) -> Iterator[tuple[Place, Any]]:
    begins = text.peek()
    if begins not in ("{", "[") or not opened(place):
        yield place, text.value()
        return
    text.take(begins)
    ends = "}" if begins == "{" else "]"
    yield place, {} if begins == "{" else []
    keys: set[str] = set()
    number = 0
    if text.peek() == ends:
        text.take(ends)
        return
    while True:
        key: str | int = number
        if begins == "{":
            if text.peek() != '"':
                text.fail("a key in double quotes was expected")
            key = text.value()
            if key in keys:
                text.fail(f"key {key!r} occurs twice")
            keys.add(str(key))
            text.take(":")
        yield from _members(text, (*place, key), opened)
        number += 1
        if text.take("," + ends) == ends:
            return


def head(file: IO[bytes]) -> dict[str, Any] | None:
    """Top-level keys of an object with their values, as far as the first 64 KiB go; of a list its first item.

    None when that is no beginning of a JSON object.
    """
    text = _Text(file, "", head=True)
    found: dict[str, Any] = {}
    skipped: set[str | int] = set()
    try:
        if text.peek() != "{":
            return None
        for place, value in _members(text, (), lambda p: len(p) < 2):
            if len(place) == 1 and isinstance(place[0], str):
                found[place[0]] = value
            elif len(place) == 2 and place[1] == 0 and place[0] not in skipped:
                found[str(place[0])] = [value]
            elif len(place) == 2 and isinstance(place[1], str):
                found[str(place[0])][place[1]] = value
    except (_Ended, UnreadableDataset):
        return found or None
    return found
