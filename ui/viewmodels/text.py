"""Text from outside, made fit to be shown: control characters are seen, and Markdown reads none of it as its own."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable
from datetime import datetime
from itertools import groupby
from typing import Any

UNSEEN = "\N{REPLACEMENT CHARACTER}"
JOINER = "\N{WORD JOINER}"
HEX = 12  # hexadecimal digits of a digest where the whole of it is shown elsewhere
UNITS = {"ms": "ms", "m": "m", "mm": "mm", "s": "s", "deg": "°", "hz": "Hz", "hours": "h", "days": "d", "rad": "rad"}


def plain(text: str) -> str:
    """One line; control, surrogate and format characters (those that turn the direction of writing) made visible."""
    return "".join(_seen(c) for c in re.sub(r"\s+", " ", text)).strip()


def _seen(character: str) -> str:
    return UNSEEN if unicodedata.category(character) in ("Cc", "Cf", "Cs", "Co", "Cn") else character


def markdown(text: str) -> str:
    """Text that Markdown shows as it is: every ASCII punctuation mark is escaped, as CommonMark allows.

    Addresses become links after escapes are read (GitHub's autolinks), so an unseen joiner breaks each of them.
    """
    broken = re.sub(r"(?i)(https?:(?=//)|www(?=\.)|@)", rf"\1{JOINER}", plain(text))
    return re.sub(r"([!-/:-@\[-`{-~])", r"\\\1", broken)


def short(digest: str) -> str:
    """The first digits of `sha256:…`, of a commit or of an id."""
    return plain(digest.removeprefix("sha256:"))[:HEX]


def when(at: datetime) -> str:
    """To the second, in UTC, and it says so."""
    return f"{at:%Y-%m-%d %H:%M:%S} UTC"


def size(count: int) -> str:
    """Bytes as people say them, in powers of 1000."""
    amount, unit = float(count), "B"
    for bigger in ("kB", "MB", "GB", "TB"):
        if amount < 1000:
            break
        amount, unit = amount / 1000, bigger
    return f"{amount:.0f} B" if unit == "B" else f"{amount:.1f} {unit}"


def ranges(numbers: Iterable[int]) -> str:
    """Episodes as runs: `7, 19, 48–59`."""
    ordered = sorted(set(numbers))
    runs = [[n for _, n in run] for _, run in groupby(enumerate(ordered), lambda pair: pair[1] - pair[0])]
    return ", ".join(str(r[0]) if len(r) == 1 else f"{r[0]}–{r[-1]}" for r in runs)


def number(value: float) -> str:
    """Six significant digits; whole numbers whole."""
    return f"{int(value):,}" if float(value).is_integer() and abs(value) < 1e15 else f"{value:.6g}"


def value(read: Any, name: str = "") -> str:
    """One value that a rule read, with the unit that its name ends in."""
    if read is None:
        return "not known"
    if isinstance(read, bool):
        return "yes" if read else "no"
    if isinstance(read, int | float):
        unit = UNITS.get(name.rsplit("_", 1)[-1], "") if "_" in name else ""
        return f"{number(read)} {unit}".strip().replace(" °", "°")
    if isinstance(read, dict):
        said = [f"{plain(str(k))} {value(v, str(k))}" for k, v in read.items() if v not in ("", None)]
        return ", ".join(sorted(said, key=lambda text: ("sha256:" in text, text)))
    if isinstance(read, list | tuple):
        return ", ".join(value(v) for v in read) or "none"
    return plain(str(read))


def values(read: dict[str, Any]) -> list[tuple[str, str]]:
    """Every value that a rule read but its documents, as (name, value); thresholds last."""
    ordered = sorted(read.items(), key=lambda pair: (pair[0].startswith("policy."), pair[0]))
    return [(plain(name), value(item, name)) for name, item in ordered if not listed(item)]


def listed(item: Any) -> bool:
    """Whether a value is a list of documents, which is shown as a table."""
    return isinstance(item, list) and bool(item) and all(isinstance(i, dict) for i in item)


def aligned(rows: Iterable[tuple[str, str]]) -> str:
    """Rows of name and value in two columns of fixed width."""
    listed = list(rows)
    wide = max((len(name) for name, _ in listed), default=0)
    return "\n".join(f"{name:<{wide}}  {shown}" for name, shown in listed)
