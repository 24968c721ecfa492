"""DSSE envelopes: what was signed, of which type, by which distinct people with which distinct keys.

Every signature in an envelope must be good and by an enrolled, unexpired, unrevoked key of the right role; one that is
not refuses the whole envelope and is named. Format: github.com/secure-systems-lab/dsse, envelope.md.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Annotated, Any

from pydantic import Field, StringConstraints
from securesystemslib.dsse import Envelope as Dsse
from securesystemslib.exceptions import UnverifiedSignatureError
from securesystemslib.signer import CryptoSigner, Signature, SSlibKey

from catalog.attest.keys import keyid, load, public_hex
from catalog.domain.base import Entity, Name, strict_json
from catalog.domain.principal import Key, KeyRole
from catalog.errors import Invalid, Refused

DECISION = "application/vnd.assay.decision+json"
EVIDENCE = "application/vnd.in-toto+json"
POLICY = "application/vnd.assay.policy+json"
ENROLMENT = "application/vnd.assay.enrolment+json"
REVOCATION = "application/vnd.assay.revocation+json"
DEVICE_REPORT = "application/vnd.assay.device-report+json"
REPORT = "application/vnd.assay.report+json"
HEAD = "application/vnd.assay.head+json"
TRUST = "application/vnd.assay.trust+json"
PAYLOAD_LIMIT = 32 * 2**20  # bytes; a table of 100,000 trials fits


class SignatureEntry(Entity):
    """One signature over the pre-authentication encoding, base64."""

    keyid: Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{64}$")]
    sig: Annotated[str, StringConstraints(min_length=88, max_length=88)]


class EnvelopeDocument(Entity):
    """The JSON form of an envelope."""

    payload: Annotated[str, StringConstraints(min_length=1, max_length=PAYLOAD_LIMIT * 4 // 3 + 4)]
    payload_type: Name = Field(alias="payloadType")
    signatures: Annotated[tuple[SignatureEntry, ...], Field(min_length=1, max_length=16)]


@dataclass(frozen=True)
class Verified:
    """A payload whose signatures were all verified, and the keys behind them."""

    payload: bytes
    keys: tuple[Key, ...]


def sign(payload: bytes, payload_type: str, key_path: Path, home: Path | None = None) -> dict[str, Any]:
    """An envelope with one signature, as JSON data; `home` is where the key may not lie."""
    return _signed(Dsse(payload, payload_type, {}), key_path, home)


def cosign(envelope: Any, payload_type: str, key_path: Path, home: Path | None = None) -> dict[str, Any]:
    """The same envelope with one more signature."""
    return _signed(_parse(envelope, payload_type), key_path, home)


def verify(
    envelope: Any, payload_type: str, keys: Sequence[Key], *, role: KeyRole, at: datetime, threshold: int = 1
) -> Verified:
    """Verify an envelope (JSON data, text or bytes) against the enrolled keys as of `at`.

    Raises `Invalid("envelope-invalid")` for what is no envelope of this type, `Refused("signer-not-enrolled")` for a
    key that does not count, `Refused("signature-invalid")` for a bad signature, and `Refused("separation-of-duties")`
    where fewer distinct people or distinct keys signed than the threshold asks.
    """
    if threshold < 1:
        raise ValueError(f"a threshold of {threshold} allows everybody")
    parsed = _parse(envelope, payload_type)
    pae = parsed.pae()
    signers = tuple(_verified(signature, pae, keys, role, at) for signature in parsed.signatures.values())
    people, material = {key.principal for key in signers}, {key.public for key in signers}
    if min(len(people), len(material)) < threshold:
        what = f"{threshold} people must sign, each with their own key; signed: {', '.join(sorted(people))}"
        raise Refused("separation-of-duties", what, do=f"let another {role} sign")
    return Verified(parsed.payload, signers)


def signers(envelope: Any, payload_type: str) -> tuple[str, ...]:
    """The ids of the keys that an envelope of this type names; whether they signed is still to be verified."""
    return tuple(_parse(envelope, payload_type).signatures)


def unverified(envelope: Any, payload_type: str) -> bytes:
    """The payload of an envelope of this type whose signatures nobody has looked at: to find out which keys may count,
    or to say what is in it and that it proves nothing."""
    return _parse(envelope, payload_type).payload


def _verified(signature: Signature, pae: bytes, keys: Sequence[Key], role: KeyRole, at: datetime) -> Key:
    named = [key for key in keys if key.keyid == signature.keyid]
    short = signature.keyid[:16]
    if len(named) != 1 or keyid(named[0].public) != signature.keyid:
        raise Refused("signer-not-enrolled", f"key {short}… is not enrolled, or not once", do="enrol the key first")
    key = named[0]
    if why := key.counts(role, at):
        raise Refused("signer-not-enrolled", f"key {short}… of {key.principal} {why}", do="sign with a key that counts")
    public = SSlibKey(key.keyid, "ed25519", "ed25519", {"public": key.public})
    try:
        public.verify_signature(signature, pae)
    except UnverifiedSignatureError as error:
        what = f"the signature of {key.principal} (key {short}…) is not over these bytes"
        raise Refused("signature-invalid", what, do="sign again what is meant") from error
    return key


def _signed(envelope: Dsse, key_path: Path, home: Path | None) -> dict[str, Any]:
    private = load(key_path, home)
    public = public_hex(private)
    envelope.sign(CryptoSigner(private, SSlibKey(keyid(public), "ed25519", "ed25519", {"public": public})))
    return envelope.to_dict()


def _decoded(text: str) -> bytes:
    """Base64 in its one canonical form, so that no two envelopes say the same."""
    raw = base64.b64decode(text, validate=True)
    if base64.b64encode(raw).decode() != text:
        raise binascii.Error("base64 with bits that mean nothing")
    return raw


def _parse(envelope: Any, payload_type: str) -> Dsse:
    try:
        data = strict_json(envelope, "envelope") if isinstance(envelope, bytes | str) else envelope
        document = EnvelopeDocument.of(data)
        payload = _decoded(document.payload)
        signatures = [Signature(s.keyid, _decoded(s.sig).hex()) for s in document.signatures]
    except (Invalid, binascii.Error, TypeError) as error:
        raise Invalid("envelope-invalid", f"not a DSSE envelope: {error}", do="send the envelope unchanged") from error
    if document.payload_type != payload_type:
        what = f"the envelope holds {document.payload_type}, not {payload_type}"
        raise Invalid("envelope-invalid", what, where="payloadType", do="send the right envelope")
    if len({s.keyid for s in signatures}) != len(signatures):
        raise Invalid("envelope-invalid", "one key signed twice", where="signatures", do="sign once with each key")
    return Dsse(payload, payload_type, {s.keyid: s for s in signatures})
