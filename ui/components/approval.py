"""Approve and promote on the gate's page: what waits, what is signed, the key file, the button that goes live."""

from __future__ import annotations

import streamlit as st

from catalog.client import Catalog
from catalog.domain.clock import wall_clock
from catalog.domain.decision import Decision
from catalog.domain.fleet import Waiting
from catalog.domain.principal import Principal
from catalog.domain.release import Proposal
from catalog.errors import AssayError
from ui.components import act
from ui.components.facts import facts
from ui.components.problem import say, shown
from ui.session import signing
from ui.viewmodels import approval as rows
from ui.viewmodels.text import markdown

WORDS = 560  # pixels; a narrower window puts the button below
KEY_NOTE = (
    "The key file is read here, by the process of this page, on the machine where assay up runs; its bytes go to "
    "nobody, not even to the service. Sign only on a page that you started yourself."
)


def queue(found: list[Waiting], epoch: int) -> None:
    """What waits for approval, the decision that ends first at the top."""
    if not found:
        st.caption("Nothing waits for approval.")
        return
    st.subheader(f"{len(found)} waiting for approval")
    for item in found:
        with st.container(border=True), act.beside():
            badge = f":{rows.colour(item)}-badge[{rows.count(item)}]"
            with st.container(width=WORDS, gap="xsmall"):
                st.markdown(f"**{markdown(rows.title(item))}** {badge}")
                st.text(rows.stands(item))
                st.caption(markdown(rows.until(item, wall_clock())))
                if stale := rows.stale(item, epoch):
                    st.warning(stale)
            key = f"look-{item.decision.subject[7:19]}-{item.decision.device_class}"
            st.button("Look", key=key, on_click=turn_to, args=(item.decision,))


def turn_to(decision: Decision) -> None:
    """Show this decision further down the page."""
    st.session_state["model"] = decision.subject
    st.session_state["class"] = decision.device_class


def release(connected: Catalog, me: Principal, item: Waiting) -> None:
    """The way from this decision to the devices: sign what is shown, then promote."""
    model, device_class = item.decision.subject, item.decision.device_class or ""
    with st.container(border=True, key="release"):
        st.subheader(f"The way to the devices: {rows.count(item)}")
        st.markdown(markdown(rows.stands(item)))
        for line in rows.barred(item):
            st.caption(markdown(line))
        if item.release is None:
            st.text("What approvers sign is not written yet. Writing it lets nothing live; it fixes what is signed.")
            if act.button("Write what is signed", act.why_off(me, "release.propose"), f"propose-{item.decision.id}"):
                with shown("Writing the proposal …"):
                    connected.propose(model, device_class)
                st.rerun()
            return
        with shown("Reading what is signed …"):
            proposal = connected.proposal(item.release.manifest.id)
        good = _what_is_signed(connected, proposal, opened=not rows.ready(item))
        if good and not rows.ready(item):
            _sign(connected, me, proposal)
        if good:
            _promote(connected, me, item, proposal)


def _what_is_signed(connected: Catalog, proposal: Proposal, *, opened: bool) -> bool:
    """Everything under the two signatures, from their bytes; whether it is one release of what was judged."""
    manifest = proposal.release.manifest
    changes: list[tuple[str, str]] = []
    try:
        changes = signing.changes(proposal, connected.release_metadata)
    except AssayError as error:
        say(error)
    with st.expander("What I would sign", expanded=opened, key="signed"):
        st.caption("First signature: the decision, whole. Its rules and figures stand below on this page.")
        facts(rows.decision_lines(proposal))
        st.caption("Second signature, by the same key: the list of the class's releases, with this one added.")
        if changes:
            st.success(markdown(rows.role_change(changes)))
        facts(rows.release_lines(manifest, proposal.release.role_version))
        st.dataframe(rows.file_rows(manifest), hide_index=True, height="content")
        for name, text in rows.documents(proposal).items():
            with st.popover(f"Read {name} whole", width="stretch"):
                st.code(text, language="json", height=500)
    return bool(changes)


def _sign(connected: Catalog, me: Principal, proposal: Proposal) -> None:
    why = act.why_off(me, "release.approve") or rows.signing(proposal, me.name)
    with st.form(f"sign-{rows.identity(proposal)}"):
        key = st.text_input(
            "Key file, by its path on this machine",
            value=str(signing.default_key(me.name)) if not why else "",
            disabled=bool(why),
        )
        st.caption(KEY_NOTE)
        pressed = st.form_submit_button(
            f"Sign as {me.name}" if not why else "Sign", type="primary", disabled=bool(why), width="stretch"
        )
    if why:
        st.caption(markdown(why))
    elif pressed:
        with shown("Signing what is shown …"):
            envelope, role = signing.signed(proposal, connected.release_metadata, key)
            done = connected.sign_release(proposal.release.manifest.id, envelope, role)
        act.tell_next(*rows.brought(done, me.name))


def _promote(connected: Catalog, me: Principal, item: Waiting, proposal: Proposal) -> None:
    manifest = proposal.release.manifest
    why = act.why_off(me, "release.promote")
    if not rows.ready(item):
        why = f"It is promoted when {item.threshold} approvers have signed: {rows.stands(item)}."
    else:
        with shown("Reading the fleet …"):
            told = [d.device.name for d in connected.devices() if d.device.device_class == manifest.device_class]
        st.markdown(markdown(rows.goes_to(manifest, told)))
    label = f"Promote {manifest.model_name} to {manifest.device_class}"
    if not act.button(markdown(label), why, f"promote-{rows.identity(proposal)}"):
        return
    with shown("Promoting: everything is evaluated once more, then allowed, then published …"):
        done = connected.promote(manifest.model, manifest.device_class)
    act.tell_next(*rows.promoted(done))
