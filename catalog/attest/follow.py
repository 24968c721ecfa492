"""Follow a release repository as a device does: from the root that was handed over, through signatures, to a role.

An approver compares a proposal with what is published so, and not with what the service says is published.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

from tuf.api.exceptions import DownloadError, DownloadHTTPError, RepositoryError
from tuf.api.metadata import Metadata, Root
from tuf.ngclient import FetcherInterface, Updater

from catalog.attest.published import signed_role
from catalog.attest.roles import ClassRole
from catalog.errors import Absent, Damaged, Invalid

BASE = "assay:/metadata/"
ROOT = "root.json"  # the first root, beside the keys of who trusts it


class _Fetcher(FetcherInterface):
    def __init__(self, get: Callable[[str], bytes]) -> None:
        self._get = get

    def _fetch(self, url: str) -> Iterator[bytes]:
        try:
            yield self._get(url.removeprefix(BASE))
        except Absent as error:
            raise DownloadHTTPError(error.what, 404) from error


def read_root(path: Path) -> bytes:
    """The root file that an approver keeps; refuses what is no root, by the file's name."""
    try:
        data = path.read_bytes()
    except OSError as error:
        what = f"the first root of the release repository cannot be read: {error.strerror}"
        raise Invalid("path-missing", what, where=str(path), do="bring it; an approver keeps it") from error
    try:
        root = Metadata[Root].from_bytes(data)
        root.signed.verify_delegate(Root.type, root.signed_bytes, root.signatures)
    except (RepositoryError, AttributeError, ValueError) as error:
        what = f"this file is no root of a release repository: {error}"
        do = "bring the 1.root.json that was handed over"
        raise Invalid("trust-invalid", what, where=str(path), do=do) from error
    return data


def published_role(get: Callable[[str], bytes], root: bytes, device_class: str) -> ClassRole:
    """The published role of a class, verified from the first root; `get` reads one metadata file by name."""
    with tempfile.TemporaryDirectory(prefix="assay-follow-") as folder:
        try:
            updater = Updater(folder, BASE, fetcher=_Fetcher(get), bootstrap=root)
            updater.refresh()
            updater.get_targetinfo(f"{device_class}/none.json")
            return signed_role(device_class, (Path(folder) / f"{device_class}.json").read_bytes())[0]
        except (RepositoryError, DownloadError, OSError) as error:
            what = f"the release repository is not what your root signed: {error}"
            do = "do not sign; have the repository looked at, or bring the root file that belongs to it"
            raise Damaged("repository-damaged", what, where=device_class, do=do) from error
