"""What may be loaded on a device: numbers and graphs, never anything that can execute code while it is read."""

from __future__ import annotations

import json
import lzma
import struct
import tokenize
import zipfile
import zlib
from pathlib import PurePosixPath
from typing import IO

import numpy as np

from catalog.domain.model import SAFE_SUFFIXES

# what zipfile, its decompressors and numpy's header reader are seen to raise on bytes made to break them
HOSTILE = (
    OSError,
    ValueError,
    TypeError,
    EOFError,
    SyntaxError,
    RuntimeError,
    ArithmeticError,
    MemoryError,
    struct.error,
    zlib.error,
    lzma.LZMAError,
    tokenize.TokenError,
    zipfile.BadZipFile,
)
JSON_LIMIT = 64 * 2**20  # bytes of a JSON file or a safetensors header


def unsafe(name: str, stream: IO[bytes]) -> str:
    """Why a file is not safe to load, empty when it is: its suffix must be known and its content must be that."""
    suffix = PurePosixPath(name).suffix
    if suffix not in SAFE_SUFFIXES:
        return f"{suffix or 'no suffix'} is not one of {', '.join(sorted(SAFE_SUFFIXES))}"
    try:
        if suffix == ".npz":
            return _npz(stream)
        if suffix == ".safetensors":
            json.loads(_limited(stream, int.from_bytes(stream.read(8), "little")))
        elif suffix == ".json":
            json.loads(_limited(stream, JSON_LIMIT))
    except HOSTILE as error:
        return f"cannot be read as {suffix}: {type(error).__name__} {str(error)[:200]!r}"
    return ""  # ONNX is protobuf: a graph and numbers


def _npz(stream: IO[bytes]) -> str:
    with zipfile.ZipFile(stream) as archive:
        for member in archive.infolist():
            if not member.filename.endswith(".npy"):
                return f"{member.filename} inside is no array"
            with archive.open(member) as array:
                major, _ = np.lib.format.read_magic(array)
                read = np.lib.format.read_array_header_1_0 if major == 1 else np.lib.format.read_array_header_2_0
                dtype = read(array)[2]
            if dtype.hasobject:
                return f"{member.filename} inside holds pickled objects"
        return "" if archive.infolist() else "holds no array"


def _limited(stream: IO[bytes], limit: int) -> bytes:
    data = stream.read(min(limit, JSON_LIMIT) + 1)
    if limit > JSON_LIMIT or (limit == JSON_LIMIT and len(data) > JSON_LIMIT):
        raise ValueError(f"larger than {JSON_LIMIT} bytes")
    return data[:limit]
