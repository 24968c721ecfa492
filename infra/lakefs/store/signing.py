"""Signatures of what this server said, so that it knows its own words when they come back."""

from __future__ import annotations

import hashlib
import hmac

from infra.lakefs.store.entries import canonical


class Signer:
    """HMAC-SHA256 with a key of its own, derived from the home's secret. Comparisons take the same time whatever
    differs."""

    def __init__(self, secret: bytes) -> None:
        self._key = hmac.digest(secret, b"lakefs-addresses-1", "sha256")

    def sign(self, *said: str | int) -> str:
        """64 hex digits over a list; its parts cannot flow into each other."""
        return hmac.new(self._key, canonical(said).encode(), hashlib.sha256).hexdigest()

    def agrees(self, signature: str, *said: str | int) -> bool:
        return hmac.compare_digest(signature.encode(), self.sign(*said).encode())
