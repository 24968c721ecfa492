"""`assay audit …`: verify the log, and read it."""

from __future__ import annotations

from typing import Annotated

import typer

from catalog.cli import output

app = typer.Typer(help="The audit log.", no_args_is_help=True, rich_markup_mode=None)


@app.command()
def verify(
    head: Annotated[str | None, typer.Option(help="A head that was kept: SIZE:sha256:ROOT.")] = None,
    as_: output.As = None,
    json_: output.Json = False,
) -> None:
    """Recompute the whole chain; with a kept head, find a log that was rewritten or restored."""
    with output.reported(as_json=json_):
        from catalog.domain.audit import AuditHead

        kept = None
        if head is not None:
            size, _, root = head.partition(":")
            kept = AuditHead.of({"size": int(size) if size.isdigit() else size, "root": root})
        with output.catalog(as_, "viewer") as catalog:
            report = catalog.verify_audit(kept)
        if json_:
            output.say_json(report.document())
            return
        output.console().print(f"whole: {report.size} entries", markup=False)
        output.console().print(f"head:  {report.size}:{report.root}", markup=False)


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
