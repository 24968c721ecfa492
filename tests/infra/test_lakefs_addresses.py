"""Physical addresses and presigned URLs: what they permit, and that they permit nothing else."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, urlencode, urlsplit, urlunsplit

import httpx
import lakefs
import lakefs_sdk
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from lakefs.client import Client
from lakefs_sdk import models
from lakefs_spec import LakeFSFileSystem

from infra.lakefs.api.app import build
from infra.lakefs.api.auth import Keys
from infra.lakefs.home import Credentials
from infra.lakefs.store import Store
from infra.lakefs.store.imports import Imports
from infra.lakefs.store.signing import Signer
from tests.support.lakefs_server import KEY, SECRET, Running, running

from .conftest import Start

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::ResourceWarning")


def md5(content: bytes) -> str:
    return hashlib.md5(content, usedforsecurity=False).hexdigest()


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    made = tmp_path_factory.mktemp("addresses") / "allowed"
    made.mkdir()
    return made


@pytest.fixture(scope="module")
def server(folder: Path) -> Iterator[Running]:
    """One that offers presigned URLs."""
    with running(folder.parent / "home", "--presign", "--allow-import", str(folder)) as found:
        yield found


@pytest.fixture
def anonymous() -> Iterator[httpx.Client]:
    """A client without credentials."""
    with httpx.Client(timeout=60) as client:
        yield client


class Addresses:
    """What a client does with the addresses of one branch."""

    def __init__(self, server: Running, branch: str = "main") -> None:
        self.http = server.http
        self.repository = server.repository()
        self.branch = f"{self.repository}/branches/{branch}"

    def get(self, path: str = "x", **query: str) -> dict[str, Any]:
        found = self.http.get(f"{self.branch}/staging/backing", params={"path": path, **query})
        assert found.status_code == 200, found.text
        said: dict[str, Any] = found.json()
        return said

    def link(self, address: str, content: bytes, path: str = "x", **more: Any) -> httpx.Response:
        headers = more.pop("headers", {})
        said = {"checksum": md5(content), "size_bytes": len(content), "staging": {"physical_address": address}, **more}
        query = {"path": path}
        return self.http.put(f"{self.branch}/staging/backing", params=query, json=said, headers=headers)

    def stage(self, address: str, content: bytes, path: str = "x", **more: Any) -> httpx.Response:
        said = {"checksum": md5(content), "size_bytes": len(content), "physical_address": address, **more}
        return self.http.put(f"{self.branch}/objects", params={"path": path}, json=said)

    def read(self, path: str = "x") -> httpx.Response:
        return self.http.get(f"{self.repository}/refs/main/objects", params={"path": path})

    def stat(self, path: str = "x", **query: str) -> dict[str, Any]:
        found = self.http.get(f"{self.repository}/refs/main/objects/stat", params={"path": path, **query})
        assert found.status_code == 200, found.text
        said: dict[str, Any] = found.json()
        return said


@pytest.fixture
def addresses(server: Running) -> Addresses:
    return Addresses(server)


def test_an_upload_to_a_presigned_url_is_linked(addresses: Addresses, anonymous: httpx.Client) -> None:
    content = os.urandom(3_000_000)
    place = addresses.get(presign="true")
    assert place["presigned_url_expiry"] > 0
    sent = anonymous.put(place["presigned_url"], content=content)
    assert sent.status_code == 200
    assert sent.headers["etag"] == f'"{md5(content)}"'
    linked = addresses.link(
        place["physical_address"], content, user_metadata={"k": "v"}, content_type="x/y", mtime=1_700_000_000
    )
    assert linked.status_code == 200
    assert linked.json() == addresses.stat()
    expected = {"content_type": "x/y", "metadata": {"k": "v"}, "mtime": 1_700_000_000, "size_bytes": len(content)}
    assert expected.items() <= linked.json().items()
    assert addresses.read().content == content
    # asking again does no harm
    assert addresses.link(place["physical_address"], content).status_code == 200


def test_linking_says_what_does_not_agree(addresses: Addresses, anonymous: httpx.Client) -> None:
    place = addresses.get(presign="true")
    missing = addresses.link(place["physical_address"], b"sent")
    assert missing.status_code == 400
    assert "nothing was uploaded" in missing.json()["message"]
    anonymous.put(place["presigned_url"], content=b"sent")
    for said in (b"else", b"longer"):
        refused = addresses.link(place["physical_address"], said)
        assert refused.status_code == 400
        assert md5(b"sent") in refused.json()["message"]
    assert addresses.read().status_code == 404
    for wrong in ({"checksum": "none"}, {"size_bytes": -1}, {"size_bytes": "4"}, {"mtime": -1}, {"staging": {}}):
        assert addresses.link(place["physical_address"], b"sent", **wrong).status_code == 400
    assert addresses.link(place["physical_address"], b"sent").status_code == 200


def test_an_address_that_was_not_given_out_here_is_refused(server: Running, addresses: Addresses) -> None:
    other = Addresses(server)
    own, foreign = addresses.get()["physical_address"], other.get()["physical_address"]
    name = own.rsplit("/", 1)[1]
    made_up = own.replace(name, f"9{name[1:]}")
    moved = foreign.replace(other.repository.rsplit("/", 1)[1], addresses.repository.rsplit("/", 1)[1])
    for address in (made_up, moved, own + "0", own[:-1], own.rsplit("/", 1)[0] + "/x"):
        refused = addresses.link(address, b"x")
        assert refused.status_code == 400
        assert "not given out" in refused.json()["message"]


def test_conditions_and_protection_hold_for_links(addresses: Addresses, anonymous: httpx.Client) -> None:
    place = addresses.get(presign="true")
    anonymous.put(place["presigned_url"], content=b"x")
    only_new = {"if-none-match": "*"}
    assert addresses.link(place["physical_address"], b"x", headers=only_new).status_code == 200
    assert addresses.link(place["physical_address"], b"x", headers=only_new).status_code == 412
    assert addresses.link(place["physical_address"], b"x", headers={"if-match": "1"}).status_code == 501
    assert addresses.http.get(f"{addresses.branch}/objects/stage_allowed", params={"path": "x"}).status_code == 204
    addresses.http.put(f"{addresses.repository}/settings/branch_protection", json=[{"pattern": "main"}])
    assert addresses.link(place["physical_address"], b"x").status_code == 403
    assert addresses.stage("local://elsewhere/x", b"x").status_code == 403
    assert addresses.http.get(f"{addresses.branch}/objects/stage_allowed", params={"path": "x"}).status_code == 403
    addresses.branch = addresses.branch.replace("main", "none")
    assert addresses.link(place["physical_address"], b"x").status_code == 404


def test_a_file_is_staged_by_reference(addresses: Addresses, folder: Path, tmp_path: Path) -> None:
    source = folder / "staged"
    source.write_bytes(b"staged")
    staged = addresses.stage(f"local://{source}", b"staged", metadata={"k": "v"})
    assert staged.status_code == 201
    assert staged.json()["physical_address"] == f"local://{source}"
    assert addresses.read().content == b"staged"
    assert addresses.stage(f"local://{source}", b"other").status_code == 400
    (tmp_path / "outside").write_bytes(b"x")
    assert addresses.stage(f"local://{tmp_path}/outside", b"x").status_code == 403
    assert addresses.stage(f"local://{folder}/../x", b"x").status_code == 400
    assert addresses.stage(f"local://{folder}/absent", b"x").status_code == 404
    (folder / "sub").mkdir()
    assert addresses.stage(f"local://{folder}/sub", b"x").status_code == 400
    assert addresses.stage("s3://bucket/x", b"x").status_code == 400
    source.write_bytes(b"STAGED")
    assert addresses.read().status_code == 500


def test_an_address_nobody_knows_is_believed_and_never_read(addresses: Addresses) -> None:
    """As recorded of lakeFS; the catalog, which reads every byte, finds it out."""
    assert addresses.link("local://elsewhere/x", b"x").status_code == 200
    assert addresses.stat()["checksum"] == md5(b"x")
    refused = addresses.read()
    assert refused.status_code == 500
    assert "never came here" in refused.json()["message"]


def test_a_presigned_url_reads_as_the_object_does(addresses: Addresses, anonymous: httpx.Client) -> None:
    content = os.urandom(2_000_000)
    kind = {"content-type": "application/x-robot; a=1"}
    addresses.http.post(f"{addresses.branch}/objects", params={"path": "x"}, content=content, headers=kind)
    said = addresses.stat(presign="true")
    url = said["physical_address"]
    assert said["physical_address_expiry"] > said["mtime"]
    direct, signed = addresses.read(), anonymous.get(url)
    assert signed.content == content
    for name in ("etag", "content-type", "content-length", "last-modified", "accept-ranges"):
        assert signed.headers[name] == direct.headers[name]
    part = anonymous.get(url, headers={"range": "bytes=5-9"})
    assert (part.status_code, part.content) == (206, content[5:10])
    assert anonymous.get(url, headers={"range": "bytes=3000000-"}).status_code == 416
    assert anonymous.get(url, headers={"if-none-match": direct.headers["etag"]}).status_code == 304
    head = anonymous.head(url)
    assert (head.status_code, head.headers["content-length"], head.content) == (200, str(len(content)), b"")
    listed = addresses.http.get(f"{addresses.repository}/refs/main/objects/ls", params={"presign": "true"}).json()
    assert anonymous.get(listed["results"][0]["physical_address"]).content == content
    moved = addresses.http.get(f"{addresses.repository}/refs/main/objects", params={"path": "x", "presign": "true"})
    assert moved.status_code == 302
    assert anonymous.get(moved.headers["location"]).content == content


def test_an_imported_file_is_read_by_a_presigned_url_while_it_is_the_same(
    addresses: Addresses, anonymous: httpx.Client, folder: Path
) -> None:
    source = folder / "presigned"
    source.write_bytes(b"content")
    addresses.stage(f"local://{source}", b"content")
    url = addresses.stat(presign="true")["physical_address"]
    assert anonymous.get(url).content == b"content"
    source.write_bytes(b"CONTENT")
    refused = anonymous.get(url)
    assert refused.status_code == 500
    assert refused.json()["message"].startswith("content sha256:")


def changed(url: str, **query: str) -> str:
    parts = urlsplit(url)
    return urlunsplit(parts._replace(query=urlencode({**dict(parse_qsl(parts.query)), **query})))


def test_a_url_permits_one_thing_only(server: Running, addresses: Addresses, anonymous: httpx.Client) -> None:
    addresses.http.post(f"{addresses.branch}/objects", params={"path": "x"}, content=b"mine")
    other = Addresses(server)
    other.http.post(f"{other.branch}/objects", params={"path": "x"}, content=b"theirs")
    read, write = addresses.stat(presign="true")["physical_address"], addresses.get(presign="true")["presigned_url"]
    theirs = other.stat(presign="true")["physical_address"]
    mine_name, their_name = (repository.rsplit("/", 1)[1] for repository in (addresses.repository, other.repository))
    tampered = [
        read.replace(mine_name, their_name),
        read.replace(hashlib.sha256(b"mine").hexdigest(), hashlib.sha256(b"theirs").hexdigest()),
        urlunsplit(urlsplit(theirs)._replace(query=urlsplit(read).query)),
        *(changed(read, **{name: value}) for name, value in (
            ("expires", "99999999999"), ("size", "5"), ("md5", "0" * 32), ("type", "text/html"), ("mtime", "1"),
            ("signature", "0" * 64), ("signature", ""), ("signature", "é"), ("expires", "x"), ("size", "-1"),
        )),
    ]  # fmt: skip
    for url in tampered:
        refused = anonymous.get(url)
        assert refused.status_code == 403, url
        assert refused.headers["x-error-kind"] == "forbidden"
    assert anonymous.get(read).content == b"mine"
    for url in (
        write.replace(mine_name, their_name),
        changed(write, expires="99999999999"),
        changed(write, signature="0"),
    ):
        assert anonymous.put(url, content=b"x").status_code == 403
    # the other method, other routes, no signature at all
    assert anonymous.put(read, content=b"x").status_code in (404, 405)
    assert anonymous.get(write).status_code in (404, 405)
    assert anonymous.get(urlunsplit(urlsplit(read)._replace(query=""))).status_code == 403
    assert anonymous.get(f"{server.url}/repositories").status_code == 401
    assert anonymous.get(f"{server.url}/presigned/../repositories").status_code in (401, 404)


def test_urls_outlive_a_restart_and_end_with_their_repository(
    start: Start, tmp_path: Path, anonymous: httpx.Client
) -> None:
    server = start(tmp_path / "home", "--presign")
    addresses = Addresses(server)
    addresses.http.post(f"{addresses.branch}/objects", params={"path": "x"}, content=b"x")
    url = addresses.stat(presign="true")["physical_address"]
    key = tmp_path / "home" / "signing.key"
    assert key.stat().st_mode & 0o777 == 0o600
    server.kill()
    again = start(tmp_path / "home", "--presign")

    def now(old: str) -> str:
        return urlunsplit(urlsplit(old)._replace(netloc=urlsplit(again.url).netloc))

    assert anonymous.get(now(url)).content == b"x"
    assert again.http.delete(addresses.repository).status_code == 204
    assert anonymous.get(now(url)).status_code == 403
    again.kill()
    without = start(tmp_path / "home")
    assert anonymous.get(urlunsplit(urlsplit(url)._replace(netloc=urlsplit(without.url).netloc))).status_code == 403


def test_a_repository_made_anew_under_the_name_honours_nothing_of_the_old(
    server: Running, addresses: Addresses, anonymous: httpx.Client
) -> None:
    addresses.http.post(f"{addresses.branch}/objects", params={"path": "x"}, content=b"old")
    read, given = addresses.stat(presign="true")["physical_address"], addresses.get(presign="true")
    assert anonymous.get(read).content == b"old"
    write = given["presigned_url"]
    assert anonymous.put(write, content=b"old").status_code == 200
    name = addresses.repository.rsplit("/", 1)[1]
    assert server.http.delete(addresses.repository).status_code == 204
    again = {"name": name, "storage_namespace": f"local://{name}-again"}
    assert server.http.post("/repositories", json=again).status_code == 201
    for answer in (anonymous.get(read), anonymous.head(read), anonymous.put(write, content=b"old")):
        assert answer.status_code == 403
    moved = given["physical_address"].replace(f"local://{name}/", f"local://{name}-again/")
    refused = addresses.link(moved, b"old")
    assert refused.status_code == 400
    assert "was not given out" in refused.json()["message"]


def test_without_the_flag_everything_is_declared_unsupported(start: Start, tmp_path: Path) -> None:
    addresses = Addresses(start(tmp_path / "home"))
    addresses.http.post(f"{addresses.branch}/objects", params={"path": "x"}, content=b"x")
    said = addresses.http.get("/config").json()["storage_config"]
    assert (said["pre_sign_support"], said["pre_sign_multipart_upload"]) == (False, False)
    place = addresses.get()
    assert place["presigned_url"] is None
    asked = {"path": "x", "presign": "true"}
    for route in (
        "refs/main/objects",
        "refs/main/objects/stat",
        "refs/main/objects/ls",
        "branches/main/staging/backing",
    ):
        assert addresses.http.get(f"{addresses.repository}/{route}", params=asked).status_code == 400
    assert addresses.http.post(f"{addresses.branch}/staging/pmpu", params={"path": "x"}).status_code == 501


@pytest.mark.anyio
async def test_what_has_expired_is_refused(store: Store) -> None:
    """The application with a clock of the test's own."""
    moment = 1_700_000_000
    store.clock = lambda: moment * 1_000_000
    store.presign = True
    imports = Imports(store)
    app = build(store, Keys(Credentials(KEY, SECRET), store.clock, b"s" * 32), imports)
    async with httpx.AsyncClient(
        transport=httpx.ASGITransport(app), base_url="http://test/api/v1/repositories/repo", auth=(KEY, SECRET)
    ) as http:
        assert (await http.post("/branches/main/objects?path=x", content=b"x")).status_code == 201
        read = (await http.get("/refs/main/objects/stat?path=x&presign=true")).json()
        place = (await http.get("/branches/main/staging/backing?path=y&presign=true")).json()
        linking = {"staging": place, "checksum": md5(b"y"), "size_bytes": 1}
        moment = read["physical_address_expiry"] - 1
        assert (await http.get(read["physical_address"])).content == b"x"
        assert (await http.put(place["presigned_url"], content=b"y")).status_code == 200
        moment += 1
        for method, url in (("GET", read["physical_address"]), ("PUT", place["presigned_url"])):
            refused = await http.request(method, url, content=b"y")
            assert refused.status_code == 403
            assert "expired" in refused.json()["message"]
        assert (await http.put("/branches/main/staging/backing?path=y", json=linking)).status_code == 200
        moment += 24 * 3600
        refused = await http.put("/branches/main/staging/backing?path=y", json=linking)
        assert refused.status_code == 400
        assert "expired" in refused.json()["message"]
    imports.close()


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


@settings(max_examples=200, deadline=None)
@given(
    said=st.lists(st.text(max_size=8) | st.integers(0, 1 << 60)),
    other=st.lists(st.text(max_size=8)),
    secret=st.binary(),
)
def test_a_signature_is_of_one_key_and_one_list(said: list[str | int], other: list[str | int], secret: bytes) -> None:
    signer = Signer(b"k" * 32)
    signature = signer.sign(*said)
    assert signer.agrees(signature, *said)
    assert signer.agrees(signature, *other) == (said == other)
    assert Signer(secret).agrees(signature, *said) == (secret == b"k" * 32)
    assert not signer.agrees(signature[:-1], *said)


def test_the_high_level_package_reads_and_writes_presigned(server: Running, addresses: Addresses) -> None:
    client = Client(host=server.url.removesuffix("/api/v1"), username=KEY, password=SECRET)
    branch = lakefs.repository(addresses.repository.rsplit("/", 1)[1], client=client).branch("main")
    content = os.urandom(1_500_000)
    thing = branch.object("a/b.bin")
    for pre_sign in (True, None):
        with thing.writer("wb", pre_sign=pre_sign, content_type="x/y", metadata={"k": "v"}) as writer:
            writer.write(content)
        with thing.reader("rb", pre_sign=pre_sign) as reader:
            assert reader.read(10) == content[:10]
            assert reader.read() == content[10:]
    stat = thing.stat(pre_sign=True)
    assert stat.physical_address.startswith("http://")
    assert (stat.content_type, stat.metadata, stat.size_bytes) == ("x/y", {"k": "v"}, len(content))
    with pytest.raises(lakefs.exceptions.ObjectExistsException), thing.writer("xb", pre_sign=True) as writer:
        writer.write(b"x")
    reference = branch.commit("presigned")
    assert reference.object("a/b.bin").reader("rb", pre_sign=True).read() == content


def test_the_filesystem_reads_and_writes_presigned(server: Running, addresses: Addresses) -> None:
    files = LakeFSFileSystem(host=server.url.removesuffix("/api/v1"), username=KEY, password=SECRET, pre_sign=True)
    path = f"{addresses.repository.rsplit('/', 1)[1]}/main/d/x.bin"
    with files.open(path, "wb") as file:
        file.write(b"0123456789")
    with files.open(path, "rb") as file:
        file.seek(3)
        assert file.read(4) == b"3456"
    assert files.ls(f"{addresses.repository.rsplit('/', 1)[1]}/main/d/", detail=False) == [path]


def test_the_sdk_parses_every_answer(
    server: Running, addresses: Addresses, folder: Path, anonymous: httpx.Client
) -> None:
    client = lakefs_sdk.ApiClient(lakefs_sdk.Configuration(host=server.url, username=KEY, password=SECRET))
    staging, objects, internal = (
        api(client) for api in (lakefs_sdk.StagingApi, lakefs_sdk.ObjectsApi, lakefs_sdk.InternalApi)
    )
    name = addresses.repository.rsplit("/", 1)[1]
    place = staging.get_physical_address(name, "main", "x", presign=True)
    anonymous.put(place.presigned_url, content=b"sdk")
    said = models.StagingMetadata(staging=place, checksum=md5(b"sdk"), size_bytes=3)
    assert staging.link_physical_address(name, "main", "x", said).path == "x"
    assert bytes(objects.get_object(name, "main", "x", presign=True)) == b"sdk"
    assert objects.list_objects(name, "main", presign=True).results[0].physical_address_expiry
    internal.upload_object_preflight(name, "main", "y")
    source = folder / "sdk"
    source.write_bytes(b"by reference")
    given = models.ObjectStageCreation(
        physical_address=f"local://{source}", checksum=md5(b"by reference"), size_bytes=12, metadata={"k": "v"}
    )
    assert internal.stage_object(name, "main", "y", given).metadata == {"k": "v"}
    branch = lakefs.repository(
        name, client=Client(host=server.url.removesuffix("/api/v1"), username=KEY, password=SECRET)
    ).branch("main")
    branch.reset_changes()
    done = branch.import_data("by the package", metadata={"rig": "7"}).object(f"local://{source}", "z").run()
    assert (done.completed, done.ingested_objects, done.error) == (True, 1, None)
    assert done.commit.id == branch.head.id
    with pytest.raises(lakefs.exceptions.ImportManagerException, match="no such file"):
        branch.import_data("m").prefix(f"local://{folder}/absent/", "w/").run()
