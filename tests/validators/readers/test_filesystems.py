"""The same recording and the same verdict from a folder, from S3 and from lakeFS; cleaned, the same dataset."""

import socket

import boto3
import lakefs
import pytest
import s3fs
from lakefs_spec import LakeFSFileSystem
from moto.server import ThreadedMotoServer

from tests.support.lakefs_server import KEY, SECRET, running
from tests.support.lerobot_v30 import Layout
from tests.validators.clean.test_clean_dataset import with_videos
from tests.validators.readers.test_hdf5 import robomimic
from tests.validators.readers.test_sequences import euroc, kitti
from tests.validators.readers.test_tables import WRITERS, made
from validators import readers
from validators.clean import clean
from validators.errors import UnreadableDataset
from validators.run import run
from validators.suites import load

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::ResourceWarning")
REGION = "us-east-1"
TOP = "observation.images.top"


@pytest.fixture(scope="module")
def s3():
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    yield f"http://{host}:{port}"
    server.stop()


@pytest.fixture(scope="module")
def lakefs_host(tmp_path_factory):
    with running(tmp_path_factory.mktemp("lakefs") / "home") as server:
        yield server.url.removesuffix("/api/v1")


class Store:
    """A filesystem and a folder of it to which a test copies."""

    def __init__(self, filesystem, root, prefix=""):
        self.filesystem, self.root, self.prefix = filesystem, root, prefix

    def copy(self, folder):
        for path in sorted(folder.rglob("*")):
            if path.is_file():
                self.filesystem.pipe(f"{self.root}/{path.relative_to(folder)}", path.read_bytes())

    def open(self, name=""):
        return readers.open(f"{self.prefix}{self.root}{name}", self.filesystem)


@pytest.fixture(params=["s3", "lakefs"])
def store(request, tmp_path):
    name = f"set-{abs(hash(tmp_path)) % 10**9}"
    if request.param == "s3":
        address = request.getfixturevalue("s3")
        access = {"endpoint_url": address, "aws_access_key_id": "a", "aws_secret_access_key": "b"}
        boto3.client("s3", region_name=REGION, **access).create_bucket(Bucket=name)
        options = {"endpoint_url": address, "client_kwargs": {"region_name": REGION}, "skip_instance_cache": True}
        return Store(s3fs.S3FileSystem(key="a", secret="b", **options), f"{name}/deep", "s3://")
    access = {"host": request.getfixturevalue("lakefs_host"), "username": KEY, "password": SECRET}
    lakefs.Repository(name, client=lakefs.Client(**access)).create(f"local://{name}")
    files = LakeFSFileSystem(**access, skip_instance_cache=True, use_listings_cache=False)
    return Store(files, f"{name}/main", "lakefs://")


def lerobot(writer, folder):
    tracks = writer.tracks(3)
    tracks[1].columns["timestamp"][9] = tracks[1].columns["timestamp"][8]
    return writer.write(tracks, folder.name)


def tables(suffix):
    def write(writer, folder):
        folder.mkdir()
        for name in "ab":
            WRITERS[f"t.{suffix}"](made(), folder / f"{name}.{suffix}")
        (folder / "assay.yaml").write_text("schema: declaration@1\nfps: 50\nepisodes: run_id\nunits: {y: m}\n")
        return folder

    return write


def hdf5(writer, folder):
    folder.mkdir()
    robomimic(folder / "demos.hdf5")
    return folder


MAKERS = {
    "lerobot": lerobot,
    "parquet": tables("parquet"),
    "csv": tables("csv"),
    "arrow": tables("arrow"),
    "hdf5": hdf5,
    "euroc": lambda writer, folder: euroc(folder),
    "kitti": lambda writer, folder: kitti(folder),
}


@pytest.mark.parametrize("name", MAKERS)
def test_the_same_verdict_wherever_it_lies(tmp_path, writer, store, name):
    folder = MAKERS[name](writer, tmp_path / "data set")
    store.copy(folder)
    suite = load("recording@1")
    here, there = readers.open(folder), store.open()
    assert run(there, suite).to_dict() == run(here, suite).to_dict()
    assert there.facts == here.facts
    assert [(e.files, e.start_s, e.end_s) for e in there.episodes] == [
        (e.files, e.start_s, e.end_s) for e in here.episodes
    ]
    assert there.files.where().startswith(store.prefix)


def v30(writer):
    return writer.write_v30(writer.tracks(4), Layout(data=(2, 2), videos=(2, 2), cameras=(TOP,)))


@pytest.mark.parametrize("make", [with_videos, v30])
def test_a_dataset_is_cleaned_wherever_it_lies(tmp_path, writer, store, make):
    folder = make(writer)
    store.copy(folder)
    reports = [
        clean(recording, tmp_path / out, {1}) for recording, out in ((readers.open(folder), "a"), (store.open(), "b"))
    ]
    here, there = ({**r.to_dict(), "out": None} for r in reports)
    assert there == here
    assert here["videos"]
    written = [sorted(p.relative_to(tmp_path / out) for p in (tmp_path / out).rglob("*")) for out in "ab"]
    assert written[0] == written[1]
    for name in written[0]:
        if (tmp_path / "a" / name).is_file() and name.name != "assay_clean.json":
            assert (tmp_path / "b" / name).read_bytes() == (tmp_path / "a" / name).read_bytes(), name
    assert run(readers.open(tmp_path / "b"), load("recording@1")).passed


def test_one_file(tmp_path, store):
    for name in ("t.parquet", "t.csv"):
        WRITERS[name](made(), tmp_path / name)
    (tmp_path / "t.csv.assay.yaml").write_text("schema: declaration@1\nepisodes: run_id\n")
    store.copy(tmp_path)
    assert store.open("/t.parquet").rows == 60
    assert len(store.open("/t.csv").episodes) == 3


@pytest.mark.parametrize("name", ["parquet", "lerobot"])
def test_opening_fetches_no_rows(tmp_path, writer, store, name):
    folder = MAKERS[name](writer, tmp_path / "data")
    (folder / "assay.yaml").unlink(missing_ok=True)
    store.copy(folder)
    recording = store.open()
    copies = recording.files.scratch / "copies"
    assert not copies.exists()
    assert recording.scan().collect().height == recording.rows
    assert copies.exists()


def refused(action):
    with pytest.raises(UnreadableDataset) as caught:
        action()
    return caught.value


def test_what_is_not_there(tmp_path, store):
    (tmp_path / "a.txt").write_text("x")
    store.copy(tmp_path)
    assert refused(lambda: store.open("/nothing")).kind == "path-missing"
    assert refused(store.open).kind == "format-unknown"
    other = Store(store.filesystem, "no-such-place/main", store.prefix)
    assert refused(lambda: other.open("/x")).kind == "path-missing"


def test_keys_that_are_wrong(lakefs_host):
    files = LakeFSFileSystem(host=lakefs_host, username=KEY, password="wrong", skip_instance_cache=True)
    error = refused(lambda: readers.open("lakefs://repo/main/x", files))
    assert (error.kind, "credentials" in str(error)) == ("access-denied", True)


def test_no_keys_at_all(s3, monkeypatch, tmp_path):
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_PROFILE"):
        monkeypatch.delenv(name, raising=False)
    for name in ("AWS_SHARED_CREDENTIALS_FILE", "AWS_CONFIG_FILE"):
        monkeypatch.setenv(name, str(tmp_path / "none"))
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    files = s3fs.S3FileSystem(endpoint_url=s3, skip_instance_cache=True)
    error = refused(lambda: readers.open("s3://bucket/x", files))
    assert (error.kind, "no credentials" in str(error)) == ("access-denied", True)


def test_a_store_that_does_not_answer(monkeypatch):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        monkeypatch.setenv("AWS_ENDPOINT_URL", f"http://127.0.0.1:{taken.getsockname()[1]}")
        monkeypatch.setenv("AWS_ACCESS_KEY_ID", "a")
        monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "b")
        error = refused(lambda: readers.open("s3://bucket/data"))
        host = f"http://127.0.0.1:{taken.getsockname()[1]}"
        lake = LakeFSFileSystem(host=host, username="a", password="b", skip_instance_cache=True)
        other = refused(lambda: readers.open("lakefs://repo/main/x", lake))
    assert (error.kind, other.kind) == ("store-unreachable", "store-unreachable")
