"""`assay approve`, `promote`, `rollback`, `withdraw` and `assay release …`: from a verdict to the devices, and back."""

from __future__ import annotations

import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from catalog.cli import output, signing
from catalog.cli.decision import show_decision
from catalog.cli.device import show_devices
from catalog.errors import Refused

if TYPE_CHECKING:
    from catalog.client import Catalog
    from catalog.domain.device import DeviceView
    from catalog.domain.release import Proposal, ReleaseView, Withdrawal

app = typer.Typer(help="Releases.", no_args_is_help=True, rich_markup_mode=None)
Model = Annotated[str, typer.Argument(help="The model, by name or digest.")]
DeviceClass = Annotated[str, typer.Option("--device-class", help="The device class.")]
Wait = Annotated[int, typer.Option(help="Seconds to wait for the devices of the class to report.", min=0, max=3600)]


def approve(
    model: Model,
    device_class: DeviceClass,
    key: signing.KeyFile = None,
    root_file: Annotated[Path | None, typer.Option("--root", help="The first root; KEYS/root.json if absent.")] = None,
    yes: signing.Yes = False,
    as_: output.As = None,
    json_: output.Json = False,
) -> None:
    """Sign a release as one of two approvers: shows exactly what is signed, checks it, then asks."""
    with output.reported(as_json=json_):
        with output.catalog(as_, "approver-1") as catalog:
            from catalog.attest.approval import checked, first_root, signed

            catalog.me().require("release.approve")  # who may not sign leaves no proposal behind
            root, get = root_file or first_root(catalog.settings.keys_folder), catalog.release_metadata
            proposal = checked(catalog.propose(model, device_class), get, root)
            if not json_:
                _show_proposal(proposal)
            signing.confirm(catalog, ask=not (yes or json_))
            envelope, role = signed(proposal, get, root, signing.key_file(catalog, key), catalog.settings.home)
            done = catalog.sign_release(proposal.release.manifest.id, envelope, role)
        text = f"signed by {', '.join(done.signed_by)}; {_still_needed(done)}"
        output.said(done.document(), json_, text)


def _show_proposal(proposal: Proposal) -> None:
    say = output.console().print
    manifest = proposal.release.manifest
    show_decision(proposal.decision)
    say("")
    say("What is signed, with one key, over both:", style="bold")
    say(f"  decision  {manifest.decision}", markup=False)
    say(
        f"  release   {manifest.number} of class {manifest.device_class}, environment {manifest.environment}, "
        f"hardware {manifest.hardware}: {manifest.model_name} {manifest.model}",
        markup=False,
    )
    rows = [[f.path, str(f.size), f.sha256] for f in manifest.files]
    output.table("", ("  file", "bytes", "digest"), rows)
    until = f"leases of at most {manifest.lease_hours} h"
    say(f"  class role version {proposal.release.role_version}: adds this release and changes nothing else; {until}")
    head = manifest.audit_head
    say(f"  audit head {head.size}:{head.root}", style="dim", markup=False)


def _still_needed(proposal: Proposal) -> str:
    if len(proposal.signed_by) < 2:
        return "one more approver must sign"
    manifest = proposal.release.manifest
    return f"next: assay promote {manifest.model_name} --device-class {manifest.device_class}"


def promote(model: Model, device_class: DeviceClass, as_: output.As = None, json_: output.Json = False) -> None:
    """Publish a release that two approvers signed, after evaluating everything once more. Exit 3 when refused."""
    with output.reported(as_json=json_):
        with output.catalog(as_, "releaser") as catalog, output.progress("promote") as progress:
            result = catalog.promote(model, device_class, progress)
        if result["denied"]:
            what = f"release {result['number']} was withdrawn while it was published: {result['denied']}"
            raise Refused("release-denied", what, where=result["release"])
        text = (
            f"published: {result['name']} is release {result['number']} of class {device_class} ({result['release']})"
        )
        output.said(result, json_, text)


def rollback(
    device_class: DeviceClass,
    to: Annotated[str | None, typer.Option(help="A release by id; the last good one if absent.")] = None,
    reason: Annotated[str, typer.Option(help="Why; it is kept.")] = "",
    wait: Wait = 0,
    as_: output.As = None,
    json_: output.Json = False,
) -> None:
    """Bring a class back to the last good release that today's floor allows. Exit 3 when there is none."""
    with output.reported(as_json=json_):
        with output.catalog(as_, "releaser") as catalog:
            result = catalog.rollback(device_class, to, reason)
            views = _reported(catalog, device_class, result["release"], wait)
            released = catalog.releases()
        if json_:
            output.say_json(result | {"devices": [v.document() for v in views]})
        elif result["release"] is None:
            said = "no older release may run, so none may from now on"
            output.console().print(f"class {device_class}: {said}", style="bold red", markup=False)
            output.console().print(f"  {result['reason']}", style="dim", markup=False)
        else:
            text = f"class {device_class} goes back to release {result['number']}, {result['name']}"
            output.console().print(text, style="bold", markup=False)
            output.console().print(f"  {result['reason']}", style="dim", markup=False)
        if result["left"] is not None and not json_:
            do = f"  to come back: assay rollback --device-class {device_class} --to {result['left']}"
            output.console().print(do, markup=False)
        if views and not json_:
            show_devices(views, released)
        if result["release"] is None:
            raise typer.Exit(3)


def _reported(catalog: Catalog, device_class: str, release: str | None, wait: int) -> list[DeviceView]:
    """The devices of the class, when all have said that they run the release, or when the wait is over."""
    until = time.monotonic() + wait
    while True:
        views = [v for v in catalog.devices() if v.device.device_class == device_class]
        done = all(v.newest is not None and v.newest.release == release and v.acknowledged for v in views)
        if done or time.monotonic() >= until:
            return views
        time.sleep(0.2)


def withdraw(
    release: Annotated[str, typer.Argument(help="The release, by id.")],
    reason: Annotated[str, typer.Option(help="Why; devices show it.")],
    yes: signing.Yes = False,
    as_: output.As = None,
    json_: output.Json = False,
) -> None:
    """Deny a release for good; one person is enough. Nothing can allow it again."""
    with output.reported(as_json=json_):
        with output.catalog(as_, "releaser") as catalog:
            view = catalog.release(release)
            manifest = view.release.manifest
            if not (yes or json_):
                reached = ", ".join(view.devices) or "no device"
                text = f"Withdraw release {manifest.number} ({manifest.model_name}) for good? It reaches {reached}."
                signing.asked(text)
            result = catalog.withdraw(release, reason)
            state = catalog.withdrawal()
        if json_:
            output.say_json(result | {"withdrawal": state.document()})
        else:
            show_withdrawal(state)
            if view.chosen:
                do = f"nothing runs in its place: assay rollback --device-class {manifest.device_class}"
                output.console().print(f"  {do}", markup=False)


def show_withdrawal(state: Withdrawal) -> None:
    """A withdrawal, device by device."""
    when = state.document()["published_at"]
    said = f"withdrawal published at {when[:19]}Z" if when else "withdrawal recorded, not published yet"
    output.console().print(said, style="bold", markup=False)
    rows = []
    for device in state.devices:
        until = device.document()["exposure_until"]
        word = "acknowledged" if device.acknowledged else "pending"
        ends = f"exposure ends {until[:19]}Z at the latest" if until else ""
        rows.append([device.device, word, ends])
    if rows:
        output.table("", ("device", "", ""), rows)


@app.command("list")
def list_(as_: output.As = None, json_: output.Json = False) -> None:
    """Every release and proposal."""
    with output.reported(as_json=json_):
        with output.catalog(as_, "viewer") as catalog:
            found = catalog.releases()
        if json_:
            output.say_json([r.document() for r in found])
            return
        rows = [_row(v) for v in found]
        output.table("releases", ("release", "class", "no.", "model", "state", "signed by"), rows)


def _row(view: ReleaseView) -> list[str]:
    manifest = view.release.manifest
    state = f"{view.state}, chosen" if view.chosen else view.state
    signers = ", ".join(s.principal for s in view.signatures)
    return [manifest.id, manifest.device_class, str(manifest.number), manifest.model_name, state, signers]


@app.command()
def show(
    release: Annotated[str, typer.Argument(help="The release, by id.")],
    as_: output.As = None,
    json_: output.Json = False,
) -> None:
    """One release: what it holds, who signed it, what denies it."""
    with output.reported(as_json=json_):
        with output.catalog(as_, "viewer") as catalog:
            view = catalog.release(release)
        if json_:
            output.say_json(view.document())
            return
        manifest, say = view.release.manifest, output.console().print
        said = f"release {manifest.number} of {manifest.device_class}: {manifest.model_name}, {view.state}"
        say(said + (", chosen" if view.chosen else ""), style="bold", markup=False)
        say(
            f"  model     {manifest.model}\n  decision  {manifest.decision}\n  policy    {manifest.policy}",
            markup=False,
        )
        for signature in view.signatures:
            say(f"  signed by {signature.principal} with key {signature.keyid[:16]}…", markup=False)
        for denial in view.denials:
            say(f"  denied by {denial.by}: {denial.reason}", style="red", markup=False)


@app.command()
def root(as_: output.As = None, json_: output.Json = False) -> None:
    """The digest of the first root file, which a device is provisioned with; hand it over by another way."""
    with output.reported(as_json=json_):
        from catalog.domain.base import sha256

        with output.catalog(as_, "viewer") as catalog:
            digest = sha256(catalog.release_metadata("1.root.json"))
            folder = catalog.settings.releases
        result = {"digest": digest, "file": str(folder / "metadata" / "1.root.json")}
        if json_:
            output.say_json(result)
        else:
            output.console().print(f"{digest}  {result['file']}", markup=False, soft_wrap=True)  # one line, for scripts
