"""`assay lakefs …`: move the data of a home out of the embedded lakeFS."""

from __future__ import annotations

import os
import sys
from typing import Annotated

import typer

from catalog.cli import output
from catalog.errors import Invalid

app = typer.Typer(help="The lakeFS that holds the data.", no_args_is_help=True, rich_markup_mode=None)
KEY, SECRET = "LAKEFS_ACCESS_KEY_ID", "LAKEFS_SECRET_ACCESS_KEY"


@app.callback()
def _group() -> None:
    """Keep `copy` a command of its own, however few there are."""


@app.command()
def copy(
    to: Annotated[str, typer.Option("--to", help="Address of the other lakeFS, as http://host:8000.")],
    namespace: Annotated[str, typer.Option(help="Where its repositories store, as s3://bucket/.")],
    as_: output.As = None,
    json_: output.Json = False,
) -> None:
    """Copy every repository, with history, branches and tags, to another lakeFS; verified, and resumable.

    Its credentials are read from LAKEFS_ACCESS_KEY_ID and LAKEFS_SECRET_ACCESS_KEY, or asked for.
    """
    with output.reported(as_json=json_):
        key, secret = _credential(KEY, "access key"), _credential(SECRET, "secret key")
        with output.catalog(as_, "steward") as catalog, output.progress("copy") as progress:
            result = catalog.copy_store(to, namespace, key, secret, progress)
        counted = ", ".join(f"{result[what]:,} {what}" for what in ("repositories", "commits", "branches", "tags"))
        lines = [
            f"copied to {result['store']}: {counted}",
            f"{result['versions']:,} versions verified at their new place",
            *(f"not copied, as it was never committed: what is staged on {b}" for b in result["uncommitted"]),
            f"To use it: stop the service, set ASSAY_LAKEFS_URL={result['store']} with its KEY, SECRET and NAMESPACE.",
        ]
        output.said(result, json_, "\n".join(lines))


def _credential(name: str, what: str) -> str:
    given = os.environ.get(name)
    if given:
        return given
    if not sys.stdin.isatty():
        raise Invalid("input-invalid", f"no {what} of the other lakeFS", do=f"set {name}")
    return str(typer.prompt(f"{what} of the other lakeFS", hide_input=True))
