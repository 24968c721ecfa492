"""`assay init`, `assay status`: begin a home, see how it stands."""

from __future__ import annotations

import json
import secrets
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

from catalog.cli import output
from catalog.errors import Conflict, Invalid

if TYPE_CHECKING:
    from catalog.settings import Settings

PRINCIPALS: tuple[tuple[str, tuple[str, ...], str | None], ...] = (
    ("engineer", ("contributor", "trainer"), None),
    ("steward", ("steward",), "steward"),
    ("evaluator", ("evaluator",), "evaluator"),
    ("approver-1", ("approver",), "approver"),
    ("approver-2", ("approver",), "approver"),
    ("releaser", ("releaser",), None),
    ("viewer", ("viewer",), None),
    ("root-1", ("keeper",), "root"),
    ("root-2", ("keeper",), "root"),
    ("root-3", ("keeper",), "root"),
    ("release", ("keeper",), "release"),
    ("report", ("keeper",), "report"),
)


def init(json_: output.Json = False) -> None:
    """Begin a home: keys beside it, first principals, shipped policies."""
    with output.reported(as_json=json_):
        from catalog.client import Catalog
        from catalog.settings import load

        settings = load()
        keys = _begin(settings)
        with Catalog("viewer", settings) as catalog:
            status = catalog.status()
        if json_:
            output.say_json({"home": str(settings.home), "keys": str(keys), "status": status.document()})
            return
        say = output.console().print
        say(f"home  {settings.home}", markup=False)
        say(f"keys  {keys}  (mode 0600; back them up, they are not in the home)", markup=False)
        for name, roles, key in PRINCIPALS:
            say(f"  {name:<12}{', '.join(roles):<24}{'signs with ' + name + '.pem' if key else ''}", markup=False)
        say("single operator: separation of people is not enforced; environments demo and dev only", markup=False)


def _begin(settings: Settings) -> Path:
    """Make tokens and keys, and leave the service what it needs to enrol them."""
    from catalog.attest import keys as attest
    from catalog.domain.base import sha256

    folder = settings.keys_folder
    for path in (settings.home, folder):
        _make(path, settings)
    newcomers: list[dict[str, Any]] = []
    for name, roles, role in PRINCIPALS:
        token = secrets.token_urlsafe(32)
        _private(folder / f"{name}.token", token, settings)
        newcomers.append({"name": name, "roles": list(roles), "token_digest": sha256(token.encode())})
        if role is not None:
            newcomers[-1] |= {"public": attest.generate(folder / f"{name}.pem"), "key_role": role}
    _begin_releases(settings)
    _private(settings.home / "bootstrap.json", json.dumps({"newcomers": newcomers}), settings)
    return folder


def _begin_releases(settings: Settings) -> None:
    """Make the release repository now, while every key that must sign its first set is at hand."""
    from catalog.attest.follow import ROOT
    from catalog.attest.repository import ReleaseRepository
    from catalog.domain.clock import wall_clock
    from catalog.domain.policy import SHIPPED_CLASSES

    def of(part: str) -> list[Path]:
        return [settings.keys_folder / f"{name}.pem" for name, _, role in PRINCIPALS if role == part]

    ReleaseRepository.begin(
        settings.releases,
        root_keys=of("root"),
        approver_keys=of("approver"),
        online_key=of("release")[0],
        device_classes=SHIPPED_CLASSES,
        at=wall_clock(),
        lease_hours=settings.lease_hours,
    )
    # approvers keep the first root beside their keys: what it signed is what they compare proposals with
    first = settings.releases / "metadata" / "1.root.json"
    _private(settings.keys_folder / ROOT, first.read_text(), settings)


def _make(folder: Path, settings: Settings) -> None:
    """Make a folder of ours, or take one that is empty; raises `Conflict` and `Invalid`."""
    try:
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        if any(folder.iterdir()):
            raise _taken(folder, settings)
        folder.chmod(0o700)
    except OSError as error:
        raise _unusable(folder, error) from error


def _taken(folder: Path, settings: Settings) -> Conflict:
    if settings.database.exists() or (settings.home / "bootstrap.json").exists():
        return Conflict("already-exists", f"{settings.home} is a home already", do="use it, or set ASSAY_HOME")
    if folder == settings.home:
        do = "choose an empty folder with ASSAY_HOME"
        return Conflict("already-exists", f"{folder} is not empty, and no home", do=do)
    do = "if another `assay init` of this home runs, use the home it makes; else set ASSAY_KEYS to an empty folder"
    return Conflict("already-exists", f"{folder} holds keys already", do=do)


def _unusable(path: Path, error: OSError) -> Invalid:
    do = "set ASSAY_HOME (and ASSAY_KEYS) to folders that you may write"
    return Invalid("path-unreadable", f"{path}: {error.strerror or error}", where=str(path), do=do)


def _private(path: Path, text: str, settings: Settings) -> None:
    try:
        path.touch(mode=0o600, exist_ok=False)
        path.write_text(text)
    except FileExistsError as error:
        raise _taken(path.parent, settings) from error
    except OSError as error:
        raise _unusable(path, error) from error


def status(as_: output.As = None, json_: output.Json = False) -> None:
    """How the catalog stands: what runs, what is undecided, the audit head."""
    with output.reported(as_json=json_):
        with output.catalog(as_, "viewer") as catalog:
            found = catalog.status()
        if json_:
            output.say_json(found.document() | {"service": catalog.http.address})
        else:
            say = output.console().print
            say(f"Assay {found.version}, environment {found.environment}, {found.home}", markup=False)
            say(
                f"{found.datasets} datasets, {found.versions} versions ({found.approved} approved), "
                f"{found.models} models, {found.decisions} decisions, epoch {found.epoch}",
                markup=False,
            )
            say(f"service: {catalog.http.address}", markup=False)
            say(f"audit head: {found.audit_size} entries, root {found.audit_root}", markup=False)
            if found.clock_back:
                say("the clock was set back by more than five minutes: time-dependent rules are missing", style="red")
            for operation in (*found.running, *found.undecided_merges):
                state = "running" if operation in found.running else "undecided"
                say(f"{state}: {operation.kind} {operation.id} by {operation.by}, step {operation.step}", markup=False)
            for head in found.undecided:
                say(f"undecided: {head.dataset}: {head.why}", style="red", markup=False)
            for asked in found.questions:
                say(f"{asked} End it with assay recall or assay withdraw, or leave it.", style="red", markup=False)
        if found.undecided or found.undecided_merges or found.questions:
            raise typer.Exit(1)
