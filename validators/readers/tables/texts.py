"""The CSV and TSV files of a folder: looked at together, so that a column is of one type in all of them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path

from validators.errors import UnreadableDataset
from validators.files import Files
from validators.readers import columns
from validators.readers.spool import Spool
from validators.readers.tables import arrow, delimited
from validators.readers.tables.delimited import Holds, Sheet, Survey
from validators.recording import Problem


def sources(files: Files, problems: list[Problem]) -> dict[str, Callable[[str], columns.Footer]]:
    """Each file, and how it is decoded and known by its clock column. Ragged rows and odd columns become problems."""
    looked: dict[str, tuple[Sheet, Survey] | UnreadableDataset] = {}
    for relative in files.names(*delimited.SUFFIXES):
        try:
            sheet = delimited.look(files.local(relative))
            looked[relative] = (sheet, delimited.survey(sheet))
        except UnreadableDataset as error:
            if error.kind == "path-outside":
                raise
            looked[relative] = error
    wide = _wide([found[1] for found in looked.values() if not isinstance(found, UnreadableDataset)])
    written: dict[str, Path | UnreadableDataset] = {}
    with Spool(files.scratch) as spool:
        for relative, found in looked.items():
            try:
                written[relative] = _written(spool, relative, found, wide)
            except UnreadableDataset as error:
                written[relative] = error
            else:
                problems += _said(relative, *found) if not isinstance(found, UnreadableDataset) else []
    return {relative: partial(_footer, files, path) for relative, path in written.items()}


def _wide(surveys: list[Survey]) -> dict[str, Holds]:
    """Columns that are whole numbers in some files and fractions in others, and what columns hold that others leave
    empty."""
    held: dict[str, set[Holds]] = {}
    for survey in surveys:
        for name, filled in survey.filled.items():
            held.setdefault(name, set()).update([survey.holds(name)] if filled else [])
    found: dict[str, Holds] = {}
    for name, kinds in held.items():
        if kinds == {"int64", "float64"}:
            found[name] = "float64"
        elif len(kinds) == 1:
            found[name] = next(iter(kinds))
    return found


def _said(relative: str, sheet: Sheet, survey: Survey) -> list[Problem]:
    found = [Problem("column-type", relative, why) for name in sheet.columns if (why := survey.mixed(name))]
    if survey.left_out:
        named = ", ".join(f"row {row} has {fields}" for row, fields in survey.ragged)
        detail = (
            f"{survey.left_out} rows do not have the header's {len(sheet.columns)} fields and were left out ({named})"
        )
        found.append(Problem("file-damaged", relative, detail))
    return found


def _written(
    spool: Spool, relative: str, found: tuple[Sheet, Survey] | UnreadableDataset, wide: Mapping[str, Holds]
) -> Path:
    """The file as an Arrow file of the scratch folder."""
    if isinstance(found, UnreadableDataset):
        raise found
    sheet, survey = found
    if not survey.rows:
        raise UnreadableDataset("file-damaged", "holds 0 rows", path=sheet.path)
    holds = {name: wide.get(name, survey.holds(name)) for name in sheet.columns}
    delimited.decode(sheet, holds, partial(spool.write, relative, 0))
    spool.close(relative, 0)
    return spool.tables(relative)[0].parts[0].path


def _footer(files: Files, path: Path | UnreadableDataset, clock: str) -> columns.Footer:
    if isinstance(path, UnreadableDataset):
        raise path
    return arrow.footer(path, clock, files.scratch)
