"""`assay key …`: ask for a key, enrol it, list them all, revoke one, rotate what devices trust."""

from __future__ import annotations

import secrets
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from catalog.cli import enrolment, output, rotation, signing
from catalog.errors import Absent, Conflict, Invalid

if TYPE_CHECKING:
    from catalog.domain.enrolment import KeyView, Revoked
    from catalog.domain.principal import Key

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


@app.command()
def revoke(
    which: Annotated[str, typer.Argument(metavar="KEY", help="The key's id or its beginning, or its owner's name.")],
    reason: Annotated[str, typer.Option(help="What happened.")],
    lost: Annotated[bool, typer.Option("--lost", help="Nobody has it; what it signed stands.")] = False,
    compromised: Annotated[
        bool, typer.Option("--compromised", help="Somebody else may have it; what it signed never counted.")
    ] = False,
    key: signing.KeyFile = None,
    yes: signing.Yes = False,
    as_: output.As = None,
    json_: output.Json = False,
) -> None:
    """Revoke a key; one person is enough, and a compromised key takes the releases that rest on it along."""
    with output.reported(as_json=json_), output.catalog(as_, "steward") as catalog:
        from catalog.attest.envelope import REVOCATION
        from catalog.domain.enrolment import Revocation

        if lost == compromised:
            raise Invalid("input-invalid", "a key is lost or compromised", do="say --lost or --compromised")
        found = _one(catalog.keys(), which, compromised=compromised)
        revocation = Revocation.of(
            {
                "keyid": found.keyid,
                "principal": found.principal,
                "compromised": compromised,
                "reason": reason,
                "by": catalog.principal,
            }
        )
        if not json_:
            _show_revocation(found, compromised=compromised)
        own = found.principal == catalog.principal and not signing.key_file(catalog, key).is_file()
        envelope = None
        if not own:
            envelope = signing.signed(catalog, revocation, REVOCATION, key, ask=not (yes or json_))
        done = catalog.revoke_key(revocation, envelope)
        output.said(done.document(), json_, _revoked(done))


@app.command()
def rotate(
    root_key: Annotated[list[Path] | None, typer.Option(help="A root key's file; two of them sign.")] = None,
    approver_key: Annotated[list[Path] | None, typer.Option(help="An approver's key file; two of them sign.")] = None,
    plan: Annotated[bool, typer.Option("--plan", help="Only show what would change.")] = False,
    renew: Annotated[bool, typer.Option("--renew", help="Move every expiry on, too.")] = False,
    yes: signing.Yes = False,
    as_: output.As = None,
    json_: output.Json = False,
) -> None:
    """Bring what devices trust to the keys and classes of today: who was enrolled comes, who was revoked goes."""
    with output.reported(as_json=json_), output.catalog(as_, "approver-1") as catalog:
        planned = catalog.plan_rotation(renew=renew)
        rotation.check(planned)
        if not json_:
            rotation.show(planned)
        if plan:
            if json_:
                output.say_json(planned.document())
            return
        signing.confirm(catalog, ask=not (yes or json_))
        done = rotation.signed(planned, root_key or [], approver_key or [], catalog.settings.home)
        rotation.bring(catalog, done, json_=json_)


def _one(found: list[KeyView], which: str, *, compromised: bool) -> Key:
    """The one key that is meant and can still be revoked so."""
    keys = [v.key for v in found if v.key.revoked_at is None or (compromised and not v.key.compromised)]
    meant = [k for k in keys if which == k.principal or (len(which) >= 8 and k.keyid.startswith(which))]
    if len(meant) != 1:
        what = f"{which!r} names {len(meant) or 'no'} key{'s' * (len(meant) != 1)} that could be revoked"
        raise Absent("key-unknown", what, do="take the key's id from `assay key list`")
    return meant[0]


def _show_revocation(key: Key, *, compromised: bool) -> None:
    say = output.console().print
    say(f"revoke the {key.role}'s key of {key.principal}", style="bold", markup=False)
    say(f"  key {key.keyid}", markup=False)
    if compromised:
        say("  compromised: every release that rests on what it signed is denied, for good", markup=False)
    else:
        say("  lost: what it signed stands, it signs nothing more", markup=False)


def _revoked(done: Revoked) -> str:
    lines = [f"revoked the {done.key.role}'s key of {done.key.principal}"]
    lines += [f"  denied release {release}" for release in done.denied]
    lines += [f"  {said}" for said in done.lacking]
    return "\n".join(lines)


def _write_private(path: Path, text: str) -> None:
    path.touch(mode=0o600, exist_ok=False)
    path.write_text(text)
