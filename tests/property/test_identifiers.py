"""UUIDv7: well-formed, unique, and sorted by the time they were made."""

from __future__ import annotations

import time
import uuid

import pytest
from hypothesis import given
from hypothesis import strategies as st

from catalog.domain import clock


@given(st.lists(st.integers(0, 2**48 - 1), min_size=2, max_size=20, unique=True))
def test_ids_sort_by_time(milliseconds: list[int]) -> None:
    with pytest.MonkeyPatch.context() as patch:
        made = []
        for at in milliseconds:
            patch.setattr(time, "time_ns", lambda at=at: at * 1_000_000)
            made.append(clock.uuid7())
    order = sorted(range(len(made)), key=lambda i: made[i])
    assert [milliseconds[i] for i in order] == sorted(milliseconds)
    for at, text in zip(milliseconds, made, strict=True):
        parsed = uuid.UUID(text)
        assert str(parsed) == text
        assert (parsed.version, parsed.variant) == (7, uuid.RFC_4122)
        assert parsed.int >> 80 == at


def test_ids_of_one_moment_differ() -> None:
    assert len({clock.uuid7() for _ in range(10_000)}) == 10_000
