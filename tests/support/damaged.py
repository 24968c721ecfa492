"""Bytes as damage leaves them: some changed, some gone."""

from __future__ import annotations

from hypothesis import strategies as st


def damaged(content: bytes, data: st.DataObject) -> bytes:
    """One to four places of `content`, which is not empty, changed or cut."""
    spoilt = bytearray(content)
    for _ in range(data.draw(st.integers(1, 4))):
        at = data.draw(st.integers(0, len(spoilt) - 1))
        if data.draw(st.booleans()):
            del spoilt[at : at + data.draw(st.integers(1, len(spoilt)))]
            spoilt += b" "
        else:
            spoilt[at] = data.draw(st.integers(0, 255))
    return bytes(spoilt)
