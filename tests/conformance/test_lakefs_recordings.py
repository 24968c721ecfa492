"""What a lakeFS server answered is what ours answers, exchange by exchange."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

RECORDINGS = Path(__file__).resolve().parents[2].parent / "shared" / "lakefs"


@pytest.mark.parametrize("name", sorted(path.stem for path in RECORDINGS.glob("*.json")))
def test_answers_as_recorded(name: str, player: Any, recorded_server: Any) -> None:
    failures = player.replay(player.load(RECORDINGS / f"{name}.json"), recorded_server)
    assert [str(failure) for failure in failures] == []
