"""A write transaction makes no network call: the flag that the door to the records sets and the store looks at."""

from __future__ import annotations

from contextvars import ContextVar

writing: ContextVar[bool] = ContextVar("writing", default=False)
