"""Sign what was shown: a person at a terminal is asked once; where nobody can be asked, only `--yes` signs."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from catalog.errors import Invalid

if TYPE_CHECKING:
    from catalog.client import Catalog
    from catalog.domain.base import Entity

KeyFile = Annotated[Path | None, typer.Option("--key", help="The signer's key file; KEYS/<principal>.pem if absent.")]
Yes = Annotated[bool, typer.Option("--yes", help="Sign without asking; without it only a terminal is asked.")]


def key_file(catalog: Catalog, key: Path | None) -> Path:
    """The key file named, or the one of the principal."""
    return key or catalog.settings.keys_folder / f"{catalog.principal}.pem"


def confirm(catalog: Catalog, *, ask: bool) -> None:
    """Ask a person at a terminal once, before anything is signed."""
    if ask:
        asked(f"Sign this as {catalog.principal}?")


def asked(question: str) -> None:
    """Go on when a person at a terminal says yes; refused where nobody can be asked."""
    if not sys.stdin.isatty():
        raise Invalid("input-invalid", "nothing was done: nobody could be asked", do="confirm it with --yes")
    typer.confirm(question, abort=True)


def signed(catalog: Catalog, entity: Entity, payload_type: str, key: Path | None, *, ask: bool) -> dict[str, Any]:
    """The canonical bytes of a document under the principal's key."""
    from catalog.attest.envelope import sign

    confirm(catalog, ask=ask)
    return sign(entity.canonical(), payload_type, key_file(catalog, key), catalog.settings.home)
