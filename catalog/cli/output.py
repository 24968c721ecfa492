"""How commands speak: tables and progress for people, `--json` for scripts, one message and one exit code an error."""

from __future__ import annotations

import errno
import json
import os
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Annotated, Any

import typer

from catalog.cli.findings.words import plain
from catalog.errors import AssayError, Unavailable

if TYPE_CHECKING:
    from rich.console import Console

    from catalog.client import Catalog

INTERRUPTED, READER_GONE = 130, 141
UNWRITTEN = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EROFS, errno.EIO}
Json = Annotated[bool, typer.Option("--json", help="Everything as JSON on standard output.")]
As = Annotated[str | None, typer.Option("--as", help="The principal whose token is used.")]


@contextmanager
def reported(*, as_json: bool = False) -> Iterator[None]:
    """Errors of our tree end the command with their message and exit code; an interrupt with 130."""
    try:
        yield
    except AssayError as error:
        say_error(error, as_json=as_json)
        raise typer.Exit(error.exit_code) from error
    except KeyboardInterrupt as error:
        typer.echo("interrupted; nothing was left half-done", err=True)
        raise typer.Exit(INTERRUPTED) from error


def say_error(error: AssayError, *, as_json: bool) -> None:
    """One error: as JSON on standard output, or as lines on standard error."""
    if as_json:
        said = {"kind": error.kind, "what": error.what, "where": error.where, "do": error.do}
        typer.echo(json.dumps({"error": said}, indent=2))
        return
    typer.echo(plain(f"{error.kind}: {error.what}"), err=True)
    if error.where:
        typer.echo(plain(f"  where: {error.where}"), err=True)
    if error.do:
        typer.echo(plain(f"  do:    {error.do}"), err=True)


def to_the_end(act: Callable[[], None]) -> None:
    """Run a whole command and write all of its answer; where that cannot be written is said in one line."""
    try:
        try:
            act()
        finally:
            sys.stdout.flush()
    except BrokenPipeError as error:
        _drop_output()
        raise SystemExit(READER_GONE) from error
    except OSError as error:
        if error.errno not in UNWRITTEN:
            raise
        _drop_output()
        what = f"the answer cannot be written: {error.strerror}"
        full = Unavailable("disk-full", what, do="free space, or write it elsewhere")
        say_error(full, as_json=False)
        raise SystemExit(full.exit_code) from error


def _drop_output() -> None:
    """What is left of an answer goes nowhere, or the interpreter would try once more at its end."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


@contextmanager
def catalog(principal: str | None, default: str) -> Iterator[Catalog]:
    """A connection as the principal asked for, or as the one whose task this usually is."""
    from catalog.client import Catalog
    from catalog.settings import load

    settings = load()
    with Catalog(principal or settings.principal or default, settings) as connected:
        yield connected


def console() -> Console:
    """Where people look; a pipe is as wide as a good terminal."""
    from rich.console import Console

    wide = None if sys.stdout.isatty() or "COLUMNS" in os.environ else 118
    return Console(highlight=False, width=wide)


def say_json(document: Any) -> None:
    """A document as JSON."""
    typer.echo(json.dumps(document, indent=2, ensure_ascii=False, allow_nan=False))


def said(result: Any, as_json: bool, text: str) -> None:
    """What a command did: the document for scripts, one sentence for people."""
    if as_json:
        say_json(result)
    else:
        console().print(text, markup=False)


def table(title: str, columns: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    """A table; text is shown as it is, never as markup."""
    from rich.table import Table
    from rich.text import Text

    shown = Table(title=title, title_justify="left", title_style="bold", box=None, pad_edge=False, padding=(0, 2, 0, 0))
    for column in columns:
        shown.add_column(column, header_style="dim", overflow="fold")
    for row in rows:
        shown.add_row(*(Text(cell, style=_style(cell)) for cell in row))
    console().print(shown)


def _style(cell: str) -> str:
    word = cell.split(" ", maxsplit=1)[0]
    if word in ("approved", "eligible", "pass", "passed"):
        return "green"
    if word in ("blocked", "fail", "failing", "quarantined", "blocking", "missing", "undecided"):
        return "red"
    return "yellow" if word == "warning" else ""


@contextmanager
def progress(label: str) -> Iterator[Callable[[float, str], None]]:
    """A bar on standard error where that is a terminal."""
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeElapsedColumn

    where = Console(stderr=True)
    columns = (TextColumn("{task.description}"), BarColumn(), TaskProgressColumn(), TimeElapsedColumn())
    with Progress(*columns, console=where, transient=True, disable=not sys.stderr.isatty()) as bar:
        task = bar.add_task(label, total=1.0)
        yield lambda fraction, step: bar.update(task, completed=fraction, description=f"{label}: {step}")
