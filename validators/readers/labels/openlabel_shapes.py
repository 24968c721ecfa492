"""The geometry of OpenLABEL's object data, as columns of the table of annotations."""

from __future__ import annotations

import math
from typing import Any

from validators.readers.labels.fields import Fields
from validators.readers.labels.tables import hull

MARKS = ("bbox", "rbbox", "cuboid", "poly2d", "poly3d", "point2d", "point3d", "mat", "vec", "image", "area_reference")
_POINTS = {"point2d": 2, "point3d": 3}
_PLAIN = ("boolean", "num", "text")


def mark(kind: str, item: Fields) -> tuple[dict[str, Any], dict[str, Any]]:
    """(columns, attributes) of one item; a value of the wrong length gives the kind alone."""
    item.text("name", required=True)
    attributes = item.object("attributes")
    plain = {
        str(entry.value.get("name")): entry.value.get("val")
        for group in _PLAIN
        for i, value in enumerate(attributes.list(group))
        if (entry := attributes.item(group, i, value)).text("name", required=True)
    }
    return _shape(kind, item), plain


def _shape(kind: str, item: Fields) -> dict[str, Any]:
    if kind in ("bbox", "rbbox"):
        val = item.numbers("val", (4,) if kind == "bbox" else (5,), required=True)
        return {"kind": "bbox"} | ({} if val is None else _box(val, turned=kind == "rbbox"))
    if kind == "cuboid":
        val = item.numbers("val", (9, 10), required=True)
        return {"kind": "cuboid"} | ({} if val is None else _cuboid(val))
    if kind in ("poly2d", "poly3d"):
        return _polygon(kind, item)
    if kind in _POINTS:
        val = item.numbers("val", (_POINTS[kind],), required=True)
        return {"kind": "point", "points": 1} | ({"x": val[0], "y": val[1]} if val and kind == "point2d" else {})
    return {"kind": "mask"}


def _box(val: list[float], *, turned: bool) -> dict[str, Any]:
    """From centre and extent; of a turned box the upright one around it is not made up, so its corner stays open."""
    x, y, w, h = val[:4]
    if turned:
        return {"w": w, "h": h}
    return {"x": x - w / 2, "y": y - h / 2, "w": w, "h": h}


def _cuboid(val: list[float]) -> dict[str, Any]:
    centre = dict(zip(("cx", "cy", "cz"), val[:3], strict=True))
    extent = dict(zip(("sx", "sy", "sz"), val[-3:], strict=True))
    if len(val) == 10:
        x, y, z, w = val[3:7]
    else:
        w, x, y, z = _quaternion(*val[3:6])
    return {**centre, **extent, "qw": w, "qx": x, "qy": y, "qz": z}


def _quaternion(roll: float, pitch: float, yaw: float) -> tuple[float, float, float, float]:
    """w x y z of the turns about x, then y, then z, rad; NaN where one is not finite."""
    if not all(math.isfinite(a) for a in (roll, pitch, yaw)):
        return (math.nan,) * 4
    (cr, sr), (cp, sp), (cy, sy) = ((math.cos(a / 2), math.sin(a / 2)) for a in (roll, pitch, yaw))
    return (
        cr * cp * cy + sr * sp * sy,
        sr * cp * cy - cr * sp * sy,
        cr * sp * cy + sr * cp * sy,
        cr * cp * sy - sr * sp * cy,
    )


def _polygon(kind: str, item: Fields) -> dict[str, Any]:
    width = 2 if kind == "poly2d" else 3
    shape: dict[str, Any] = {"kind": "polygon" if item.value.get("closed") is True else "polyline"}
    mode = item.value.get("mode", "MODE_POLY2D_ABSOLUTE")
    if mode != "MODE_POLY2D_ABSOLUTE" and width == 2:
        return shape  # chain codes: vertices are not decoded
    val = item.numbers("val", required=True)
    if val is None:
        return shape
    if len(val) % width:
        item.defect("length", "val", f"{len(val)} numbers, a multiple of {width} was expected")
        return shape
    return shape | {"points": len(val) // width} | (hull(val) if width == 2 else {})
