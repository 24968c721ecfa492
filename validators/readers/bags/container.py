"""What MCAP files and ROS 1 bags share: chunks that are decompressed within bounds."""

from __future__ import annotations

import bz2
from typing import Any

from validators.extras import need

MAX_CHUNK = 256 << 20  # bytes of one chunk, compressed or not
MAX_RECORD = 256 << 20  # bytes of any other record that is read


def decompressed(data: bytes, compression: str, size: int, extra: str) -> memoryview:
    """The bytes of a chunk, exactly `size` of them; never more are made. ValueError says what is wrong."""
    if size > MAX_CHUNK or len(data) > MAX_CHUNK:
        raise ValueError(f"claims {size} bytes, at most {MAX_CHUNK} are decompressed")
    if compression in ("", "none"):
        found = data
    elif compression == "zstd":
        found = _zstd(data, size)
    elif compression in ("lz4", "bz2"):
        decompressor = (
            need("lz4.frame", extra).LZ4FrameDecompressor() if compression == "lz4" else bz2.BZ2Decompressor()
        )
        found = _fed(decompressor, data, size, compression)
    else:
        raise ValueError(f"compression {compression[:20]!r} is not known")
    if len(found) != size:
        raise ValueError(f"holds {len(found)} bytes, {size} are declared")
    return memoryview(found)


def _zstd(data: bytes, size: int) -> bytes:
    library = need("zstandard", "mcap")
    try:
        declared = library.get_frame_parameters(data).content_size
        if declared not in (size, library.CONTENTSIZE_UNKNOWN, 0):
            raise ValueError(f"holds {declared} bytes, {size} are declared")
        return bytes(library.ZstdDecompressor().decompress(data, max_output_size=size)) if size else b""
    except library.ZstdError as error:
        raise ValueError(f"cannot be decompressed: {error}") from error


def _fed(decompressor: Any, data: bytes, size: int, compression: str) -> bytes:
    try:
        found = decompressor.decompress(data, max_length=size + 1)
        while not decompressor.eof and len(found) <= size:
            more = decompressor.decompress(b"", max_length=size + 1 - len(found))
            if not more:
                break
            found += more
    except (RuntimeError, OSError, EOFError, ValueError) as error:
        raise ValueError(f"cannot be decompressed ({compression}): {error}") from error
    return bytes(found)
