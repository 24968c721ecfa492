"""Open a report bundle: one file, strict, canonical, and closed both ways; who signed it is another question.

A bundle must be the canonical form of itself, so that there is one file for one content and no byte of it is idle.
"""

from __future__ import annotations

import base64
import binascii
from dataclasses import dataclass
from typing import Any, TypeVar

from catalog.attest.envelope import REPORT, unverified
from catalog.domain.base import Entity, canonical, sha256, strict_json
from catalog.domain.report import BUNDLE_LIMIT, Bundle, ReportStatement
from catalog.errors import AssayError, Damaged, Invalid, Refused

E = TypeVar("E", bound=Entity)
AGAIN = "get the bundle again from who made it"
WHOLE = f"give the whole .bundle.json, or {AGAIN}"


@dataclass(frozen=True)
class Opened:
    """A bundle whose files are those of its own list. Nothing is said of who wrote that list."""

    envelope: dict[str, Any]
    statement: ReportStatement
    files: dict[str, bytes]
    size: int

    def bytes_of(self, name: str) -> bytes:
        """One file."""
        found = self.files.get(name)
        if found is None:
            raise damaged(f"the bundle has no {name}, which its verdict rests on", name)
        return found

    def document(self, name: str, entity: type[E]) -> E:
        """One file as the document it must be, in its canonical form, so that its digest is that of the document."""
        content = self.bytes_of(name)
        try:
            found = entity.parse(content)
        except Invalid as error:
            raise damaged(error.what, name) from error
        if found.canonical() != content:
            raise damaged(f"{name} is not in its canonical form", name)
        return found

    def numbered(self, folder: str, name: str) -> list[str]:
        """`folder/1/name`, `folder/2/name`, … as far as there are any."""
        found: list[str] = []
        while (path := f"{folder}/{len(found) + 1}/{name}") in self.files:
            found.append(path)
        return found


def damaged(what: str, where: str) -> Damaged:
    """Bytes that are not what they were."""
    return Damaged("report-damaged", what, where=where, do=AGAIN)


def untrusted(what: str, where: str = "") -> Refused:
    """Whole, and not to be believed."""
    return Refused("report-untrusted", what, where=where, do="do not act on this report")


def open_bundle(data: bytes) -> Opened:
    """Parse a bundle and compare its files with its own list, both ways.

    Raises `Invalid("report-invalid")` for what is no bundle, `Damaged("report-damaged")` for one that was changed.
    """
    bundle = _parsed(data)
    try:
        statement = ReportStatement.parse(unverified(bundle.envelope, REPORT))
    except AssayError as error:
        raise Invalid("report-invalid", f"it holds no provenance report: {error.what}", do=AGAIN) from error
    files = _files(bundle)
    listed = {f.name: f for f in statement.predicate.files}
    if len(listed) != len(statement.predicate.files):
        raise damaged("the list names a file twice", "files")
    if extra := sorted(files.keys() - listed.keys()):
        raise damaged(f"{extra[0]} is in the bundle and not in its list", extra[0])
    for name, entry in sorted(listed.items()):
        if name not in files:
            raise damaged(f"{name} is in the list and not in the bundle", name)
        if (len(files[name]), sha256(files[name])) != (entry.size, entry.sha256):
            raise damaged(f"{name} is not the file that the list names", name)
    return Opened(bundle.envelope, statement, files, len(data))


def _parsed(data: bytes) -> Bundle:
    try:
        plain = strict_json(data, "bundle", BUNDLE_LIMIT)
        bundle = Bundle.of(plain)
        same = canonical(plain) == data
    except (Invalid, ValueError) as error:
        what = error.what if isinstance(error, Invalid) else str(error)
        raise Invalid("report-invalid", f"this is no whole report bundle: {what}", do=WHOLE) from error
    if not same:
        raise damaged("the bundle is not in the form in which it was written", "bundle")
    return bundle


def _files(bundle: Bundle) -> dict[str, bytes]:
    if twice := sorted(bundle.files.keys() & bundle.binary.keys()):
        raise damaged(f"{twice[0]} is in the bundle twice", twice[0])
    found = {name: text.encode() for name, text in bundle.files.items()}
    for name, text in bundle.binary.items():
        try:
            found[name] = base64.b64decode(text, validate=True)
        except binascii.Error as error:
            raise damaged(f"{name} is not base64: {error}", name) from error
        if base64.b64encode(found[name]).decode() != text:
            raise damaged(f"{name} is base64 with bits that mean nothing", name)
    return found
