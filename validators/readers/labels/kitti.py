"""KITTI object labels, `label_2/NNNNNN.txt` beside `image_2`: a line is a box in the picture and a cuboid in space."""

from __future__ import annotations

import math
from typing import Any

from validators.errors import UnreadableDataset
from validators.files import Files
from validators.labels import Labels
from validators.readers.columns import unreadable
from validators.readers.labels.cameras import by_folder, cameras
from validators.readers.labels.fields import Ledger, plain
from validators.readers.labels.tables import LabelTables, attributes
from validators.recording import Facts, Problem, Recording

FORMAT = "KITTI object labels (label_2/*.txt)"
FOLDER, PICTURES, STREAM = "label_2", "image_2", "image_2"
MAX_BYTES = 1 << 20  # of one file
WIDTHS = (15, 16)  # with the score of a detector
IGNORED = "DontCare"  # a region that was not labelled: a box, no cuboid
_PNG = b"\x89PNG\r\n\x1a\n"


def recognises(files: Files) -> bool:
    """Whether the first text file of a folder `label_2` has lines of 15 or 16 columns, or no line."""
    names = _names(files)
    if not names:
        return False
    with files.open(names[0]) as file:
        first = file.read(4096).decode("utf-8", "replace").strip().split("\n")[0]
    return not first or len(first.split()) in WIDTHS


def _names(files: Files) -> list[str]:
    return [n for n in files.names(".txt") if n.split("/")[-2:-1] == [FOLDER]]


def read(files: Files) -> Recording:
    """Reads every label file; sizes of pictures from the heads of PNG files."""
    ledger, problems = Ledger(), list[Problem]()
    there = set(files.names(".png", ".jpg", ".jpeg"))
    with LabelTables(files.scratch) as tables:
        for name in _names(files):
            try:
                text = files.text(name, MAX_BYTES) if files.size(name) else ""
            except UnreadableDataset as error:
                if error.kind == "path-outside":
                    raise
                problems.append(unreadable(error, files, name, None))
                continue
            image = _picture(name, there)
            width, height = _size(files, image) if image in there else (None, None)
            row = {"id": image, "file": image, "width": width, "height": height, "stream": STREAM}
            tables.images.add({**row, "expected": True, "found": image in there, "source": name})
            for number, line in enumerate(text.split("\n"), start=1):
                if line.strip():
                    for label in _line(line.split(), name, number, ledger):
                        tables.annotations.add({**label, "id": f"{name}:{number}", "image": image})
        labelled = {_picture(n, there) for n in _names(files)}
        for image in sorted(p for p in there if p.split("/")[-2:-1] == [PICTURES] and p not in labelled):
            size = _size(files, image)
            row = {"id": image, "file": image, "width": size[0], "height": size[1], "stream": STREAM}
            tables.images.add({**row, "expected": True, "found": True, "source": image})
        annotations, listed, objects = tables.close()
    images, episodes = by_folder(listed)
    labels = Labels(annotations, images, objects, defects=ledger.defects)
    seen = cameras(files, images)
    return Recording("kitti-labels", files, Facts(), episodes, cameras=seen, labels=labels, problems=tuple(problems))


def _picture(name: str, there: set[str]) -> str:
    stem = f"/{name}".replace(f"/{FOLDER}/", f"/{PICTURES}/").removesuffix(".txt")[1:]
    return next((stem + s for s in (".png", ".jpg", ".jpeg") if stem + s in there), stem + ".png")


def _size(files: Files, image: str) -> tuple[float | None, float | None]:
    with files.open(image) as file:
        head = file.read(24)
    if len(head) < 24 or not head.startswith(_PNG):
        return None, None
    return float(int.from_bytes(head[16:20], "big")), float(int.from_bytes(head[20:24], "big"))


def _line(words: list[str], name: str, number: int, ledger: Ledger) -> list[dict[str, Any]]:
    where = f"line {number}"
    try:
        values = [float(w) for w in words[1:]]
    except ValueError:
        ledger.add(name, "type", where, "a number was expected after the class")
        return []
    if len(words) not in WIDTHS:
        ledger.add(name, "length", where, f"{len(words)} columns, 15 were expected (16 with a score)")
        return []
    truncated, occluded, alpha, x1, y1, x2, y2, h, w, length, x, y, z, turn = values[:14]
    same = {
        "category": plain(words[0]),
        "stream": STREAM,
        "set": name.rpartition("/")[0],
        "source": name,
        "where": where,
        "attributes": attributes({"truncated": truncated, "occluded": occluded, "alpha": alpha}),
    }
    box = {**same, "kind": "bbox", "x": x1, "y": y1, "w": x2 - x1, "h": y2 - y1}
    if words[0] == IGNORED:
        return [{**box, "kind": "ignored"}]
    if not 0 <= truncated <= 1:
        ledger.add(name, "range", where, f"truncated {truncated:g}, 0 to 1 was expected")
    if occluded not in (0, 1, 2, 3):
        ledger.add(name, "range", where, f"occluded {occluded:g}, 0 to 3 was expected")
    if not abs(turn) <= math.pi + 0.01:
        ledger.add(name, "range", where, f"rotation_y {turn:g} rad, -π to π was expected")
    half = turn / 2 if math.isfinite(turn) else math.nan
    cuboid = {"kind": "cuboid", "cx": x, "cy": y - h / 2, "cz": z, "sx": length, "sy": w, "sz": h}
    return [box, {**same, **cuboid, "qw": math.cos(half), "qx": 0.0, "qy": math.sin(half), "qz": 0.0}]
