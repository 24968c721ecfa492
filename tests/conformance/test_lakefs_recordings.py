"""What a lakeFS server answered is what ours answers, exchange by exchange."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

RECORDINGS = Path(__file__).resolve().parents[2].parent / "shared" / "lakefs"
NAMES = sorted(path.stem for path in RECORDINGS.glob("*.json"))
ABSENT = pytest.param("", marks=pytest.mark.skip(reason="the shared recordings are not beside the checkout"))


@pytest.mark.parametrize("name", NAMES or [ABSENT])
def test_answers_as_recorded(name: str, player: Any, recorded_server: Any) -> None:
    failures = player.replay(player.load(RECORDINGS / f"{name}.json"), recorded_server)
    assert [str(failure) for failure in failures] == []
