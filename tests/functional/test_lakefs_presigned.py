"""Clients of a server that signs URLs and imports: they use both by themselves, and a token's client uses neither."""

from __future__ import annotations

import os
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import httpx
import lakefs
import polars
import pytest
from lakefs.exceptions import BadRequestException, ForbiddenException, ImportManagerException, ObjectExistsException
from lakefs_spec import LakeFSFileSystem

from tests.support.lakefs_server import KEY, SECRET, Running, running

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::ResourceWarning")

SOON = timedelta(milliseconds=50)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder that may be imported from."""
    found = tmp_path_factory.mktemp("allowed")
    (found / "d" / "deep").mkdir(parents=True)
    for name in ("one", "d/two", "d/deep/three"):
        (found / name).write_text(f"content of {name}")
    return found


@pytest.fixture(scope="module")
def signing(tmp_path_factory: pytest.TempPathFactory, folder: Path) -> Iterator[Running]:
    home = tmp_path_factory.mktemp("signing") / "home"
    with running(home, "--presign", "--allow-import", str(folder)) as found:
        yield found


@pytest.fixture(scope="module")
def where(signing: Running) -> dict[str, str]:
    return {"host": signing.url.removesuffix("/api/v1"), "username": KEY, "password": SECRET}


@pytest.fixture
def main(where: dict[str, str], request: pytest.FixtureRequest) -> lakefs.Branch:
    """The branch of a new repository."""
    name = "".join(c if c.isalnum() else "-" for c in request.node.name.removeprefix("test_"))[:60]
    return lakefs.Repository(name, client=lakefs.Client(**where)).create(f"local://{name}").branch("main")


def test_the_package_reads_and_writes_through_signed_urls(main: lakefs.Branch) -> None:
    content = os.urandom(2_000_000)
    thing = main.object("a b/ü")
    assert thing.upload(content, content_type="x/y", metadata={"k": "v"}).reader().read() == content
    stat = thing.stat()
    assert (stat.content_type, stat.metadata, stat.size_bytes) == ("x/y", {"k": "v"}, len(content))
    with thing.reader("rb") as reader:
        assert (reader.seek(1_999_990), reader.read(100)) == (1_999_990, content[-10:])
    signed = thing.stat(pre_sign=True).physical_address
    assert httpx.get(signed).content == content
    assert httpx.get(signed.replace("size=", "size=1")).status_code == 403
    assert main.object("plain").upload(b"1", pre_sign=False).reader(pre_sign=False).read() == b"1"
    with pytest.raises(ObjectExistsException):
        thing.upload(b"2", mode="xb")
    main.commit("one")
    assert main.get_commit().message == "one"


def test_the_file_system_and_polars_do_too(main: lakefs.Branch, where: dict[str, str]) -> None:
    files = LakeFSFileSystem(**where, skip_instance_cache=True, use_listings_cache=False)
    address = f"lakefs://{main.repo_id}/main/t.parquet"
    with files.open(address, "wb") as file:
        polars.DataFrame({"n": range(100_000)}).write_parquet(file, row_group_size=10_000)
    with files.open(address) as file:
        assert polars.scan_parquet(file).select(polars.col("n").max()).collect().item() == 99_999
    files.cp(address, address + "2")
    assert files.cat(address) == files.cat(address + "2")


def test_folders_and_files_are_imported(main: lakefs.Branch, folder: Path) -> None:
    task = main.import_data("imported", metadata={"k": "v"})
    status = task.prefix(f"local://{folder}/d", "data/").object(f"local://{folder}/one", "first").run(SOON)
    assert (status.completed, status.error, status.ingested_objects) == (True, None, 3)
    assert [found.path for found in main.objects()] == ["data/deep/three", "data/two", "first"]
    assert main.object("data/two").reader("r").read() == "content of d/two"
    commit = main.get_commit()
    assert (commit.id, commit.message, commit.metadata["k"]) == (status.commit.id, "imported", "v")
    assert task.status().completed
    with pytest.raises(ImportManagerException):
        task.start()


def test_an_import_from_elsewhere_is_refused(main: lakefs.Branch, tmp_path: Path) -> None:
    (tmp_path / "secret").write_text("1")
    for source in (f"local://{tmp_path}/secret", "s3://bucket/key", "local:///etc/passwd"):
        task = main.import_data("m").object(source, "taken")
        with pytest.raises((BadRequestException, ForbiddenException, ImportManagerException)):
            task.run(SOON)
    assert list(main.objects()) == []


def test_the_client_of_a_token_goes_through_the_server(
    main: lakefs.Branch, where: dict[str, Any], signing: Any
) -> None:
    asked = {"repository": main.repo_id, "branches": ["main"], "access": "stage", "expires_in": 600}
    token = signing.http.post("/assay/tokens", json=asked).json()["token"]
    client = lakefs.Client(host=where["host"], username="token", password=token)
    mine = lakefs.Repository(main.repo_id, client=client).branch("main")
    assert mine.object("a").upload(b"1").reader().read() == b"1"
    files = LakeFSFileSystem(host=where["host"], username="token", password=token, skip_instance_cache=True)
    files.pipe(f"{main.repo_id}/main/b", b"2")
    assert files.cat(f"{main.repo_id}/main/b") == b"2"
    for refused in (
        lambda: mine.object("a").reader(pre_sign=True).read(),
        lambda: mine.object("c").upload(b"1", pre_sign=True),
        lambda: mine.import_data("m").object("local:///x", "x").start(),
    ):
        with pytest.raises(Exception, match=r"Forbidden|403"):
            refused()
