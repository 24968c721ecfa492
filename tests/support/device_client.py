"""What a device is to the release repository: python-tuf's own `Updater`, over a folder or over HTTP."""

from __future__ import annotations

import contextlib
import functools
import http.server
import threading
from collections.abc import Iterator
from pathlib import Path

from tuf.api.exceptions import DownloadHTTPError
from tuf.api.metadata import Metadata
from tuf.ngclient import FetcherInterface, Updater


class FolderFetcher(FetcherInterface):
    """Reads `file://` addresses, as from a USB stick."""

    def _fetch(self, url: str) -> Iterator[bytes]:
        path = Path(url.removeprefix("file://"))
        if not path.is_file():
            raise DownloadHTTPError("not there", 404)
        yield path.read_bytes()


class DeviceClient:
    """A device that was provisioned with the first root and keeps what it has seen."""

    def __init__(self, home: Path, base: str, first_root: bytes) -> None:
        self.home, self.base, self.root = home, base, first_root
        (home / "metadata").mkdir(parents=True)
        (home / "targets").mkdir()

    @classmethod
    def over_folder(cls, home: Path, releases: Path) -> DeviceClient:
        """A device that reads a folder."""
        return cls(home, f"file://{releases}", (releases / "metadata" / "1.root.json").read_bytes())

    def updater(self) -> Updater:
        """A refreshed updater; raises what a device would refuse for."""
        updater = Updater(
            str(self.home / "metadata"),
            f"{self.base}/metadata/",
            str(self.home / "targets"),
            f"{self.base}/targets/",
            fetcher=FolderFetcher() if self.base.startswith("file:") else None,
            bootstrap=self.root,
        )
        updater.refresh()
        return updater

    def get(self, path: str) -> bytes | None:
        """The bytes of a target, verified; None where nobody lists it."""
        updater = self.updater()
        info = updater.get_targetinfo(path)
        return Path(updater.download_target(info)).read_bytes() if info else None

    def versions(self) -> dict[str, int]:
        """The versions that this device has accepted."""
        files = {path.stem: path for path in (self.home / "metadata").glob("*.json")}
        return {name: Metadata.from_bytes(path.read_bytes()).signed.version for name, path in files.items()}


class _Quiet(http.server.SimpleHTTPRequestHandler):
    def log_message(self, *_: object) -> None:
        """Say nothing."""


@contextlib.contextmanager
def served(folder: Path) -> Iterator[str]:
    """The address of an HTTP server over a folder."""
    handler = functools.partial(_Quiet, directory=str(folder))
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}"
        finally:
            server.shutdown()
            thread.join()
