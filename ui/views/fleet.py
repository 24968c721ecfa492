"""The fleet: what runs where, who has not heard, and what to press to go back."""

from __future__ import annotations

from typing import Any

import streamlit as st

from catalog.client import Catalog
from catalog.domain.clock import wall_clock
from catalog.domain.device import DeviceView
from catalog.domain.principal import Principal
from catalog.domain.release import ReleaseView
from ui.components import act, columns, standing
from ui.components.problem import shown
from ui.session.connection import catalog
from ui.viewmodels import fleet as rows
from ui.viewmodels.text import markdown, when

ROWS = 12  # shown open; more scroll
SCROLLED = 420


def place() -> Any:
    """This page, for navigation and for links to it."""
    return st.Page(page, title="Fleet", url_path="fleet")


def page() -> None:
    """The page."""
    title, fresh = st.columns([6, 1], vertical_alignment="bottom")
    title.title("Fleet")
    fresh.button("Read again", width="stretch", help=f"Shown as of {when(wall_clock())}.")
    with shown("Reading releases and devices …"):
        connected = catalog()
        classes, devices, releases = connected.classes(), connected.devices(), connected.releases()
        status, me = connected.status(), connected.me()
    standing.standing(status, me.name)
    said = st.session_state.pop("done", None)
    if said is not None:
        good, text = said
        (st.success if good else st.error)(markdown(text))
    used, idle = rows.cards(classes, releases, devices, wall_clock())
    for card in used:
        _card(connected, me, card)
    if not used:
        st.info("No class has a release or a device yet. Approve and promote a model on the gate's page.")
    if idle:
        st.caption(f"Classes without a release and without a device: {markdown(', '.join(idle))}.")
    known = rows.names(releases)
    _devices(devices, known)
    _releases(releases)
    _withdraw(connected, me, releases, devices)


def _card(connected: Catalog, me: Principal, card: rows.ClassCard) -> None:
    with st.container(border=True, key=f"class-{card.device_class}"):
        what, heard, back = st.columns([4, 3, 2.6], vertical_alignment="center")
        what.markdown(f"**{markdown(card.device_class)}**")
        what.markdown(f"### :{card.colour}[{markdown(card.headline)}]")
        heard.markdown(f":{card.heard_colour}-badge[{markdown(card.heard)}]")
        if card.waits_for:
            heard.markdown(markdown(card.waits_for))
        if card.lease:
            heard.caption(markdown(card.lease))
        with back:
            _back(connected, me, card)
        for bad in card.bad:
            st.error(markdown(bad))
        if card.reason:
            st.caption(markdown(card.reason))


def _back(connected: Catalog, me: Principal, card: rows.ClassCard) -> None:
    why = act.why_off(me, "release.rollback")
    if not card.can_go_back:
        st.caption("There is nothing to go back from.")
        return
    if why:
        st.caption(markdown(why))
    kind = "primary" if card.back_good else "secondary"
    with st.popover(markdown(card.back_label), width="stretch", type=kind, key=f"go-{card.device_class}"):
        st.markdown("\n".join(f"- {markdown(line)}" for line in card.back_reach))
        with st.form(f"back-{card.back_key}"):
            reason = st.text_input("Reason, kept in the audit log and shown on devices", max_chars=2000)
            now = st.form_submit_button("Go back now", type="primary", disabled=bool(why), width="stretch")
    if now and not why:
        with shown("Going back: choosing, then publishing …"):
            done = connected.rollback(card.device_class, None, reason.strip())
        st.session_state["done"] = rows.gone_back(done)
        st.rerun()


def _devices(devices: list[DeviceView], known: dict[str, str]) -> None:
    st.subheader("Devices")
    if not devices:
        st.info("No device is enrolled yet: `assay-edge provision` on the device, then `assay device enrol` here.")
        return
    times = ("last seen", "exposure until")
    st.dataframe(
        rows.device_rows(devices, known),
        hide_index=True,
        height="content" if len(devices) <= ROWS else SCROLLED,
        placeholder="",
        column_config={"heard": columns.words("heard", columns.HEARD)} | {t: columns.time(t) for t in times},
    )
    st.caption(
        "Times of the last change are by the device's own clock. Exposure ends when its last lease does: a device that "
        "hears nothing starts nothing after that. What a robot that is running does then is the site's declared action."
    )


def _releases(releases: list[ReleaseView]) -> None:
    st.subheader("Releases and proposals")
    if not releases:
        st.info("Nothing was proposed yet.")
        return
    st.dataframe(
        rows.release_rows(releases),
        hide_index=True,
        height="content" if len(releases) <= ROWS else SCROLLED,
        placeholder="",
        column_config={"state": columns.words("state", rows.STATES)}
        | {t: columns.time(t) for t in ("proposed", "allowed", "published")},
    )


def _withdraw(connected: Catalog, me: Principal, releases: list[ReleaseView], devices: list[DeviceView]) -> None:
    found = rows.withdrawable(releases)
    if not found:
        return
    with st.expander("Withdraw a release for good …", key="withdraw"):
        names = {v.release.manifest.id: f"{v.release.manifest.device_class}: {rows.name(v.release)}" for v in found}
        chosen = st.selectbox("Release", list(names), format_func=names.__getitem__)
        view = next(v for v in found if v.release.manifest.id == chosen)
        st.markdown("\n".join(f"- {markdown(line)}" for line in rows.withdrawal_reach(view, devices, releases)))
        why = act.why_off(me, "release.withdraw")
        reason = act.confirmed(
            "Withdraw it now", f"Withdraw {markdown(names[chosen])} for good", why, f"withdraw-{chosen}-{len(devices)}"
        )
    if reason is not None:
        with shown("Withdrawing: denying, then publishing …"):
            connected.withdraw(chosen, reason)
            standing_now = connected.withdrawal()
        st.session_state["done"] = rows.withdrawn(names[chosen], standing_now)
        st.rerun()
