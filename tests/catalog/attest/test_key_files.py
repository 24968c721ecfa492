"""Key files are made once, read by their owner only, and never inside a home."""

from __future__ import annotations

import hashlib
import os
import stat
from pathlib import Path

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec

from catalog.attest import keys
from catalog.errors import AssayError


def test_a_key_is_made_and_read_back(tmp_path: Path) -> None:
    public = keys.generate(tmp_path / "key")
    assert keys.public_hex(keys.load(tmp_path / "key")) == public
    assert keys.keyid(public) == hashlib.sha256(bytes.fromhex(public)).hexdigest()
    assert stat.S_IMODE((tmp_path / "key").stat().st_mode) == 0o600
    assert (tmp_path / "key").read_bytes().startswith(b"-----BEGIN PRIVATE KEY-----")


def test_the_mode_holds_whatever_the_umask(tmp_path: Path) -> None:
    before = os.umask(0)
    try:
        keys.generate(tmp_path / "key")
    finally:
        os.umask(before)
    assert stat.S_IMODE((tmp_path / "key").stat().st_mode) == 0o600


def test_a_key_is_never_overwritten(tmp_path: Path) -> None:
    path = tmp_path / "key"
    keys.generate(path)
    before = path.read_bytes()
    with pytest.raises(AssayError) as error:
        keys.generate(path)
    assert error.value.kind == "already-exists"
    assert path.read_bytes() == before
    (tmp_path / "link").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(AssayError):
        keys.generate(tmp_path / "link")
    assert not (tmp_path / "elsewhere").exists()


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o644, 0o666, 0o660])
def test_a_key_that_others_can_read_is_refused(tmp_path: Path, mode: int) -> None:
    keys.generate(tmp_path / "key")
    (tmp_path / "key").chmod(mode)
    with pytest.raises(AssayError, match="its owner alone") as error:
        keys.load(tmp_path / "key")
    assert error.value.kind == "settings-invalid"
    assert "chmod 600" in error.value.do


def test_a_key_inside_the_home_is_refused_however_it_is_named(tmp_path: Path) -> None:
    home = tmp_path / "home"
    (home / "keys").mkdir(parents=True)
    keys.generate(home / "keys" / "key")
    (tmp_path / "link").symlink_to(home / "keys" / "key")
    for path in (home / "keys" / "key", tmp_path / "link", tmp_path / "home" / ".." / "home" / "keys" / "key"):
        with pytest.raises(AssayError, match="inside the home"):
            keys.load(path, home)
    keys.generate(tmp_path / "outside")
    keys.load(tmp_path / "outside", home)
    keys.load(tmp_path / "outside", tmp_path / "out")  # a name that begins the same is another folder


def test_what_is_no_key_is_refused(tmp_path: Path) -> None:
    other = ec.generate_private_key(ec.SECP256R1())
    pem = (serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8)
    ed = keys.generate(tmp_path / "ed") and keys.load(tmp_path / "ed")
    contents = {
        "empty": b"",
        "text": b"not a key",
        "elliptic": other.private_bytes(*pem, serialization.NoEncryption()),
        "encrypted": ed.private_bytes(*pem, serialization.BestAvailableEncryption(b"x")),
        "public": ed.public_key().public_bytes(
            serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
        ),
    }
    for name, content in contents.items():
        (tmp_path / name).write_bytes(content)
        (tmp_path / name).chmod(0o600)
        with pytest.raises(AssayError) as error:
            keys.load(tmp_path / name)
        assert error.value.kind == "settings-invalid", name
    with pytest.raises(AssayError) as error:
        keys.load(tmp_path / "absent")
    assert error.value.kind == "path-missing"
    with pytest.raises(AssayError) as error:
        keys.load(tmp_path)
    assert error.value.kind == "path-unreadable"
    with pytest.raises(AssayError) as error:
        keys.generate(tmp_path / "no folder" / "key")
    assert error.value.kind == "path-unreadable"
