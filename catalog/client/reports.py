"""Reports, and what is checked outside: the trust root and the signed audit head."""

from __future__ import annotations

from urllib.parse import urlencode

from catalog.client.connection import Connection
from catalog.domain.base import strict_json
from catalog.domain.report import BUNDLE_LIMIT, Bundle
from catalog.domain.trust import SignedDocument


class Reports:
    """What an auditor asks of the catalog, to take away."""

    http: Connection

    def report(self, model: str, device_class: str) -> Bundle:
        """The signed bundle of a model for a class."""
        return self._bundle(model=model, device_class=device_class)

    def device_report(self, device: str) -> Bundle:
        """The signed bundle of the model now on a device."""
        return self._bundle(device=device)

    def _bundle(self, **of: str) -> Bundle:
        """A bundle may be larger than other documents."""
        return Bundle.of(strict_json(self.http.get_bytes(f"/reports?{urlencode(of)}"), "bundle", BUNDLE_LIMIT))

    def trust(self) -> SignedDocument:
        """The trust root of the home."""
        return self.http.get("/trust", SignedDocument)

    def audit_head(self, since: int | None = None) -> SignedDocument:
        """The signed audit head with everything denied."""
        return self.http.get("/audit/head", SignedDocument, since=since)
