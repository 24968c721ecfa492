"""Take the bytes of an object as they arrive, in constant memory.

A body that fits into its share of memory, 1 MiB as a rule, is stored in one go by one thread. Of a larger one two
shares are held at most, one arriving while the one before is hashed and written. A body that breaks off leaves nothing.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from typing import TypeVar

from infra.lakefs.api.memory import BODIES
from infra.lakefs.api.threads import UPLOADS, run
from infra.lakefs.store import Store
from infra.lakefs.store.blobs import Blob, BlobWriter

T = TypeVar("T")


async def take(chunks: AsyncIterator[bytes], store: Store, check: Callable[[], None], finish: Callable[[Blob], T]) -> T:
    """Store the bytes and return what `finish` makes of them. `check` may refuse before anything large is stored."""
    held, writer, writing = bytearray(), None, None
    try:
        with BODIES.share() as allowed:
            async for chunk in chunks:
                held += chunk
                if len(held) > allowed():
                    if writer is None:
                        writer = await run(UPLOADS, _begin, store, check)
                    if writing is not None:
                        await writing
                    writing, held = run(UPLOADS, writer.write, held), bytearray()
            if writer is None:
                return await run(UPLOADS, _put, store, held, finish)
            if writing is not None:
                await writing
            return await run(UPLOADS, _end, store, writer, held, finish)
    finally:
        if writing is not None:
            await asyncio.gather(writing, return_exceptions=True)
        if writer is not None:
            await run(UPLOADS, writer.abort)


def _put(store: Store, data: bytearray, finish: Callable[[Blob], T]) -> T:
    with store.collection.shared():
        return finish(store.blobs.put(data))


def _begin(store: Store, check: Callable[[], None]) -> BlobWriter:
    check()
    return BlobWriter(store.blobs)


def _end(store: Store, writer: BlobWriter, last: bytearray, finish: Callable[[Blob], T]) -> T:
    writer.write(last)
    with store.collection.shared():
        return finish(writer.finish())
