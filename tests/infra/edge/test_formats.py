"""What is safe to load is let through, whoever wrote it; what could run, or read other files, is not."""

from __future__ import annotations

import io
import json
import struct
import zipfile
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from infra.edge.errors import Refused
from infra.edge.formats import require_safe
from tests.infra.edge.site import npz

ARRAYS = [
    np.zeros((2, 3), np.float32), np.arange(5), np.array(3.5), np.zeros((0, 4)), np.array([True, False]),
    np.array(["names", "in", "order"]), np.array([b"raw"]), np.zeros(3, np.complex64), np.zeros((2, 2), ">f8"),
    np.asfortranarray(np.ones((3, 2))),
]  # fmt: skip


def looked(path: str, data: bytes) -> None:
    require_safe(path, io.BytesIO(data))


def refused(path: str, data: bytes) -> str:
    with pytest.raises(Refused) as caught:
        looked(path, data)
    assert caught.value.kind == "format-unsafe"
    return caught.value.what


@pytest.mark.parametrize("array", ARRAYS, ids=lambda a: f"{a.dtype}{a.shape}")
def test_arrays_of_numbers_and_texts_are_safe(array: Any) -> None:
    looked("w.npz", npz(w=array))
    out = io.BytesIO()
    np.savez_compressed(out, a=array, b=array)
    looked("w.npz", out.getvalue())


def test_records_with_objects_are_not() -> None:
    out = io.BytesIO()
    np.savez(out, w=np.zeros(2, dtype=[("a", "f4"), ("b", "O")]), allow_pickle=True)
    refused("w.npz", out.getvalue())


def member(name: str, data: bytes) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        archive.writestr(name, data)
    return out.getvalue()


def npy(header: str, body: bytes = b"", version: bytes = b"\x01\x00") -> bytes:
    return b"\x93NUMPY" + version + struct.pack("<H", len(header)) + header.encode() + body


@pytest.mark.parametrize(
    "bad",
    [
        npy("{'descr': '|O', 'fortran_order': False, 'shape': (1,)}", b"\x80\x04."),
        npy("{'descr': '<f4', 'fortran_order': False, 'shape': (1,)}", b"12345"),
        npy("{'descr': '<f4', 'fortran_order': False, 'shape': (2,)}", b"1234"),
        npy("{'descr': '<f4', 'fortran_order': False, 'shape': (-1,)}", b""),
        npy("{'descr': '<f4', 'fortran_order': False, 'shape': (1,), 'x': 1}", b"1234"),
        npy("__import__('os')"),
        npy("(" * 5000),
        npy("{}", version=b"\x09\x00"),
        b"\x80\x04.",
        b"",
    ],
)
def test_an_array_that_is_none_is_refused(bad: bytes) -> None:
    refused("w.npz", member("w.npy", bad))


def test_a_member_that_is_no_array_is_refused() -> None:
    refused("w.npz", member("w.pkl", b"\x80\x04."))
    refused("w.npz", b"PK\x05\x06" + b"\0" * 18)


def test_a_whole_npz_only() -> None:
    whole = npz(w=np.zeros(100))
    refused("w.npz", whole[: len(whole) // 2])


def safetensors(header: Any, body: bytes) -> bytes:
    text = json.dumps(header).encode()
    return struct.pack("<Q", len(text)) + text + body


ONE = {"dtype": "F32", "shape": [2], "data_offsets": [0, 8]}


def test_safetensors() -> None:
    looked("w.safetensors", safetensors({"a": ONE, "__metadata__": {"by": "me"}}, b"\0" * 8))
    looked("w.safetensors", safetensors({"a": ONE, "b": {**ONE, "data_offsets": [8, 16]}}, b"\0" * 16))


@pytest.mark.parametrize(
    "bad",
    [
        safetensors({"a": ONE}, b"\0" * 9),
        safetensors({"a": ONE}, b"\0" * 7),
        safetensors({"a": {**ONE, "data_offsets": [4, 12]}}, b"\0" * 12),
        safetensors({"a": ONE, "b": ONE}, b"\0" * 8),
        safetensors({"a": {**ONE, "dtype": "OBJECT"}}, b"\0" * 8),
        safetensors({"a": {**ONE, "shape": [True]}}, b"\0" * 8),
        safetensors({"__metadata__": {"x": 1}}, b""),
        safetensors([], b""),
        struct.pack("<Q", 2**60),
        b"\x10\x00",
    ],
)
def test_safetensors_that_are_none(bad: bytes) -> None:
    refused("w.safetensors", bad)


def field(number: int, value: bytes | int) -> bytes:
    """One protobuf field."""
    if isinstance(value, int):
        return varint(number << 3) + varint(value)
    return varint(number << 3 | 2) + varint(len(value)) + value


def varint(value: int) -> bytes:
    out = bytearray()
    while value > 0x7F:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    return bytes([*out, value])


TENSOR = field(1, 2) + field(2, 1) + field(9, b"\0" * 8)
EXTERNAL = TENSOR + field(13, field(1, b"location") + field(2, b"/etc/passwd")) + field(14, 1)


def places(tensor: bytes) -> Iterator[bytes]:
    """Models that hold the tensor as an initializer, in a node's attribute, in a branch, in a function, sparse."""
    plain = field(1, field(4, b"Relu"))
    for graph in (
        field(5, tensor),
        field(1, field(5, field(5, tensor))),
        field(1, field(5, field(6, field(5, tensor)))),
        field(15, field(1, tensor)),
        field(1, field(5, field(10, tensor))),
    ):
        yield field(1, 8) + field(7, plain + graph)
    yield field(1, 8) + field(7, plain) + field(25, field(7, field(5, field(5, tensor))))


def test_onnx() -> None:
    for model in places(TENSOR):
        looked("w.onnx", model)


def test_onnx_that_reads_another_file_is_refused() -> None:
    for model in places(EXTERNAL):
        assert "another file" in refused("w.onnx", model)


@pytest.mark.parametrize("wide", [32, 33, 40])
def test_onnx_whose_tags_a_loader_would_cut_down_is_refused(wide: int) -> None:
    """A tag of more than 32 bits is cut to its lower ones by the runtime's parser: there it is the field 13 or 14."""
    over = 1 << wide - 3
    value = field(1, b"location") + field(2, b"/etc/passwd")
    for tensor in (TENSOR + field(13 + over, value) + field(14 + over, 1), TENSOR + field(14 + over, 1)):
        for model in places(tensor):
            assert "no protocol buffer" in refused("w.onnx", model)


@pytest.mark.parametrize(
    "bad", [b"", b"\x00", field(1, 8), field(7, b""), b"\x80" * 20, field(1, 8) + b"\x3a\x7f", b"\x0b"]
)
def test_onnx_that_is_none(bad: bytes) -> None:
    refused("w.onnx", bad)


def test_json() -> None:
    looked("contract.json", b'{"a": [1, 2.5, null]}')
    refused("contract.json", b'{"a": NaN}')


@given(st.sampled_from(["w.npz", "w.safetensors", "w.onnx", "w.json"]), st.binary(max_size=120))
@settings(deadline=None)
def test_any_bytes_are_looked_at_without_falling(path: str, data: bytes) -> None:
    try:
        looked(path, data)
    except Refused as error:
        if error.kind != "format-unsafe":
            raise


@given(st.integers(0, 3000), st.integers(0, 255), st.sampled_from([np.savez, np.savez_compressed]))
@settings(deadline=None)
def test_a_broken_archive_is_refused_by_name_not_by_falling(at: int, value: int, save: Any) -> None:
    out = io.BytesIO()
    save(out, w=np.arange(400), v=np.ones((3, 3)))
    data = bytearray(out.getvalue())
    data[at % len(data)] = value
    try:
        looked("w.npz", bytes(data))
    except Refused as error:
        if error.kind != "format-unsafe":
            raise


@pytest.mark.parametrize("method", [zipfile.ZIP_LZMA, zipfile.ZIP_BZIP2])
def test_a_member_that_asks_for_memory_to_be_unpacked_is_refused(method: int) -> None:
    out, array = io.BytesIO(), io.BytesIO()
    np.save(array, np.arange(3))
    with zipfile.ZipFile(out, "w", method) as archive:
        archive.writestr("w.npy", array.getvalue())
    assert "packed" in refused("w.npz", out.getvalue())


@given(st.integers(0, 3000), st.integers(0, 255))
@settings(deadline=None)
def test_a_byte_changed_in_an_npz_makes_no_pickle_of_it(at: int, value: int) -> None:
    data = bytearray(npz(w=np.arange(40), v=np.ones((3, 3))))
    data[at % len(data)] = value
    try:
        looked("w.npz", bytes(data))
    except Refused:
        return
    with np.load(io.BytesIO(bytes(data)), allow_pickle=False) as loaded:
        for name in loaded.files:
            try:
                assert loaded[name].dtype != object
            except (zipfile.BadZipFile, ValueError, OSError) as error:  # the digest would have said so before
                if "pickle" in str(error):
                    raise
