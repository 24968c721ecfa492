"""Report bundles for tests: one made of a released model, and ways to bend it that an attacker has."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from catalog.attest.envelope import HEAD, REPORT, TRUST, sign
from catalog.domain.base import canonical, sha256
from catalog.domain.report import REPORT_HTML, REPORT_JSON, SUMMARY, Bundle
from catalog.domain.trust import LogHead, TrustRoot
from catalog.services.report import report
from catalog.services.trust import signed_head, trust_root
from tests.attack.attacker import CLASS, Attack

Change = Callable[[dict[str, Any]], None]


@dataclass(frozen=True)
class Handed:
    """What an auditor was handed: the bundle, the trust root, and where the home's keys are, for attackers."""

    bundle: bytes
    trust: bytes
    keys: Path

    def key(self, name: str) -> Path:
        return self.keys / f"{name}.pem"

    def bent(
        self,
        *,
        statement: Change | None = None,
        files: Callable[[dict[str, bytes]], None] | None = None,
        key: str | None = None,
        payload_type: str = REPORT,
    ) -> bytes:
        """Another bundle. With a key its list is made anew and signed; without, list and signature stay as they were."""
        bundle = Bundle.parse(self.bundle)
        said = payload(bundle.envelope)
        content = contents(bundle)
        if files is not None:
            files(content)
        envelope = bundle.envelope
        if key is not None:
            shown = json.loads(content["report.json"])
            rest = {n: b for n, b in content.items() if n not in (REPORT_JSON, REPORT_HTML, SUMMARY)}
            content["report.json"] = canonical({**shown, "documents": entries(rest)})
            said["predicate"]["files"] = entries(content)
        if statement is not None:
            statement(said)
        if key is not None:
            envelope = sign(canonical(said), payload_type, self.key(key))
        elif statement is not None:
            envelope = {**envelope, "payload": base64.b64encode(canonical(said)).decode()}
        return packed(envelope, content)

    def root(self, change: Change) -> bytes:
        """Another trust root, signed again by the home's report key."""
        said = payload(json.loads(self.trust))
        change(said)
        return canonical(sign(canonical(said), TRUST, self.key("report")))


def handed(attack: Attack, model: str, device_class: str = CLASS) -> Handed:
    """A report on a model, with the trust root of the home."""
    bundle = report(attack.desk.context, model=model, device_class=device_class)
    return Handed(bundle.canonical(), canonical(trust_root(attack.desk.context).envelope), attack.keys)


def head(attack: Attack, since: int | None = None) -> bytes:
    """The home's signed head, as a file."""
    return canonical(signed_head(attack.desk.context, since).envelope)


def other_head(attack: Attack, data: bytes, change: Change, key: str = "report") -> bytes:
    """A head bent and signed again."""
    said = payload(json.loads(data))
    change(said)
    return canonical(sign(canonical(said), HEAD, attack.key(key)))


def payload(envelope: dict[str, Any]) -> dict[str, Any]:
    """What an envelope holds, whoever signed it."""
    found: dict[str, Any] = json.loads(base64.b64decode(envelope["payload"]))
    return found


def contents(bundle: Bundle) -> dict[str, bytes]:
    """All files of a bundle."""
    text = {name: content.encode() for name, content in bundle.files.items()}
    return text | {name: base64.b64decode(content) for name, content in bundle.binary.items()}


def entries(content: dict[str, bytes]) -> list[dict[str, Any]]:
    """The list of files."""
    return [{"name": n, "size": len(b), "sha256": sha256(b)} for n, b in sorted(content.items())]


def packed(envelope: dict[str, Any], content: dict[str, bytes]) -> bytes:
    """A bundle file."""
    text = {n: b.decode() for n, b in content.items() if not n.endswith(".parquet")}
    binary = {n: base64.b64encode(b).decode() for n, b in content.items() if n.endswith(".parquet")}
    return canonical({"schema": "report-bundle@1", "envelope": envelope, "files": text, "binary": binary})


def root_of(data: bytes) -> TrustRoot:
    """The trust root in a file."""
    return TrustRoot.of(payload(json.loads(data)))


def head_of(data: bytes) -> LogHead:
    """The head in a file."""
    return LogHead.of(payload(json.loads(data)))
