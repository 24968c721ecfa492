"""A button is on for who may press it, and says why it is off for everybody else."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from catalog.domain.principal import ACTIONS, EVERYBODY, Principal, Role
from catalog.errors import Refused
from ui.viewmodels import acting


def person(*roles: Role) -> Principal:
    return Principal(name="somebody", roles=roles, enrolled_by="init", enrolled_at=datetime(2026, 1, 1, tzinfo=UTC))


@pytest.mark.parametrize("action", sorted(ACTIONS))
@pytest.mark.parametrize("role", sorted(EVERYBODY))
def test_the_page_allows_what_the_service_allows(action: str, role: Role) -> None:
    said = acting.why_off(person(role), action, unlocked=True)
    try:
        person(role).require(action)
    except Refused:
        assert role in said
        assert all(r in said for r in ACTIONS[action])
    else:
        assert said == ""


@pytest.mark.parametrize("action", sorted(ACTIONS))
def test_a_session_without_the_code_may_do_nothing(action: str) -> None:
    assert acting.why_off(person(*sorted(EVERYBODY)), action, unlocked=False) == acting.LOCKED
