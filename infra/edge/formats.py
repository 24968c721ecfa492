"""Files that are numbers and nothing else: npz without pickle, safetensors, ONNX, JSON. Their inside is looked at.

A name proves nothing: numpy loads by content, so a pickle named `.npz` would run while it is loaded. Only headers are
read; the bytes behind them are known by digest.
"""

from __future__ import annotations

import ast
import io
import json
import math
import mmap
import re
import struct
import zipfile
import zlib
from collections.abc import Callable
from pathlib import Path, PurePosixPath
from typing import IO, Any

from infra.edge.document import LIMIT, Unreadable, strict_json
from infra.edge.errors import Refused
from infra.edge.onnx import require_self_contained

HEADER_LIMIT = 64 * 2**20  # bytes
MEMBER_LIMIT = 100_000
_NUMBERS = re.compile(r"[<>|=]?(?:[?bBiufc][1-9]?[0-9]?|[SU][0-9]{1,9})")
_PACKED = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)  # as numpy writes; others take as much memory as they ask for
_HOSTILE = (
    Unreadable, ValueError, RuntimeError, EOFError, OSError, struct.error, zlib.error, zipfile.BadZipFile
)  # fmt: skip
_SIZES = {
    "BOOL": 8, "U8": 8, "I8": 8, "F8_E4M3": 8, "F8_E5M2": 8, "I16": 16, "U16": 16, "F16": 16, "BF16": 16,
    "I32": 32, "U32": 32, "F32": 32, "I64": 64, "U64": 64, "F64": 64,
}  # fmt: skip


def require_safe(path: str, file: IO[bytes]) -> None:
    """Refuse a file that could execute code when it is loaded; `path` is its name in the release."""
    suffix = PurePosixPath(path).suffix
    look = _LOOKS.get(suffix)
    if look is None:
        said = f"{path}: {suffix or 'no suffix'} is none of {', '.join(sorted(_LOOKS))}"
        raise _unsafe(said)
    try:
        look(file)
    except _HOSTILE as error:
        raise _unsafe(f"{path} is no safe {suffix} file: {error}") from error


def _unsafe(what: str) -> Refused:
    return Refused("format-unsafe", what, "export the model to npz without objects, safetensors, ONNX or JSON")


def _npz(file: IO[bytes]) -> None:
    if file.read(4) != b"PK\x03\x04":
        raise Unreadable("it does not begin as an archive of arrays")
    with zipfile.ZipFile(file) as archive:
        members = archive.infolist()
        if not 0 < len(members) <= MEMBER_LIMIT or len({m.filename for m in members}) != len(members):
            raise Unreadable("it holds no arrays, too many, or two of one name")
        for member in members:
            if not member.filename.endswith(".npy") or member.flag_bits & 0x1:
                raise Unreadable(f"{member.filename[:80]!r} is no plain array")
            if member.compress_type not in _PACKED:
                raise Unreadable(f"{member.filename[:80]!r} is packed by a method that numpy does not write")
            with archive.open(member) as inner:
                _npy(inner, member)


def _npy(file: IO[bytes], member: zipfile.ZipInfo) -> None:
    name = member.filename[:80]
    begin = file.read(8)
    width = {(1, 0): 2, (2, 0): 4, (3, 0): 4}.get((begin[6], begin[7])) if len(begin) == 8 else None
    if begin[:6] != b"\x93NUMPY" or width is None:
        raise Unreadable(f"{name!r} does not begin as an array: numpy would load it as a pickle or not at all")
    length = int.from_bytes(file.read(width), "little")
    if length > 65536:
        raise Unreadable(f"{name!r} has a header of {length} bytes")
    try:
        header: Any = ast.literal_eval(file.read(length).decode("utf-8").strip())
    except (ValueError, SyntaxError, RecursionError, MemoryError) as error:
        raise Unreadable(f"{name!r} has no readable header") from error
    if not isinstance(header, dict) or set(header) != {"descr", "fortran_order", "shape"}:
        raise Unreadable(f"{name!r} has another header than an array has")
    kind, shape = header["descr"], header["shape"]
    if not isinstance(kind, str) or not _NUMBERS.fullmatch(kind):
        raise Unreadable(f"{name!r} holds {str(kind)[:40]!r}: objects or records, not numbers")
    if not isinstance(shape, tuple) or not all(type(n) is int and n >= 0 for n in shape):
        raise Unreadable(f"{name!r} has no shape")
    item = int(re.sub(r"\D", "", kind) or 1) * (4 if "U" in kind else 1)
    if member.file_size != 8 + width + length + math.prod(shape) * item:
        raise Unreadable(f"{name!r} is longer or shorter than its header says")


def _safetensors(file: IO[bytes]) -> None:
    size = file.seek(0, 2)
    file.seek(0)
    length = int.from_bytes(file.read(8), "little")
    if size < 8 or not 2 <= length <= min(HEADER_LIMIT, size - 8):
        raise Unreadable("its header is longer than the file, or than 64 MiB")
    header = strict_json(file.read(length), HEADER_LIMIT)
    if not isinstance(header, dict):
        raise Unreadable("its header is no object")
    notes = header.pop("__metadata__", {})
    if not isinstance(notes, dict) or not all(isinstance(v, str) for v in notes.values()):
        raise Unreadable("its metadata is more than texts")
    end = 0
    for name, begin, stop in sorted((_tensor(name, said) for name, said in header.items()), key=lambda t: t[1:]):
        if begin != end:
            raise Unreadable(f"{name[:80]!r} does not follow the tensor before it")
        end = stop
    if end != size - 8 - length:
        raise Unreadable("its tensors do not fill the file")


def _tensor(name: str, said: Any) -> tuple[str, int, int]:
    if not isinstance(said, dict) or set(said) != {"dtype", "shape", "data_offsets"}:
        raise Unreadable(f"{name[:80]!r} is no tensor")
    shape, offsets = said["shape"], said["data_offsets"]
    plain = isinstance(shape, list) and isinstance(offsets, list) and len(offsets) == 2
    if not plain or not all(type(n) is int and n >= 0 for n in [*shape, *offsets]) or said["dtype"] not in _SIZES:
        raise Unreadable(f"{name[:80]!r} has no known type, shape or place")
    if (offsets[1] - offsets[0]) * 8 != math.prod(shape) * _SIZES[said["dtype"]]:
        raise Unreadable(f"{name[:80]!r} is longer or shorter than its shape")
    return name, offsets[0], offsets[1]


def _onnx(file: IO[bytes]) -> None:
    if isinstance(file, io.BytesIO):
        return require_self_contained(file.getvalue())
    with mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:
        return require_self_contained(data)


def _json(file: IO[bytes]) -> None:
    strict_json(file.read(LIMIT + 1))


def contract(file: Path) -> None:
    """Refuse a contract that does not say what goes in and what comes out."""
    try:
        data = json.loads(file.read_bytes())
        whole = all(data[key] for key in ("inputs", "outputs")) and "normalisation" in data
    except (OSError, ValueError, TypeError, KeyError):
        whole = False
    if not whole:
        what = "contract.json does not say inputs, outputs and normalisation"
        raise Refused("unhealthy", what, "release a model with its contract")


_LOOKS: dict[str, Callable[[IO[bytes]], None]] = {
    ".npz": _npz, ".safetensors": _safetensors, ".onnx": _onnx, ".json": _json
}  # fmt: skip
