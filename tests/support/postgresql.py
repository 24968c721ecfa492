"""A PostgreSQL for tests: a cluster of its own on a socket in a folder of its own, gone afterwards.

Its databases sort by the language, so that only what the tables say makes text sort by bytes.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psycopg
import pytest

SQLITE = "sqlite"
BOTH = (SQLITE, pytest.param("postgresql", marks=pytest.mark.needs("postgresql")))
# For one test; a module whose tests all run on both says `DATABASES = BOTH`.
on_both_databases = pytest.mark.parametrize("fresh_database", BOTH, indirect=True, scope="module")
Fresh = Callable[[], dict[str, Any]]  # the settings of a home of which no other test has the records
USER = "nobody"  # the server refuses to run as root


def server() -> Path:
    """Where Debian puts the newest server, or where one would be."""
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin/postgres"))
    return found[-1] if found else Path("/usr/lib/postgresql/bin/postgres")


@dataclass
class Cluster:
    """A running server."""

    socket: Path
    made: list[str] = field(default_factory=list)

    def database(self) -> str:
        """The address of a fresh, empty database."""
        name = f"assay_{len(self.made)}"
        self.made.append(name)
        with psycopg.connect(host=str(self.socket), user="postgres", dbname="postgres", autocommit=True) as c:
            c.execute(f"create database {name}")
        return f"postgresql+psycopg://postgres:s3cret@/{name}?host={self.socket}"


@contextmanager
def cluster() -> Iterator[Cluster]:
    """Begin a cluster; end it whatever happens."""
    as_user = {"user": USER, "group": "nogroup"} if os.getuid() == 0 else {}
    folder = Path(tempfile.mkdtemp(prefix="assay-pg-"))
    try:
        data = folder / "data"
        if as_user:
            shutil.chown(folder, USER)
        binaries = server().parent
        initialise = ["--locale-provider=icu", "--icu-locale=en-US", "--locale=C.UTF-8", "--encoding=UTF8"]
        subprocess.run(
            [binaries / "initdb", "--pgdata", data, "--username=postgres", "--auth=trust", "--no-sync", *initialise],
            check=True, capture_output=True, cwd=folder, **as_user,
        )  # fmt: skip
        options = f"-c listen_addresses= -c unix_socket_directories={folder} -c fsync=off"
        control = [binaries / "pg_ctl", "--pgdata", data, "--wait", "--log", folder / "log"]
        subprocess.run(
            [*control, "start", "--options", options], check=True, capture_output=True, cwd=folder, **as_user
        )
        try:
            yield Cluster(folder)
        finally:
            stop = [*control, "stop", "--mode=immediate"]
            subprocess.run(stop, check=True, capture_output=True, cwd=folder, **as_user)
    finally:
        shutil.rmtree(folder, ignore_errors=True)
