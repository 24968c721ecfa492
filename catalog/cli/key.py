"""`assay key …`: ask for a key, enrol it, list them all."""

from __future__ import annotations

import secrets
from pathlib import Path
from typing import Annotated

import typer

from catalog.cli import enrolment, output, signing
from catalog.errors import Conflict, Invalid

app = typer.Typer(help="Keys: who may sign what.", no_args_is_help=True, rich_markup_mode=None)
ROLES = ("approver", "evaluator", "steward", "root", "release", "report")


@app.command()
def request(
    name: Annotated[str, typer.Argument(help="Your name as the catalog is to know it.")],
    role: Annotated[str, typer.Option(help=f"What the key signs as: {', '.join(ROLES)}.")],
    out: Annotated[Path, typer.Option(help="Where the request is written, to hand to an approver.")],
    json_: output.Json = False,
) -> None:
    """Make a key and a token of your own, and the request that an approver enrols; neither leaves this machine."""
    with output.reported(as_json=json_):
        from catalog.attest.keys import generate
        from catalog.domain.base import sha256
        from catalog.domain.enrolment import KeyRequest
        from catalog.settings import load

        if role not in ROLES:
            raise Invalid("input-invalid", f"no key has role {role!r}", do=f"one of {', '.join(ROLES)}")
        KeyRequest.of({"name": name, "key_role": role, "public": "0" * 64, "token_digest": sha256(b"")})
        folder = load().keys_folder
        token_file = folder / f"{name}.token"
        if not out.absolute().parent.is_dir():
            raise Invalid("path-missing", f"no folder {out.absolute().parent}", do="make it, or write elsewhere")
        if out.exists() or token_file.exists():
            taken = out if out.exists() else token_file
            raise Conflict("already-exists", f"{taken} exists", do="move it away; what it held is never overwritten")
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        token = secrets.token_urlsafe(32)
        public = generate(folder / f"{name}.pem")
        _write_private(token_file, token)
        asked = KeyRequest.of(
            {"name": name, "key_role": role, "public": public, "token_digest": sha256(token.encode())}
        )
        out.write_bytes(asked.canonical())
        text = f"made {folder / name}.pem and .token; hand {out} to an approver: assay key enrol {out} --as APPROVER"
        output.said(asked.document(), json_, text)


@app.command()
def enrol(
    request_file: Annotated[Path, typer.Argument(metavar="REQUEST", help="The newcomer's request file.")],
    key: signing.KeyFile = None,
    yes: signing.Yes = False,
    as_: output.As = None,
    json_: output.Json = False,
) -> None:
    """Show and sign an enrolment; keys that let something live need a second approver, who gives the same command."""
    with output.reported(as_json=json_):
        from catalog.domain.enrolment import KeyRequest

        asked = KeyRequest.parse(enrolment.request_bytes(request_file))
        with output.catalog(as_, "approver-1") as catalog:
            enrolment.enrol(catalog, asked, key, yes=yes, json_=json_)


@app.command("list")
def list_(as_: output.As = None, json_: output.Json = False) -> None:
    """Every key that was ever enrolled."""
    with output.reported(as_json=json_):
        with output.catalog(as_, "viewer") as catalog:
            found = catalog.keys()
        if json_:
            output.say_json([view.document() for view in found])
            return
        found.sort(key=lambda v: (v.key.role, v.key.principal, v.key.enrolled_at))
        rows = [
            [v.key.principal, v.key.role, v.key.keyid[:16], v.key.enrolled_by, v.why_not or "counts"] for v in found
        ]
        output.table("keys", ("principal", "role", "key", "enrolled by", "state"), rows)


def _write_private(path: Path, text: str) -> None:
    path.touch(mode=0o600, exist_ok=False)
    path.write_text(text)
