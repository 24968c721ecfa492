"""Follow a release repository as a device does: from the root that was handed over, through signatures, to a role.

An approver compares a proposal with what is published so, and not with what the service says is published.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

from tuf.api.exceptions import DownloadError, DownloadHTTPError, RepositoryError
from tuf.ngclient import FetcherInterface, Updater

from catalog.attest.published import signed_role
from catalog.attest.roles import ClassRole
from catalog.errors import Absent, Damaged

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


def published_role(get: Callable[[str], bytes], first_root: bytes, device_class: str) -> ClassRole:
    """The published role of a class, verified from the first root; `get` reads one metadata file by name."""
    with tempfile.TemporaryDirectory(prefix="assay-follow-") as folder:
        try:
            updater = Updater(folder, BASE, fetcher=_Fetcher(get), bootstrap=first_root)
            updater.refresh()
            updater.get_targetinfo(f"{device_class}/none.json")
            return signed_role(device_class, (Path(folder) / f"{device_class}.json").read_bytes())[0]
        except (RepositoryError, DownloadError, OSError) as error:
            what = f"the release repository is not what your root signed: {error}"
            do = "do not sign; have the repository looked at, or bring the root file that belongs to it"
            raise Damaged("repository-damaged", what, where=device_class, do=do) from error
