"""`assay init`, `assay status`: begin a home, see how it stands."""

from __future__ import annotations

import json
import secrets
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

from catalog.cli import output
from catalog.errors import Conflict

if TYPE_CHECKING:
    from catalog.settings import Settings

PRINCIPALS: tuple[tuple[str, tuple[str, ...], str | None], ...] = (
    ("engineer", ("contributor", "trainer"), None),
    ("steward", ("steward",), "steward"),
    ("evaluator", ("evaluator",), "evaluator"),
    ("approver-1", ("approver",), "approver"),
    ("approver-2", ("approver",), "approver"),
    ("viewer", ("viewer",), None),
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

    if settings.database.exists():
        raise Conflict("already-exists", f"{settings.home} is a home already", do="use it, or set ASSAY_HOME")
    folder = settings.keys_folder
    if folder.exists() and any(folder.iterdir()):
        raise Conflict("already-exists", f"{folder} holds keys already", do="set ASSAY_KEYS to an empty folder")
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    folder.chmod(0o700)
    newcomers: list[dict[str, Any]] = []
    for name, roles, role in PRINCIPALS:
        token = secrets.token_urlsafe(32)
        _private(folder / f"{name}.token", token)
        newcomers.append({"name": name, "roles": list(roles), "token_digest": sha256(token.encode())})
        if role is not None:
            newcomers[-1] |= {"public": attest.generate(folder / f"{name}.pem"), "key_role": role}
    settings.home.mkdir(parents=True, exist_ok=True, mode=0o700)
    _private(settings.home / "bootstrap.json", json.dumps({"newcomers": newcomers}))
    return folder


def _private(path: Path, text: str) -> None:
    path.touch(mode=0o600, exist_ok=False)
    path.write_text(text)


def status(as_: output.As = None, json_: output.Json = False) -> None:
    """How the catalog stands: what runs, what is undecided, the audit head."""
    with output.reported(as_json=json_):
        with output.catalog(as_, "viewer") as catalog:
            found = catalog.status()
        if json_:
            output.say_json(found.document())
        else:
            say = output.console().print
            say(f"Assay {found.version}, environment {found.environment}, {found.home}", markup=False)
            say(
                f"{found.datasets} datasets, {found.versions} versions ({found.approved} approved), "
                f"{found.models} models, {found.decisions} decisions, epoch {found.epoch}",
                markup=False,
            )
            say(f"audit head: {found.audit_size} entries, root {found.audit_root}", markup=False)
            if found.clock_back:
                say("the clock was set back by more than five minutes: time-dependent rules are missing", style="red")
            for operation in (*found.running, *found.undecided_merges):
                state = "running" if operation in found.running else "undecided"
                say(f"{state}: {operation.kind} {operation.id} by {operation.by}, step {operation.step}", markup=False)
            for head in found.undecided:
                say(f"undecided: {head.dataset}: {head.why}", style="red", markup=False)
        if found.undecided or found.undecided_merges:
            raise typer.Exit(1)
