"""`assay audit …`: verify the log, and read it."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from catalog.cli import output

if TYPE_CHECKING:
    from catalog.domain.audit import AuditHead

SMALL = 16 * 2**20  # bytes of a head
app = typer.Typer(help="The audit log.", no_args_is_help=True, rich_markup_mode=None)


@app.command()
def verify(
    head: Annotated[
        str | None, typer.Option(help="A head that was kept: a signed head's file, or SIZE:sha256:ROOT.")
    ] = None,
    as_: output.As = None,
    json_: output.Json = False,
) -> None:
    """Recompute the whole chain; with a kept head, find a log that was rewritten or restored."""
    with output.reported(as_json=json_):
        kept = _kept(head) if head is not None else None
        with output.catalog(as_, "viewer") as catalog:
            report = catalog.verify_audit(kept)
        if json_:
            output.say_json(report.document())
            return
        output.console().print(f"whole: {report.size} entries", markup=False)
        output.console().print(f"head:  {report.size}:{report.root}", markup=False)


def _kept(text: str) -> AuditHead:
    """The head in a file, or as text; whoever kept it answers for it, so no signature is asked for."""
    from catalog.domain.audit import AuditHead

    size, colon, root = text.partition(":")
    if colon and size.isdigit():
        return AuditHead.of({"size": int(size), "root": root})
    from catalog.attest.envelope import HEAD, unverified
    from catalog.cli.writing import read
    from catalog.domain.trust import LogHead

    return LogHead.parse(unverified(read(Path(text), SMALL), HEAD)).head


@app.command("head")
def head_(
    out: Annotated[Path, typer.Option("--out", dir_okay=False, help="The file to write.")],
    since: Annotated[int | None, typer.Option(min=0, help="Prove that the log continues a head of this size.")] = None,
    as_: output.As = None,
    json_: output.Json = False,
) -> None:
    """Write the signed head of the log, with everything that is withdrawn; keep it where this home cannot reach it."""
    with output.reported(as_json=json_):
        from catalog.attest.envelope import HEAD, unverified
        from catalog.cli.writing import write
        from catalog.domain.base import canonical
        from catalog.domain.trust import LogHead

        with output.catalog(as_, "viewer") as catalog:
            envelope = catalog.audit_head(since).envelope
        found = LogHead.parse(unverified(envelope, HEAD))
        write(out, canonical(envelope))
        if json_:
            output.say_json({"file": str(out), **found.document()})
            return
        say = output.console().print
        say(f"head:  {found.head.size}:{found.head.root}", markup=False)
        say(f"at:    {found.document()['at']}, epoch {found.epoch}, {len(found.denials)} withdrawn", markup=False)
        say(f"file:  {out}", markup=False)


@app.command("list")
def list_(as_: output.As = None, json_: output.Json = False) -> None:
    """Every entry, oldest first."""
    with output.reported(as_json=json_):
        with output.catalog(as_, "viewer") as catalog:
            entries = catalog.audit()
        if json_:
            output.say_json([e.document() for e in entries])
            return
        rows = [[str(e.seq), e.document()["at"][:19], e.actor, e.action, e.subject[:60]] for e in entries]
        output.table("audit log", ("entry", "at (UTC)", "actor", "action", "subject"), rows)
