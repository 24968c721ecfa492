"""A file is safe to load when its suffix is known and its content holds no object that Python would execute."""

from __future__ import annotations

import io
import json
import pickle
import zipfile

import numpy as np
import pytest

from catalog.policy.formats import unsafe


def npz(**arrays: object) -> bytes:
    out = io.BytesIO()
    np.savez(out, **arrays)  # type: ignore[arg-type]
    return out.getvalue()


def zipped(name: str, data: bytes) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        archive.writestr(name, data)
    return out.getvalue()


HEADER = json.dumps({"w": {"dtype": "F32", "shape": [1], "data_offsets": [0, 4]}}).encode()
SAFETENSORS = len(HEADER).to_bytes(8, "little") + HEADER + b"\x00" * 4


@pytest.mark.parametrize(
    ("name", "data"),
    [
        ("weights.npz", npz(w=np.zeros((3, 2)), names=np.array(["a", "b"]))),
        ("weights.safetensors", SAFETENSORS),
        ("model/contract.json", b'{"rate_hz": 50}'),
        ("policy.onnx", b"\x08\x07"),
    ],
)
def test_safe(name: str, data: bytes) -> None:
    assert unsafe(name, io.BytesIO(data)) == ""


@pytest.mark.parametrize(
    ("name", "data", "why"),
    [
        ("w.pkl", b"", "not one of"),
        ("w.pt", b"", "not one of"),
        ("w.npy", b"", "not one of"),
        ("w", b"", "no suffix"),
        ("w.NPZ", npz(w=np.zeros(1)), "not one of"),
        ("w.npz.py", b"", "not one of"),
        ("w.npz", npz(w=np.array([{"a": 1}], dtype=object)), "pickled objects"),
        ("w.npz", npz(w=np.zeros(2, dtype=[("a", "f8"), ("b", "O")])), "pickled objects"),
        ("w.npz", zipped("data.pkl", pickle.dumps({})), "no array"),
        ("w.npz", zipped("w.npy", pickle.dumps({})), "cannot be read"),
        ("w.npz", pickle.dumps({}), "cannot be read"),
        ("w.npz", b"", "cannot be read"),
        ("w.npz", npz(w=np.zeros(100))[:80], "cannot be read"),
        ("w.npz", npz(), "no array"),
        ("w.safetensors", pickle.dumps({}), "cannot be read"),
        ("w.safetensors", b"", "cannot be read"),
        ("w.safetensors", (2**60).to_bytes(8, "little") + b"{}", "larger"),
        ("w.json", b"{", "cannot be read"),
        ("w.json", b"[" * 100_000, "cannot be read"),
    ],
)
def test_unsafe(name: str, data: bytes, why: str) -> None:
    assert why in unsafe(name, io.BytesIO(data))
