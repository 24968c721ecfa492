"""Still images from their bytes (PNG, JPEG, WebP, BMP, TIFF, PGM, PPM), decoded by PyAV, the extra `video`.

The format is what the first bytes say, whatever the file is called. PNG chunks are checked against their CRC and only
those with pixels reach the decoder, so that a compressed comment cannot fill the memory.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Callable, Iterator
from typing import TypeVar

from validators.errors import UnreadableDataset
from validators.extras import need
from validators.files import Files
from validators.pictures import MAX_PIXELS, Picture, Probe
from validators.pictures.frame import picture

SUFFIXES = (".png", ".jpg", ".jpeg", ".webp", ".bmp", ".tif", ".tiff", ".pgm", ".ppm")
MAX_BYTES = 256 << 20  # of one image
_MAGIC = (
    (b"\x89PNG\r\n\x1a\n", "png"),
    (b"\xff\xd8\xff", "mjpeg"),
    (b"BM", "bmp"),
    (b"II*\0", "tiff"),
    (b"MM\0*", "tiff"),
    (b"P5", "pgm"),
    (b"P6", "ppm"),
)
_T = TypeVar("_T")
_PNG_PIXELS = {b"IHDR", b"PLTE", b"tRNS", b"IDAT", b"IEND"}


def kind(data: bytes) -> str | None:
    """The codec that the first bytes ask for, None when no image is known by them."""
    if data[:4] == b"RIFF" and data[8:12] == b"WEBP":
        return "webp"
    return next((codec for magic, codec in _MAGIC if data.startswith(magic)), None)


def decode(data: bytes, time_s: float | None = None) -> Picture:
    """The picture in the bytes of one image. Raises `UnreadableDataset` (`file-damaged`, `too-large`), no path."""
    av, codec = need("av", "video"), kind(data)
    if not data:
        raise _damaged("has no bytes")
    if len(data) > MAX_BYTES:
        raise UnreadableDataset("too-large", f"more than {MAX_BYTES} bytes of image")
    if codec is None:
        raise _damaged(f"is no image (starts with {data[:8].hex()})")
    if codec == "png":
        data = b"".join(_png(data))
    if codec == "mjpeg" and data.rfind(b"\xff\xd9") < data.rfind(b"\xff\xda"):
        raise _damaged("is cut: no end of image")
    try:
        context = av.CodecContext.create(codec, "r")
        context.thread_count = 1
        context.options = {"max_pixels": str(MAX_PIXELS)}
        frames = [*context.decode(av.Packet(data)), *context.decode(None)]
    except (av.error.FFmpegError, OSError, ValueError, MemoryError) as error:
        raise _damaged(f"no readable {codec} image of at most {MAX_PIXELS} pixels ({error})") from error
    if not frames or frames[0].is_corrupt:
        raise _damaged(f"no readable {codec} image")
    return picture(frames[0], time_s)


def read(files: Files, relative: str, time_s: float | None = None) -> Picture:
    """The picture in a file. Raises as `decode`, with its path."""
    return _with_path(files, relative, lambda data: decode(data, time_s))


def probe(files: Files, relative: str) -> Probe:
    """Codec and size of the image in a file; it is decoded for that. Raises as `decode`, with its path."""

    def look(data: bytes) -> Probe:
        found = decode(data)
        return Probe(kind(data) or "", found.pixel_format, found.width, found.height, None, 1)

    return _with_path(files, relative, look)


def size(data: bytes) -> tuple[int, int] | None:
    """(width, height) from the head of a PNG or JPEG; None where it does not say."""
    if data.startswith(b"\x89PNG") and len(data) >= 24:
        return struct.unpack_from(">II", data, 16)
    if not data.startswith(b"\xff\xd8"):
        return None
    at = 2
    while at + 9 <= len(data) and data[at] == 0xFF:
        marker = data[at + 1]
        if 0xC0 <= marker <= 0xCF and marker not in (0xC4, 0xC8, 0xCC):  # a start of frame, not a table
            height, width = struct.unpack_from(">HH", data, at + 5)
            return width, height
        at += 2 + struct.unpack_from(">H", data, at + 2)[0]
    return None


def _with_path(files: Files, relative: str, look: Callable[[bytes], _T]) -> _T:
    try:
        with files.open(relative) as file:
            data = file.read(MAX_BYTES + 1)
        return look(data)
    except UnreadableDataset as error:
        raise UnreadableDataset(error.kind, error.detail, path=files.where(relative)) from error
    except OSError as error:
        detail = f"cannot be read: {error.strerror}"
        raise UnreadableDataset("file-damaged", detail, path=files.where(relative)) from error


def _png(data: bytes) -> Iterator[bytes]:
    """The signature and the chunks that hold pixels, each sound."""
    yield data[:8]
    at = 8
    while at + 12 <= len(data):
        (size,) = struct.unpack_from(">I", data, at)
        name, end = data[at + 4 : at + 8], at + 12 + size
        if end > len(data):
            break
        if name in _PNG_PIXELS:
            (crc,) = struct.unpack_from(">I", data, end - 4)
            if zlib.crc32(data[at + 4 : end - 4]) != crc:
                raise _damaged(f"chunk {name.decode()} at byte {at} does not match its checksum")
            yield data[at:end]
        if name == b"IEND":
            return
        at = end
    raise _damaged("is cut: no end of image")


def _damaged(why: str) -> UnreadableDataset:
    return UnreadableDataset("file-damaged", f"{why}; copy it again")
