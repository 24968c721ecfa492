"""Still images from their bytes (PNG, JPEG, WebP, BMP, TIFF, PGM, PPM), decoded by PyAV, the extra `video`.

The format is what the first bytes say, whatever the file is called. PNG chunks are checked against their CRC and only
those with pixels reach the decoder, so that a compressed comment cannot fill the memory.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterator

from validators.errors import UnreadableDataset
from validators.extras import need
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
_PNG_PIXELS = {b"IHDR", b"PLTE", b"tRNS", b"IDAT", b"IEND"}


def kind(data: bytes) -> str | None:
    """The codec that the first bytes ask for, None when no image is known by them."""
    if data[:4] == b"RIFF" and data[8:12] == b"WEBP":
        return "webp"
    return next((codec for magic, codec in _MAGIC if data.startswith(magic)), None)


def decode(data: bytes, time_s: float | None = None) -> Picture:
    """The picture in the bytes of one image. Raises `UnreadableDataset` (`file-damaged`, `too-large`) without a path."""
    av, codec = need("av", "video"), kind(data)
    if not data:
        raise _damaged("has no bytes")
    if len(data) > MAX_BYTES:
        raise UnreadableDataset("too-large", f"{len(data)} bytes of image, at most {MAX_BYTES} are decoded")
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


def probe(data: bytes) -> Probe:
    """Codec and size of an image; it is decoded, because headers are read by no other way here. Raises as `decode`."""
    found = decode(data)
    return Probe(str(kind(data)), found.pixel_format, found.width, found.height, None, 1)


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
