"""Recall: what something wrong reached, each with the path that proves it; then, on one confirmation, block it all."""

from __future__ import annotations

from typing import Any

import streamlit as st

from catalog.client import Catalog
from catalog.domain.principal import Principal
from catalog.domain.recall import Reach
from ui.components import act, columns, standing
from ui.components.problem import shown
from ui.session.connection import catalog
from ui.viewmodels import fleet
from ui.viewmodels import recall as rows
from ui.viewmodels.text import markdown, plain

EACH = 12  # members shown one by one, with their proof to open; more of them are a table


def place() -> Any:
    """This page, for navigation and for links to it."""
    return st.Page(page, title="Recall", url_path="recall")


def page() -> None:
    """The page."""
    st.title("Recall")
    with shown("Reading the catalog …"):
        connected = catalog()
        datasets, models = connected.datasets(), connected.models()
        status, me = connected.status(), connected.me()
    standing.standing(status, me.name)
    act.tell()
    if st.session_state.pop("recalled", False):
        st.session_state["what"] = None  # it is done: begin again with nothing chosen
    choices = rows.choices(datasets, models)
    what = st.selectbox(
        "What is not to be trusted?",
        list(choices),
        index=None,
        format_func=lambda name: choices.get(name, plain(name)),
        accept_new_options=True,
        placeholder="A rig, robot, site, dataset, version or model; or a run, episode:DATASET/INGEST/INDEX, a URN",
        key="what",
        bind="query-params",
    )
    if what is None:
        st.info("Choose or type what is wrong. Nothing is done until you have seen what it reaches and confirmed that.")
    else:
        with shown("Walking the lineage …"):
            reach = connected.reach(what)
        _reach(reach)
        _confirm(connected, me, reach)
    _done(connected)


def _reach(reach: Reach) -> None:
    with st.container(key="reach"):
        st.subheader(markdown(rows.headline(reach)))
        st.caption("Nothing has been done yet. Open a group to see each member, and a member to see the path to it.")
        for card in rows.cards(reach):
            with st.expander(f"**{markdown(card.title)}**: {markdown(card.done)}", key=f"group-{card.group}"):
                if len(card.members) > EACH:
                    st.dataframe(rows.member_rows(reach, card.members), hide_index=True, height=420)
                    continue
                for member in card.members:
                    with st.expander(markdown(rows.member(member))):
                        st.code("\n".join(rows.proof(reach, member)), language=None)
                        st.caption(markdown(member.urn))


def _confirm(connected: Catalog, me: Principal, reach: Reach) -> None:
    why = act.why_off(me, "recall")
    reason = act.confirmed("Recall it now", markdown(rows.sure(reach)), why, f"recall-{reach.plan[7:23]}")
    if reason is None:
        return
    with shown("Recalling: blocking everything in one step, then publishing the withdrawal …"):
        done = connected.recall(reach, reason)
    st.session_state["recalled"] = True
    act.tell_next(*rows.recalled(done))


def _done(connected: Catalog) -> None:
    with shown("Reading earlier recalls …"):
        found = connected.recalls()
    if not found:
        return
    st.subheader("Recalls that were done")
    names = {r.id: rows.recall_name(r) for r in reversed(found)}
    chosen = st.selectbox("Recall", list(names), format_func=names.__getitem__)
    with shown("Reading who has heard …"):
        view, releases = connected.find_recall(chosen), connected.releases()
    with st.container(border=True, key="recalled"):
        st.markdown(f"**{markdown(rows.withdrawal_headline(view.withdrawal))}**")
        st.text(plain(f"{view.recall.reason} ({view.recall.by})"))
        if view.withdrawal.devices:
            st.dataframe(
                rows.withdrawal_rows(view.withdrawal, fleet.names(releases)),
                hide_index=True,
                placeholder="",
                column_config={
                    "heard": columns.words("heard", columns.HEARD),
                    "last seen": columns.time("last seen"),
                    "exposure until": columns.time("exposure until"),
                },
            )
    st.dataframe(rows.recall_rows(found), hide_index=True, column_config={"done": columns.time("done")})
