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
WORDS, PRESS = 520, 280  # pixels; where both do not fit beside one another, the button comes below


def place() -> Any:
    """This page, for navigation and for links to it."""
    return st.Page(page, title="Fleet", url_path="fleet")


def page() -> None:
    """The page."""
    with act.beside():
        st.title("Fleet", width="content")
        st.button("Read again", help=f"Shown as of {when(wall_clock())}.")
    with shown("Reading releases and devices …"):
        connected = catalog()
        classes, releases = connected.classes(), connected.releases()
        devices = connected.devices()
        status, me = connected.status(), connected.me()
    standing.standing(status, me.name)
    act.tell()
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
        with act.beside():
            with st.container(width=WORDS, gap="xsmall"):
                heard = f":{card.heard_colour}-badge[{markdown(card.heard)}]"
                st.markdown(f"**{markdown(card.device_class)}** {heard}")
                st.markdown(f"### :{card.colour}[{markdown(card.headline)}]")
                for line in card.waits_for:
                    st.text(line)
            with st.container(width=PRESS, gap="xsmall"):
                _back(connected, me, card)
        for bad in card.bad:
            st.error(markdown(bad))
        for line in (card.lease, card.reason):
            if line:
                st.caption(markdown(line))


def _back(connected: Catalog, me: Principal, card: rows.ClassCard) -> None:
    why = act.why_off(me, "release.rollback")
    if not card.can_go_back:
        st.markdown(markdown(card.back_brings))
        for line in card.passed_over:
            st.caption(markdown(line))
        return
    kind = "primary" if card.back_good else "secondary"
    with st.popover(f"{card.back_label} …", width="stretch", type=kind, key=f"go-{card.back_key}"):
        st.markdown("\n".join(f"- {markdown(line)}" for line in card.back_reach))
        with st.form(f"back-{card.back_key}"):
            reason = st.text_input("Reason, kept in the audit log and shown on devices", max_chars=2000)
            now = st.form_submit_button(f"{card.back_label} now", type="primary", disabled=bool(why), width="stretch")
    st.caption(markdown(why or card.back_brings))
    if now and not why:
        with shown("Going back: choosing, then publishing …"):
            done = connected.rollback(card.device_class, None, reason.strip())
        act.tell_next(*rows.gone_back(done))


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
        act.tell_next(*rows.withdrawn(names[chosen], standing_now))
