"""XML from strangers: no DOCTYPE (so no entities), limits on size, depth and count; numbers are finite."""

from __future__ import annotations

from pathlib import Path
from xml.etree.ElementTree import Element, ParseError, TreeBuilder, XMLParser

import numpy as np
from numpy.typing import NDArray

from validators.errors import InvalidRobot

MAX_BYTES = 16 << 20
MAX_ELEMENTS = 100_000
MAX_DEPTH = 200


class _Builder(TreeBuilder):
    """Builds elements and refuses what could expand or nest without end."""

    def __init__(self) -> None:
        super().__init__()
        self.depth = self.count = 0

    def start(self, tag: str, attrs: dict[str, str]) -> Element:
        self.depth += 1
        self.count += 1
        if self.depth > MAX_DEPTH or self.count > MAX_ELEMENTS:
            raise InvalidRobot("model-invalid", f"nested deeper than {MAX_DEPTH} or more than {MAX_ELEMENTS} elements")
        return super().start(tag, attrs)

    def end(self, tag: str) -> Element:
        self.depth -= 1
        return super().end(tag)

    def doctype(self, name: str, pubid: str | None, system: str | None) -> None:
        raise InvalidRobot("model-invalid", f"a DOCTYPE ({name}) is not accepted: it could expand entities")


def parse(text: str) -> Element:
    """The root element. Raises `InvalidRobot` (`model-invalid`)."""
    if len(text) > MAX_BYTES:
        raise InvalidRobot("model-invalid", f"larger than {MAX_BYTES} bytes")
    parser = XMLParser(target=_Builder())  # noqa: S314 - the builder refuses DOCTYPE, so nothing expands
    try:
        parser.feed(text)
        root = parser.close()
    except ParseError as error:
        raise InvalidRobot("model-invalid", f"no XML: {error}") from error
    if not isinstance(root, Element):
        raise InvalidRobot("model-invalid", "no root element")
    return root


def numbers(element: Element, attribute: str, default: str | None, *, size: int) -> NDArray[np.float64]:
    """`size` finite numbers of an attribute."""
    text = element.get(attribute, default)
    where = f"<{element.tag} name={element.get('name')!r}> {attribute}"
    if text is None:
        raise InvalidRobot("model-invalid", f"{where} is missing")
    try:
        found = np.array([float(part) for part in text.split()], dtype=np.float64)
    except ValueError as error:
        raise InvalidRobot("model-invalid", f"{where}={text!r} is no list of numbers") from error
    if found.shape != (size,) or not np.isfinite(found).all() or np.abs(found).max() > 1e9:
        raise InvalidRobot("model-invalid", f"{where}={text!r} should be {size} finite numbers")
    return found


def direction(element: Element, default: str) -> NDArray[np.float64]:
    """The attribute `axis` as a unit vector."""
    axis = numbers(element, "axis" if element.tag == "joint" else "xyz", default, size=3)
    length = float(np.linalg.norm(axis))
    if length < 1e-9:
        raise InvalidRobot("model-invalid", f"<{element.tag} name={element.get('name')!r}> has an axis of length zero")
    return axis / length


def read(path: Path, limit: int) -> str:
    """The UTF-8 text of a regular file of at most `limit` bytes."""
    if not path.is_file():
        raise InvalidRobot("robot-missing", "no such file", path=path)
    if path.stat().st_size > limit:
        raise InvalidRobot("robot-invalid", f"larger than {limit} bytes", path=path)
    try:
        return path.read_text(encoding="utf-8")
    except UnicodeDecodeError as error:
        raise InvalidRobot(
            "robot-invalid", f"no UTF-8 text: {error.reason} at byte {error.start}", path=path
        ) from error
