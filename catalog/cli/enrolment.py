"""Show an enrolment from the bytes that are signed, sign it, and say what it still needs."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from catalog.cli import output, signing
from catalog.errors import Invalid, Refused

if TYPE_CHECKING:
    from catalog.client import Catalog
    from catalog.domain.enrolment import Enrolment, EnrolmentView, KeyRequest

LIMIT = 64 * 1024


def request_bytes(path: Path) -> bytes:
    """A request file that a newcomer handed over."""
    if not path.is_file():
        raise Invalid("path-missing", f"no request file {path}", do="let the newcomer make one")
    if path.stat().st_size > LIMIT:
        raise Invalid("document-invalid", f"{path} is larger than {LIMIT} bytes")
    return path.read_bytes()


def enrol(catalog: Catalog, request: KeyRequest, key: Path | None, *, yes: bool, json_: bool) -> None:
    """Propose, show, sign, bring."""
    from catalog.attest.envelope import ENROLMENT

    proposed = catalog.propose_key(request)
    _is_what_was_asked(proposed.enrolment, request)
    if not json_:
        _show(proposed)
    envelope = signing.signed(catalog, proposed.enrolment, ENROLMENT, key, ask=not (yes or json_))
    done = catalog.enrol_key(envelope)
    output.said(done.document(), json_, _said(done))


def _is_what_was_asked(e: Enrolment, request: KeyRequest) -> None:
    """Nothing is signed that says something else than the newcomer's own file."""
    said = (e.name, e.key_role, e.public, e.token_digest, e.device)
    if said != (request.name, request.key_role, request.public, request.token_digest, request.device):
        what = "what the catalog proposes is not what the request asks for"
        raise Refused("decision-mismatch", what, where=e.id, do="do not sign; ask who runs the catalog")


def _show(proposed: EnrolmentView) -> None:
    e = proposed.enrolment
    say = output.console().print
    say(f"enrol {e.name} with a key of role {e.key_role}", style="bold", markup=False)
    for line in _facts(e):
        say(f"  {line}", markup=False)
    signed = f"; signed by {', '.join(proposed.signed_by)}" if proposed.signed_by else ""
    say(f"  needs {e.signatures} signature{'s' * (e.signatures > 1)}{signed}", markup=False)
    say(f"  document {proposed.digest_}", style="dim", markup=False)


def _facts(e: Enrolment) -> list[str]:
    lines = [f"roles {', '.join(e.roles)}", f"key {e.keyid}", f"valid until {e.document()['expires_at'][:10]}"]
    if e.device is not None:
        d = e.device
        lines.append(
            f"class {d.device_class}, environment {d.environment}, hardware {d.hardware}, site {d.site or '-'}"
        )
    if e.known_before:
        lines.append("known before: gets this key and a new token; no older key counts")
    return lines


def _said(done: EnrolmentView) -> str:
    e = done.enrolment
    if done.done_at is not None:
        return f"enrolled {e.name}, signed by {', '.join(done.signed_by)}"
    until = e.document()["open_until"][:16]
    enough = "another approver" if e.signatures < 2 else "two approvers, or two root keys, one of each is not enough;"
    return f"signed by {', '.join(done.signed_by)}; it takes {enough} to sign the same request until {until}Z"
