"""The gate: may this model go to this class of device? The verdict first, then what blocks, on which numbers."""

from __future__ import annotations

from typing import Any

import streamlit as st

from catalog.domain.clock import wall_clock
from catalog.domain.decision import Decision
from catalog.domain.views import ModelView, Status
from ui.components import act, approval, columns, standing
from ui.components.facts import facts
from ui.components.problem import known, shown
from ui.session.connection import catalog
from ui.viewmodels import approval as signed
from ui.viewmodels import gate as rows
from ui.viewmodels.text import aligned, markdown, plain
from ui.views import fleet, lineage

OPEN, SCROLLED = 6, 240  # values shown open; more of them scroll in a box of this height in pixels


def place() -> Any:
    """This page, for navigation and for links to it."""
    return st.Page(page, title="Gate", url_path="gate")


def page() -> None:
    """The page."""
    st.title("Gate")
    with shown("Reading models and policies …"):
        connected = catalog()
        models, policies, status = connected.models(), connected.policies(), connected.status()
        waiting, releases, me = connected.waiting(), connected.releases(), connected.me()
    standing.standing(status, me.name)
    names, classes = rows.model_names(models), rows.classes(policies)
    if not names:
        st.info("No model is registered yet.")
        st.code("assay model register NAME FOLDER", language=None)
        return
    if not classes:
        st.error("No policy is in force for any device class, so nothing may be released.")
        return
    known("model", "model", names.values())
    known("device class", "class", classes)
    act.tell()
    approval.queue(waiting, status.epoch)
    if waiting and "model" not in st.query_params and "model" not in st.session_state:
        approval.turn_to(waiting[0].decision)
    left, middle, right = st.columns([3, 3, 1.9], vertical_alignment="bottom")
    model = left.selectbox("Model", list(names), format_func=names.__getitem__, key="model", bind="query-params")
    device_class = middle.selectbox("Device class", classes, key="class", bind="query-params")
    judge = right.button(
        "Judge now",
        type="primary",
        width="stretch",
        help="Reads everything again, as of now; the decision is kept and stands in the audit log.",
    )
    if judge:
        with shown("Judging: reading files, evidence and lineage again …"):
            connected.gate(model, device_class)
            status, waiting = connected.status(), connected.waiting()
    with shown("Reading the decision …"):
        view = connected.model(model)
    decision = rows.newest(view, device_class)
    if decision is None:
        st.warning(f"Nobody has asked the gate about this model for class {markdown(device_class)} yet. Judge it now.")
        return
    _verdict(decision, status)
    for item in waiting:
        if item.decision.digest() == decision.digest():
            approval.release(connected, me, item)
    for made in releases:
        if made.release.manifest.decision == decision.digest() and made.release.allowed_at is not None:
            st.page_link(fleet.place(), label=f"{markdown(signed.released(made))} →")
    _rules(decision)
    _basis(view, decision)


def _verdict(decision: Decision, status: Status) -> None:
    eligible = decision.verdict == "eligible"
    for caveat in rows.caveats(decision, status, wall_clock()):
        st.warning(caveat)
    say, colour = (st.success, "green") if eligible else (st.error, "red")
    headline, scope = markdown(rows.headline(decision)), markdown(rows.scope(decision))
    with st.container(key="verdict"):
        reasons = "\n".join(f"- {markdown(reason)}" for reason in rows.reasons(decision))
        say(f"# :{colour}[{decision.verdict.upper()}]\n**{headline}**\n\n{reasons}\n\n{scope}")


def _rules(decision: Decision) -> None:
    blocking, passing = rows.cards(decision)
    if figures := rows.figures(decision):
        st.subheader("The numbers")
        st.dataframe(
            figures,
            hide_index=True,
            height="content",
            column_config={"verdict": columns.words("verdict", columns.VERDICTS)},
        )
    for floor in (True, False):
        if own := [card for card in blocking if card.floor == floor]:
            st.subheader(f"{_part(decision, floor=floor)}: {_counted(own, 'block')}")
            _cards(own)
    if decision.conditions:
        st.subheader("Notes on this verdict")
        st.markdown("\n".join(f"- {markdown(condition)}" for condition in decision.conditions))
    for floor in (True, False):
        if own := [card for card in passing if card.floor == floor]:
            with st.expander(f"{_part(decision, floor=floor)}: {_counted(own, 'pass')}", expanded=not blocking):
                _cards(own)


def _counted(cards: list[rows.RuleCard], verb: str) -> str:
    return f"{len(cards)} rules {verb}" if len(cards) > 1 else f"1 rule {verb}{'es' if verb == 'pass' else 's'}"


def _part(decision: Decision, *, floor: bool) -> str:
    return "The floor, which nothing can lift" if floor else f"Policy {markdown(decision.policy_name)}"


def _cards(cards: list[rows.RuleCard]) -> None:
    with st.container(gap="xsmall"):
        for card in cards:
            _card(card)


def _card(card: rows.RuleCard) -> None:
    with st.container(border=True):
        name, message, read = st.columns([1.5, 2.4, 3], gap="small")
        name.markdown(f":{columns.VERDICTS[card.verdict]}-badge[{card.verdict}] **{markdown(card.rule)}**")
        with message.container(gap=None):
            st.text(card.message)
            st.caption(markdown(card.clause))
        if card.read:
            height = "content" if len(card.read) <= OPEN else SCROLLED
            read.code(aligned(card.read), language=None, wrap_lines=True, height=height)
        else:
            read.caption("The values are below." if card.documents else "There was nothing to read.")
        for rows_read in card.documents:
            st.dataframe(rows_read, hide_index=True, height="content" if len(rows_read) <= OPEN else SCROLLED)


def _basis(view: ModelView, decision: Decision) -> None:
    st.subheader("What it rests on")
    st.page_link(
        lineage.place(), label="Lineage of this model →", query_params={"of": f"urn:assay:model:{decision.subject[7:]}"}
    )
    evidence, training, digests, history = st.tabs(["Evidence and plan", "Training", "Exact digests", "Decisions"])
    with evidence:
        found = rows.evidence_read(view, decision)
        if not found:
            st.info("The decision read no evidence.")
        for item, plan in found:
            facts(rows.evidence_lines(item))
            if plan is not None:
                st.caption("The plan, in the audit log before the first trial")
                facts(rows.plan_lines(plan))
    with training:
        if view.run is None:
            st.error("No training record: nobody recorded which data and code this model was fitted with.")
        else:
            facts(rows.run_lines(view.run))
    with digests:
        facts(rows.digest_lines(decision))
    with history:
        st.dataframe(
            rows.history_rows(view, plain(decision.device_class or "")),
            hide_index=True,
            column_config={
                "verdict": columns.words("verdict", columns.VERDICTS),
                "decided": columns.time("decided"),
                "holds until": columns.time("holds until"),
            },
        )
