"""Small label sets of each format that a test may spoil: documents as dictionaries, and how to write them."""

import json
import struct
import zlib
from pathlib import Path
from typing import Any

import numpy as np

START_US = 1_532_402_927_647_951
START_NS = 1_631_441_453_299_504_000


def write(path: Path, document: Any) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(document))
    return path


def coco(images: int = 4, each: int = 3) -> dict[str, Any]:
    """Boxes of two classes side by side, with segmentation."""
    boxes = [(i, 10.0 + 60 * j, 20.0 + 5 * (i % 50), 40.0, 30.0 + j) for i in range(images) for j in range(each)]
    return {
        "images": [{"id": i, "file_name": f"{i:04}.jpg", "width": 640, "height": 480} for i in range(images)],
        "annotations": [
            {
                "id": n,
                "image_id": i,
                "category_id": 1 + n % 2,
                "bbox": [x, y, w, h],
                "area": w * h,
                "iscrowd": 0,
                "segmentation": [[x, y, x + w, y, x + w, y + h, x, y + h]],
            }
            for n, (i, x, y, w, h) in enumerate(boxes)
        ],
        "categories": [{"id": 1, "name": "bolt"}, {"id": 2, "name": "nut"}],
    }


def openlabel(frames: int = 5) -> dict[str, Any]:
    """A car seen by a camera and a lidar at 10 Hz."""

    def stamp(frame: int, more: int) -> str:
        time = START_NS + frame * 100_000_000 + more
        return f"{time // 10**9}.{time % 10**9:09}"

    def frame(number: int) -> dict[str, Any]:
        box = {
            "name": "cam__bbox__car",
            "uid": f"b{number}",
            "val": [320 + number, 240, 50, 30],
            "coordinate_system": "cam",
        }
        size = {"val": [20 - number, 1, 0, 0, 0, 0, 1, 4, 2, 1.5], "coordinate_system": "lidar"}
        attributes = {"text": [{"name": "occlusion", "val": "0-25 %"}]}
        return {
            "frame_properties": {
                "timestamp": stamp(number, 0),
                "streams": {
                    s: {
                        "uri": f"/{s}/{number}.{'png' if s == 'cam' else 'pcd'}",
                        "stream_properties": {"sync": {"timestamp": stamp(number, more)}},
                    }
                    for s, more in (("cam", 1_234_567), ("lidar", 7))
                },
            },
            "objects": {
                "car-1": {
                    "object_data": {
                        "bbox": [{**box, "attributes": attributes}],
                        "cuboid": [{"name": "lidar__cuboid__car", "uid": f"c{number}", **size}],
                    }
                }
            },
        }

    pose = {"translation": [0.1, 0, 2], "quaternion": [0, 0, 0, 1]}
    return {
        "openlabel": {
            "metadata": {"schema_version": "1.0.0", "annotator": "ada", "name": "yard"},
            "coordinate_systems": {
                "base": {"type": "local", "parent": ""},
                "cam": {"type": "sensor", "parent": "base", "pose_wrt_parent": pose},
                "lidar": {"type": "sensor", "parent": "base", "pose_wrt_parent": pose},
            },
            "streams": {
                "cam": {
                    "type": "camera",
                    "stream_properties": {"intrinsics_pinhole": {"width_px": 640, "height_px": 480}},
                },
                "lidar": {"type": "lidar"},
            },
            "objects": {
                "car-1": {
                    "name": "car0001",
                    "type": "car",
                    "frame_intervals": [{"frame_start": 0, "frame_end": frames - 1}],
                }
            },
            "frames": {str(n): frame(n) for n in range(frames)},
        }
    }


def nuscenes(scenes: int = 2, samples: int = 3, sweeps: int = 4) -> dict[str, list[dict[str, Any]]]:
    """A camera and a lidar on a car that drives 5 m/s past one parked car; tables by name."""
    channels = (("CAM_FRONT", "camera", 80_000), ("LIDAR_TOP", "lidar", 50_000))
    tables: dict[str, list[dict[str, Any]]] = {
        "log": [{"token": "log", "vehicle": "n015"}],
        "category": [{"token": "cat-car", "name": "vehicle.car"}],
        "attribute": [{"token": "att", "name": "vehicle.parked"}],
        "visibility": [{"token": "4"}],
        "sensor": [{"token": f"s-{c}", "channel": c, "modality": m} for c, m, _ in channels],
        "calibrated_sensor": [
            {
                "token": f"cs-{c}",
                "sensor_token": f"s-{c}",
                "translation": [1.7, 0.0, 1.5],
                "rotation": [1.0, 0.0, 0.0, 0.0],
                "camera_intrinsic": [[1266.4, 0, 816.3], [0, 1266.4, 491.5], [0, 0, 1]] if m == "camera" else [],
            }
            for c, m, _ in channels
        ],
        "scene": [], "sample": [], "sample_data": [], "ego_pose": [], "instance": [], "sample_annotation": [],
    }  # fmt: skip
    for scene in range(scenes):
        begin = START_US + scene * 3_600_000_000
        names = [f"sample-{scene}-{i}" for i in range(samples)]
        tables["scene"].append(
            {"token": f"scene-{scene}", "log_token": "log", "name": f"scene-{scene}", "description": "a yard",
             "nbr_samples": samples, "first_sample_token": names[0], "last_sample_token": names[-1]}
        )  # fmt: skip
        chained = list(zip(["", *names[:-1]], names, [*names[1:], ""], strict=True))
        tables["sample"] += [
            {"token": n, "scene_token": f"scene-{scene}", "timestamp": begin + i * 500_000, "prev": p, "next": f}
            for i, (p, n, f) in enumerate(chained)
        ]
        for channel, modality, period in channels:
            for k in range(samples * sweeps):
                time, token = (
                    begin + k * period + (period // 2 if modality == "camera" else 0),
                    f"{channel}-{scene}-{k}",
                )
                tables["ego_pose"].append(
                    {"token": token, "timestamp": time, "translation": [5e-6 * (time - begin), 0.0, 0.0],
                     "rotation": [1.0, 0.0, 0.0, 0.0]}
                )  # fmt: skip
                end = "jpg" if modality == "camera" else "pcd.bin"
                tables["sample_data"].append(
                    {"token": token, "sample_token": names[min(samples - 1, time // 500_000 - begin // 500_000)],
                     "ego_pose_token": token, "calibrated_sensor_token": f"cs-{channel}", "timestamp": time,
                     "is_key_frame": k % sweeps == 0, "filename": f"samples/{channel}/{token}.{end}",
                     "width": 1600 if modality == "camera" else 0, "height": 900 if modality == "camera" else 0,
                     "prev": f"{channel}-{scene}-{k - 1}" if k else "",
                     "next": f"{channel}-{scene}-{k + 1}" if k + 1 < samples * sweeps else ""}
                )  # fmt: skip
        marks = [f"ann-{scene}-{i}" for i in range(samples)]
        tables["instance"].append(
            {"token": f"car-{scene}", "category_token": "cat-car", "nbr_annotations": samples,
             "first_annotation_token": marks[0], "last_annotation_token": marks[-1]}
        )  # fmt: skip
        tables["sample_annotation"] += [
            {"token": n, "sample_token": names[i], "instance_token": f"car-{scene}", "visibility_token": "4",
             "attribute_tokens": ["att"], "translation": [30.0, 2.0, 0.8], "size": [1.9, 4.5, 1.6],
             "rotation": [1.0, 0.0, 0.0, 0.0], "prev": p, "next": f}
            for i, (p, n, f) in enumerate(zip(["", *marks[:-1]], marks, [*marks[1:], ""], strict=True))
        ]  # fmt: skip
    return tables


def write_nuscenes(root: Path, tables: dict[str, list[dict[str, Any]]]) -> Path:
    for name, rows in tables.items():
        write(root / "v1.0-mini" / f"{name}.json", rows)
    for row in tables["sample_data"]:
        path = root / row["filename"]
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"\0")
    return root


KITTI = """\
Car 0.00 0 1.55 614.24 181.78 727.31 284.77 1.57 1.73 4.15 1.00 1.75 13.22 1.62
DontCare -1 -1 -10 5.00 229.89 214.12 367.61 -1 -1 -1 -1000 -1000 -1000 -10
"""


def write_kitti(root: Path, number: int = 2, text: str = KITTI) -> Path:
    for i in range(number):
        for folder, name, content in (("label_2", f"{i:06}.txt", text.encode()), ("image_2", f"{i:06}.png", PNG)):
            path = root / "training" / folder / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content)
    return root


PNG = b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR" + (1242).to_bytes(4, "big") + (375).to_bytes(4, "big") + b"\x08\x02\0\0\0"


def png(width: int = 640, height: int = 480, seed: int = 0) -> bytes:
    """A real picture of noise."""
    pixels = np.random.default_rng(seed).integers(0, 256, (height, width), dtype=np.uint8)
    rows = np.insert(pixels, 0, 0, axis=1).tobytes()  # each row begins with its filter, none

    def chunk(kind: bytes, content: bytes) -> bytes:
        return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))

    head = struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    return PNG[:8] + chunk(b"IHDR", head) + chunk(b"IDAT", zlib.compress(rows, 1)) + chunk(b"IEND", b"")
