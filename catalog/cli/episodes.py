"""Episode indices as people write and read them: `0,3,5` in, `0, 3-5` out."""

from __future__ import annotations

from catalog.errors import Invalid


def indices(text: str) -> tuple[int, ...]:
    """The indices in a comma-separated list; raises `Invalid`."""
    parts = [part.strip() for part in text.split(",")]
    if not all(part.isascii() and part.isdigit() and len(part) <= 9 for part in parts):
        raise Invalid("input-invalid", f"{text!r} is no list of episode indices", do="write indices such as 3,17,20")
    return tuple(int(part) for part in parts)


def ranges(indices: tuple[int, ...], *, shorten: bool = False) -> str:
    """`3, 7-9, 12` for 3, 7, 8, 9, 12; shortened to its ends when that is long."""
    runs: list[list[int]] = []
    for index in sorted(indices):
        if runs and index == runs[-1][1] + 1:
            runs[-1][1] = index
        else:
            runs.append([index, index])
    parts = [str(a) if a == b else f"{a}-{b}" for a, b in runs]
    return f"{len(indices)} of {parts[0]}…{parts[-1]}" if shorten and len(parts) > 3 else ", ".join(parts)
