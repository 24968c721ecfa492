"""The `if` of a hook: `success()`, `failure()`, `true`, `false`, with `!`, `&&`, `||` and parentheses.

`success()` and `failure()` speak of the hooks of the same action that ran before.
"""

from __future__ import annotations

import re
from collections.abc import Callable

from infra.lakefs.errors import InvalidError

MAX_LENGTH = 128
SIGN = re.compile(r"\s*(success\(\)|failure\(\)|true|false|&&|\|\||[!()])")
Condition = Callable[[bool], bool]  # whether the hook runs, given whether one before it failed

TERMS: dict[str, Condition] = {
    "success()": lambda failed: not failed,
    "failure()": lambda failed: failed,
    "true": lambda _: True,
    "false": lambda _: False,
}


def condition(text: str) -> Condition:
    """The meaning of an expression; the empty one is `success()`. InvalidError for anything else."""
    text = text.strip()
    if len(text) > MAX_LENGTH:
        raise InvalidError(f"`if` is longer than {MAX_LENGTH} characters")
    parser = _Parser(text)
    found = parser.either() if text else TERMS["success()"]
    if parser.sign:
        raise parser.refusal()
    return found


class _Parser:
    """`sign` is what comes next, "" at the end."""

    def __init__(self, text: str) -> None:
        self._text = text
        self._at = 0
        self.sign = ""
        self._advance()

    def refusal(self) -> InvalidError:
        return InvalidError(f"`if` is '{self._text}': success(), failure(), true, false, with ! && || and parentheses")

    def either(self) -> Condition:
        left = self._both()
        while self.sign == "||":
            self._advance()
            left = _or(left, self._both())
        return left

    def _both(self) -> Condition:
        left = self._one()
        while self.sign == "&&":
            self._advance()
            left = _and(left, self._one())
        return left

    def _one(self) -> Condition:
        sign = self.sign
        self._advance()
        if sign == "!":
            return _not(self._one())
        if sign == "(":
            inner = self.either()
            if self.sign != ")":
                raise self.refusal()
            self._advance()
            return inner
        if sign not in TERMS:
            raise self.refusal()
        return TERMS[sign]

    def _advance(self) -> None:
        if self._at >= len(self._text):
            self.sign = ""
            return
        found = SIGN.match(self._text, self._at)
        if found is None:
            raise self.refusal()
        self.sign, self._at = found[1], found.end()


def _not(inner: Condition) -> Condition:
    return lambda failed: not inner(failed)


def _and(left: Condition, right: Condition) -> Condition:
    return lambda failed: left(failed) and right(failed)


def _or(left: Condition, right: Condition) -> Condition:
    return lambda failed: left(failed) or right(failed)
