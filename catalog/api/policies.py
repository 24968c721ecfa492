"""Policies: look, try, compare, propose, and sign into force."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Depends, Response

from catalog.api.http import Caller, Route, The, answer, described, items, may, takes
from catalog.db import records, tables
from catalog.domain.policy import ActivePolicy, PolicyText, TryPolicy
from catalog.domain.principal import Principal
from catalog.domain.requests import Signed
from catalog.services.activate_policy import activate_policy, propose_policy
from catalog.services.policy_diff import policy_diff, read_policy, try_policy

router = APIRouter(route_class=Route, tags=["policies"])
Activator = Annotated[Principal, Depends(may("policy.activate"))]
Text = Annotated[PolicyText, Depends(takes(PolicyText))]


@router.get("/policies")
def list_policies(here: The, who: Caller) -> Response:
    """Every policy that ever was in force; of each name the highest version is."""
    who.require("read")
    with here.context.records.read() as c:
        return items(records.many(c, tables.policy, ActivePolicy, order="name"), None)


@router.post("/policies/trials", openapi_extra=described(TryPolicy))
def post_policy_trial(here: The, body: Annotated[TryPolicy, Depends(takes(TryPolicy))], who: Caller) -> Response:
    """Prove a policy's fixtures, and try its rules on recorded evidence; nothing is kept."""
    who.require("read")
    return answer(try_policy(here.context, read_policy(body.text), body.evidence))


@router.post("/policies/differences", openapi_extra=described(PolicyText))
def post_policy_difference(here: The, body: Text, who: Caller) -> Response:
    """A policy against the one in force, and the live releases that it would block; nothing is kept."""
    who.require("read")
    return answer(policy_diff(here.context, read_policy(body.text)))


@router.post("/policies/proposals", openapi_extra=described(PolicyText))
def post_policy_proposal(here: The, body: Text, who: Activator) -> Response:
    """Propose a policy; answers what two approvers must sign."""
    return answer(propose_policy(here.context, who.name, body.text))


@router.post("/policies/activations", openapi_extra=described(Signed))
def post_policy_activation(here: The, body: Annotated[Signed, Depends(takes(Signed))], who: Activator) -> Response:
    """Sign a proposed policy; the second signature puts it in force."""
    return answer(activate_policy(here.context, who.name, body.envelope))
