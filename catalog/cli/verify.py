"""`assay verify`: check a report with nothing but the file, the trust root and optionally a newer head. Offline.

Exit status: 0 a permission, verified; 10 verified, and no permission; 11 integrity only; 12 not to be trusted; 13
superseded; 2 no report, trust root or head; 7 damaged.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from catalog.cli import output
from catalog.errors import AssayError, Damaged

if TYPE_CHECKING:
    from catalog.attest.verify_bundle import Established

STATUS = {"permission": 0, "failed": 10, "integrity-only": 11, "untrusted": 12, "superseded": 13}
SAID = {
    "permission": "VERIFIED: this was allowed, as of the time below",
    "failed": "NOT A PERMISSION: the report is genuine, and says that this is not allowed",
    "integrity-only": "INTEGRITY ONLY: nothing shows who made this; give --trust-root",
    "superseded": "SUPERSEDED: this was allowed, and was withdrawn since",
}
KINDS = {"failed": "decision-blocked", "integrity-only": "report-untrusted", "superseded": "report-superseded"}
SMALL = 16 * 2**20  # bytes of a trust root or a head


def verify(
    bundle: Annotated[Path, typer.Argument(metavar="BUNDLE", help="The .bundle.json of a report.")],
    trust_root: Annotated[Path | None, typer.Option(help="The trust root, as the home handed it over.")] = None,
    head: Annotated[Path | None, typer.Option(help="A newer signed head: what was withdrawn since.")] = None,
    page: Annotated[
        Path | None,
        typer.Option(dir_okay=False, help="Write the bundle's own page there; one that is there is compared with it."),
    ] = None,
    json_: output.Json = False,
) -> None:
    """Check a report offline. Exit status: 0 permission, 10 none, 11 integrity only, 12 untrusted, 13 superseded."""
    try:
        with output.reported(as_json=json_):
            found, digest = _established(bundle, trust_root, head)
            told = _page(page, found.page) if page is not None else None
    except typer.Exit as ended:
        if isinstance(ended.__cause__, AssayError) and ended.__cause__.kind == "report-untrusted":
            raise typer.Exit(STATUS["untrusted"]) from ended
        raise
    if json_:
        output.say_json(_document(found, digest) | ({"page": told} if told is not None else {}))
    else:
        _say(found, digest, told)
    raise typer.Exit(STATUS[found.outcome])


def _established(bundle: Path, trust_root: Path | None, head: Path | None) -> tuple[Established, str | None]:
    from catalog.attest.verify_bundle import verify_bundle
    from catalog.cli.writing import read
    from catalog.domain.base import sha256
    from catalog.domain.report import BUNDLE_LIMIT

    content = read(bundle, BUNDLE_LIMIT)
    trust = read(trust_root, SMALL) if trust_root is not None else None
    newer = read(head, SMALL) if head is not None else None
    return verify_bundle(content, trust, newer), sha256(trust) if trust is not None else None


def _document(found: Established, digest: str | None) -> dict[str, Any]:
    lines = [{"what": line.what, "found": line.found} for line in found.lines]
    kind = KINDS.get(found.outcome)
    rules = [rule.document() for rule in found.rules]
    facts = {**found.facts, "established": lines, "rules": rules}
    return {"outcome": found.outcome, "kind": kind, "trust_root": digest, **facts}


def _page(path: Path, own: bytes) -> str:
    """Write the page where there is none; refuse one that is there and is another. Returns what became of it."""
    from catalog.cli.writing import read, write
    from catalog.domain.report import BUNDLE_LIMIT

    if not path.exists():
        write(path, own)
        return f"{path}: written from the bundle"
    if read(path, BUNDLE_LIMIT) != own:
        do = "do not read it; name another file, and the bundle's own page is written there"
        raise Damaged("report-damaged", f"{path} is not the page of this bundle", where=str(path), do=do)
    return f"{path}: the bundle's own, byte for byte"


def _say(found: Established, digest: str | None, page: str | None) -> None:
    typer.echo(SAID[found.outcome])
    for line in found.lines:
        typer.echo(f"  {line.what:<11} {_plain(line.found)}")
        for rule in _rules(found) if line.what == "decision" else ():
            typer.echo(f"  {'rule':<11} {_plain(rule)}")
    if page is not None:
        typer.echo(f"  {'page':<11} {page}")
    if digest is not None:
        typer.echo(f"  {'trust root':<11} {digest} (compare it with what you were given)")
    if kind := KINDS.get(found.outcome):
        typer.echo(f"{kind}: do not act on this report as a permission", err=True)


def _rules(found: Established) -> list[str]:
    """Each rule with what it asks and read; of the floor, which is in code, those that passed are only named."""
    from catalog.cli.decision import name, why

    passed = [rule for rule in found.rules if rule.floor and rule.verdict == "pass"]
    lines = [f"pass floor: {', '.join(rule.rule for rule in passed)}"] if passed else []
    return lines + [f"{rule.verdict} {name(rule)}: {why(rule)}" for rule in found.rules if rule not in passed]


def _plain(text: str) -> str:
    """Without control characters: a name in a report must not steer a terminal."""
    return "".join(c if c.isprintable() else "�" for c in text)
