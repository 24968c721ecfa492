"""Pages of anything sorted by path: prefix, delimiter, a place to go on from."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Protocol, TypeVar


class Placed(Protocol):
    @property
    def path(self) -> bytes: ...


T = TypeVar("T", bound=Placed)


@dataclass(frozen=True, slots=True)
class CommonPrefix:
    """Stands for everything below `path`, which ends with the delimiter."""

    path: bytes


def page(
    source: Callable[[bytes], Iterator[T]], prefix: bytes, after: bytes, delimiter: bytes, amount: int
) -> tuple[list[T | CommonPrefix], bool]:
    """Up to `amount` items after `after`, and whether more follow. `source(start)` yields in order from `start` on."""
    found: list[T | CommonPrefix] = []
    start = max(prefix, after + b"\0") if after else prefix
    if delimiter and after.startswith(prefix) and after.endswith(delimiter) and len(after) > len(prefix):
        start = max(start, beyond(after))  # `after` was a common prefix: everything below it was shown
    while True:
        for item in source(start):
            if not item.path.startswith(prefix):
                return found, False
            if len(found) == amount:
                return found, True
            cut = item.path.find(delimiter, len(prefix)) if delimiter else -1
            if cut >= 0:
                common = item.path[: cut + len(delimiter)]
                found.append(CommonPrefix(common))
                start = beyond(common)
                break
            found.append(item)
        else:
            return found, False


def beyond(prefix: bytes) -> bytes:
    """The first key after all that start with `prefix`; UTF-8 never holds 0xff."""
    return prefix + b"\xff"
