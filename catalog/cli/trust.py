"""`assay trust …`: what an auditor is given once, to check every report with."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from catalog.cli import output

app = typer.Typer(help="What is handed to those who check from outside.", no_args_is_help=True, rich_markup_mode=None)


@app.command()
def export(
    out: Annotated[Path, typer.Option("--out", dir_okay=False, help="The file to write.")],
    as_: output.As = None,
    json_: output.Json = False,
) -> None:
    """Write the trust root: whose keys count in this home. Hand it over on a way that the auditor trusts."""
    with output.reported(as_json=json_):
        from catalog.attest.envelope import TRUST, unverified
        from catalog.cli.writing import write
        from catalog.domain.base import canonical, sha256
        from catalog.domain.trust import TrustRoot

        with output.catalog(as_, "viewer") as catalog:
            envelope = catalog.trust().envelope
        content, root = canonical(envelope), TrustRoot.parse(unverified(envelope, TRUST))
        write(out, content)
        if json_:
            output.say_json({"file": str(out), "digest": sha256(content), "home": root.home})
            return
        say = output.console().print
        say(f"trust root of home {root.home}, environment {root.environment}: {len(root.keys)} keys", markup=False)
        say(f"  file   {out}", markup=False)
        say(f"  digest {sha256(content)}", markup=False)
        say("  it proves nothing by itself: hand it over in person, or read its digest out by telephone", markup=False)
