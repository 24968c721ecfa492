"""`assay device …`: enrol a device; what runs where, and what each has heard."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from catalog.cli import enrolment, output, signing

if TYPE_CHECKING:
    from catalog.domain.device import DeviceView
    from catalog.domain.release import ReleaseView

STATES = ("requested", "safe_state", "swapped", "healthy", "resumed")
app = typer.Typer(help="Devices.", no_args_is_help=True, rich_markup_mode=None)


@app.command()
def enrol(
    request_file: Annotated[Path, typer.Argument(metavar="REQUEST", help="The enrol.json that the device wrote.")],
    key: signing.KeyFile = None,
    yes: signing.Yes = False,
    as_: output.As = None,
    json_: output.Json = False,
) -> None:
    """Enrol a device's own key, as an approver: it may then read releases and report."""
    with output.reported(as_json=json_):
        from catalog.domain.enrolment import DeviceRequest

        asked = DeviceRequest.parse(enrolment.request_bytes(request_file)).key_request()
        with output.catalog(as_, "approver-1") as catalog:
            enrolment.enrol(catalog, asked, key, yes=yes, json_=json_)


@app.command("list")
def list_(as_: output.As = None, json_: output.Json = False) -> None:
    """Every device: what it runs, when it was last heard, when the states of its last change were reached."""
    with output.reported(as_json=json_), output.catalog(as_, "viewer") as catalog:
        views = catalog.devices()
        if json_:
            output.say_json([v.document() for v in views])
        else:
            show_devices(views, catalog.releases())


@app.command()
def show(
    name: Annotated[str, typer.Argument(help="The device.")], as_: output.As = None, json_: output.Json = False
) -> None:
    """One device, and what it still has to hear."""
    with output.reported(as_json=json_):
        with output.catalog(as_, "viewer") as catalog:
            view = catalog.device(name)
            released = catalog.releases()
        if json_:
            output.say_json(view.document())
            return
        show_devices([view], released)
        for identity in view.pending:
            output.console().print(f"  has not heard that {identity} is withdrawn", style="red", markup=False)
        if view.newest is not None and view.newest.what:
            output.console().print(f"  {view.newest.kind or view.newest.event}: {view.newest.what}", markup=False)


def show_devices(views: list[DeviceView], released: list[ReleaseView]) -> None:
    """Devices, what each runs, and when the states of its last change were reached."""
    names = {v.release.manifest.id: f"{v.release.manifest.number} {v.release.manifest.model_name}" for v in released}
    rows = []
    for view in views:
        newest = view.newest
        times = view.changed.document()
        reached = "  ".join(f"{state.replace('_', ' ')} {times[state][11:23]}" for state in STATES if times.get(state))
        seen = view.document()["last_seen"]
        rows.append(
            [
                view.device.name,
                view.device.device_class,
                _has(newest.release, names) if newest is not None else "never heard",
                newest.event if newest is not None else "",
                seen[:19] if seen else "",
                reached,
            ]
        )
    output.table(
        "devices", ("device", "class", "release", "said", "last seen (UTC)", "times of the last change (UTC)"), rows
    )


def _has(release: str | None, names: dict[str, str]) -> str:
    return names.get(release, release) if release is not None else "none"
