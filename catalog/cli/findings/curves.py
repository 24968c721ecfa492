"""Small pictures of a signal: blocks in a terminal, with the finding's span marked below."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from validators.excerpt import Excerpt

BLOCKS = "▁▂▃▄▅▆▇█"


def curve(piece: Excerpt, width: int) -> tuple[str, str]:
    """The signal as at most `width` blocks, each the value furthest from the median in its time; and the line below."""
    width = max(1, min(width, len(piece.values) - 1))
    start, end = float(piece.time_s[0]), float(piece.time_s[-1])
    edges = np.linspace(start, end, width + 1)
    low, high = float(piece.values.min()), float(piece.values.max())
    middle, scale = float(np.median(piece.values)), (high - low) or 1.0
    cell = np.clip(np.searchsorted(edges, piece.time_s, side="right") - 1, 0, width - 1)
    blocks = [" "] * width
    for at in range(width):
        inside = piece.values[cell == at]
        if inside.size:
            value = inside[np.argmax(np.abs(inside - middle))]
            blocks[at] = BLOCKS[min(len(BLOCKS) - 1, int((value - low) / scale * len(BLOCKS)))]
    length = (end - start) or 1.0
    first = int(np.clip((piece.start_s - start) / length * width, 0, width - 1))
    last = int(np.clip((piece.end_s - start) / length * width, first, width - 1))
    marks = " " * first + ("^" if first == last else f"└{'─' * (last - first - 1)}┘")
    return "".join(blocks), marks
