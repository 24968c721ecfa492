"""What people look at before they act: who they are, what waits for a signature, what each class runs."""

from __future__ import annotations

from fastapi import APIRouter, Response

from catalog.api.http import Caller, Route, The, answer, items
from catalog.services import release_records
from catalog.services.fleet import classes
from catalog.services.propose_release import shown
from catalog.services.waiting import waiting

router = APIRouter(route_class=Route, tags=["releases"])


@router.get("/me")
def get_me(who: Caller) -> Response:
    """The principal whose token this is."""
    return answer(who)


@router.get("/waiting")
def get_waiting(here: The, who: Caller) -> Response:
    """Models that the gate allows and that lack signatures or the promotion."""
    who.require("read")
    return items(waiting(here.context), None)


@router.get("/classes")
def get_classes(here: The, who: Caller) -> Response:
    """Every device class: its choice, what devices are told, what going back would bring."""
    who.require("read")
    return items(classes(here.context), None)


@router.get("/releases/{release}/proposal")
def get_proposal(release: str, here: The, who: Caller) -> Response:
    """What approvers of a release are shown and sign."""
    who.require("read")
    return answer(shown(here.context, release_records.release(here.context, release)))
