"""Ed25519 key files: made once, never overwritten, readable by their owner only, and never inside a home.

A key's id is the sha256 of its 32 raw public bytes, so one key cannot have two ids.
"""

from __future__ import annotations

import hashlib
import os
import stat
from pathlib import Path

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from catalog.errors import Conflict, Invalid

LIMIT = 16 * 1024  # bytes of a key file


def keyid(public: str) -> str:
    """sha256 of the raw public key (32 bytes in hex), in hex."""
    return hashlib.sha256(bytes.fromhex(public)).hexdigest()


def public_hex(key: Ed25519PrivateKey) -> str:
    """The raw public key, 32 bytes in hex."""
    return key.public_key().public_bytes_raw().hex()


def generate(path: Path) -> str:
    """Write a new private key (PKCS8 PEM, mode 0600) and return its public key in hex; an existing file is kept."""
    key = Ed25519PrivateKey.generate()
    pem = key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    try:
        handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o600)
    except FileExistsError as error:
        raise Conflict("already-exists", "a key is never overwritten", where=str(path), do="choose another") from error
    except OSError as error:
        raise Invalid("path-unreadable", f"the key cannot be written: {error.strerror}", where=str(path)) from error
    with os.fdopen(handle, "wb") as file:
        file.write(pem)
        file.flush()
        os.fsync(file.fileno())
    return public_hex(key)


def load(path: Path, home: Path | None = None) -> Ed25519PrivateKey:
    """The private key; refuses a file that others can read, that somebody else owns, or that lies inside `home`."""
    where = str(path)
    if home is not None and path.resolve().is_relative_to(home.resolve()):
        raise Invalid("settings-invalid", "a key lies inside the home", where=where, do="move it out of the home")
    try:
        with path.open("rb") as file:
            mode = os.fstat(file.fileno())
            if not stat.S_ISREG(mode.st_mode) or mode.st_mode & 0o077 or mode.st_uid != os.geteuid():
                what = "a key must be a file that its owner alone can read"
                raise Invalid("settings-invalid", what, where=where, do=f"chmod 600 {where}")
            pem = file.read(LIMIT)
    except FileNotFoundError as error:
        raise Invalid(
            "path-missing",
            "there is no key",
            where=where,
            do="name the key file with --key, or sign as somebody who has one (--as NAME)",
        ) from error
    except OSError as error:
        raise Invalid("path-unreadable", f"the key cannot be read: {error.strerror}", where=where) from error
    try:
        key = serialization.load_pem_private_key(pem, password=None)
    except (ValueError, TypeError, UnsupportedAlgorithm) as error:
        raise Invalid("settings-invalid", "not an unencrypted PEM private key", where=where) from error
    if not isinstance(key, Ed25519PrivateKey):
        raise Invalid("settings-invalid", "not an Ed25519 key", where=where, do="make one with assay")
    return key
