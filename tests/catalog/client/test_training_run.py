"""What a training job meets: a run that records itself, data verified at first open, a service that is simply there."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import polars as pl
import psutil
import pytest

from catalog.client import Catalog
from catalog.client.launch import find
from catalog.domain.dataset import Provenance
from catalog.domain.run import Run, RunEnd
from catalog.errors import AssayError
from catalog.settings import Settings
from tests.support.house import House, model_folder
from tests.support.recordings import provenance, recording


def end(settings: Settings) -> None:
    """End the service of a home and wait for it."""
    if not settings.address.exists():
        return
    process = psutil.Process(json.loads(settings.address.read_text())["pid"])
    process.send_signal(signal.SIGTERM)
    process.wait(30)


@pytest.fixture(scope="module")
def settings(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Settings]:
    """A home with one approved version and one failing ingest, and its service, started by the first client."""
    folder = tmp_path_factory.mktemp("client")
    house = House.begin(folder)
    with house.open() as desk:
        desk.bring("arm", "one", recording(folder / "one"))
        desk.register("arm", "two", recording(folder / "two", seed=2, spoil={1: "gap"}))
        desk.check("arm", "two")
    yield house.settings
    end(house.settings)


@pytest.fixture
def engineer(settings: Settings) -> Iterator[Catalog]:
    with Catalog("engineer", settings) as found:
        yield found


def fails(act: Callable[[], object]) -> AssayError:
    with pytest.raises(AssayError) as error:
        act()
    return error.value


def test_a_run_records_what_went_in_and_came_out(engineer: Catalog, tmp_path: Path) -> None:
    extra = recording(tmp_path / "extra", seed=5)
    notes = tmp_path / "notes.txt"
    notes.write_text("lr 0.1")
    with engineer.training_run("bench", code=Path(__file__).parent, parameters={"epochs": 3}) as run:
        data = run.approved("arm")
        frame = data.scan().collect()
        run.input(extra)
        notes.read_text()
        digest = run.log_model("reach-bench", model_folder(tmp_path / "model"), metrics={"loss": 0.25})
    assert frame.height == 90
    assert set(frame["root"]) == {"one"}
    assert data.answer.tag == "v1.0.0"

    record = engineer.run(run.id)
    assert record.end is not None
    assert (record.end.status, record.assurance) == ("finished", "observed")
    assert record.end.metrics == {"loss": 0.25}
    assert record.outputs == (digest,)
    version, folder = record.inputs
    assert version.kind == "version"
    assert version.manifest_digest == data.answer.manifest_digest
    assert folder.kind == "folder"
    assert len(folder.fingerprints) == 3
    opened = {Path(f.path).name: f for f in record.end.opened}
    assert "notes.txt" in opened
    rows = [f for f in record.end.opened if f.input == data.answer.manifest_digest]
    assert len(rows) == 3
    assert not any(f.path.endswith((".token", ".pem")) for f in record.end.opened)
    assert len(record.start.code.commit) == 40
    assert record.start.environment["packages_digest"].startswith("sha256:")
    assert record.start.parameters == {"epochs": 3}
    assert engineer.model("reach-bench").model.run == run.id


def test_a_run_that_fails_says_so(engineer: Catalog) -> None:
    def act() -> None:
        with engineer.training_run("bench") as run:
            ids.append(run.id)
            raise ZeroDivisionError("boom")

    ids: list[str] = []
    with pytest.raises(ZeroDivisionError):
        act()
    record = engineer.run(ids[0])
    assert record.end is not None
    assert record.end.status == "failed"
    assert "boom" in record.end.error


def test_nothing_approved_fits_says_what_came_nearest(engineer: Catalog) -> None:
    with engineer.training_run("bench") as run:
        for ask, word in (
            (lambda: run.approved("arm", version="v9.*"), "tag does not match"),
            (lambda: run.approved("arm", kind="synthetic"), "kind 'synthetic'"),
            (lambda: run.approved("arm", licence="MIT"), "'MIT'"),
        ):
            error = fails(ask)
            assert error.kind == "no-approved-version"
            assert "v1.0.0" in error.where
            assert word in error.where
            assert "ingest two: 2 blocking findings" in error.where
        assert fails(lambda: run.approved("nothing")).kind == "dataset-unknown"
        assert fails(lambda: run.approved("Not A Name")).kind == "input-invalid"


def test_metrics_must_be_finite(engineer: Catalog, tmp_path: Path) -> None:
    with engineer.training_run("bench") as run:
        error = fails(lambda: run.log_metrics({"loss": float("nan")}))
        assert error.kind == "input-invalid"
        assert "loss" in error.what
        error = fails(lambda: run.log_model("m", model_folder(tmp_path / "m"), metrics={"loss": float("inf")}))
        assert error.kind == "input-invalid"
    bad = {"loss": float("nan")}
    assert fails(lambda: engineer.register_model("m", tmp_path / "m", metrics=bad)).kind == "input-invalid"


def test_a_changed_snapshot_is_refused_and_made_again(engineer: Catalog) -> None:
    with engineer.training_run("bench") as run:
        data = run.approved("arm")
        path = next(o.path for o in data.answer.objects if o.path.endswith("000001.parquet"))
        file = data.folder / path
        whole = file.read_bytes()
        file.chmod(0o644)
        file.write_bytes(whole[:-1] + b"\0")
        error = fails(data.scan)
        assert (error.kind, str(file)) == ("digest-mismatch", error.where)
        file.parent.chmod(0o755)
        file.unlink()
        assert fails(lambda: data.open(path)).kind == "digest-mismatch"
        assert fails(lambda: data.open("one/no-such")).kind == "listing-mismatch"
        data.folder.rename(data.folder.with_name("away"))
        again = run.approved("arm")
        assert again.open(path).read_bytes() == whole
        assert isinstance(again.scan(), pl.LazyFrame)


def test_another_principals_run_is_not_written_to(settings: Settings, engineer: Catalog) -> None:
    with engineer.training_run("bench") as run, Catalog("viewer", settings) as viewer:
        error = fails(lambda: viewer.http.post(f"/runs/{run.id}/end", Run, RunEnd(status="failed")))
        assert error.kind == "role-missing"


def test_inputs_given_at_once_are_all_kept(engineer: Catalog, settings: Settings, tmp_path: Path) -> None:
    folders = [recording(tmp_path / f"f{n}", episodes=1, seed=40 + n) for n in range(6)]
    with engineer.training_run("bench") as run:
        script = (
            "import sys; from catalog.client.connection import Connection; from catalog.settings import Settings;"
            "from pathlib import Path; from catalog.domain import requests; from catalog.domain.run import FolderInput;"
            "c = Connection(Settings(home=Path(sys.argv[1])), 'engineer');"
            "[c.post(f'/runs/{sys.argv[2]}/folders', FolderInput, requests.GiveFolder(path=p)) for p in sys.argv[3:]]"
        )
        command = [sys.executable, "-c", script, str(settings.home), run.id]
        children = [subprocess.Popen([*command, *map(str, folders[n::3])]) for n in range(3)]
        assert [c.wait(60) for c in children] == [0, 0, 0]
        assert len(engineer.run(run.id).inputs) == 6


def test_a_fork_uses_no_socket_of_its_parent(engineer: Catalog) -> None:
    engineer.status()
    parent = engineer.http._http
    read, write = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            engineer.status()
            os.write(write, b"own" if engineer.http._http is not parent else b"parent's")
        finally:
            os._exit(0)
    os.close(write)
    os.waitpid(child, 0)
    with os.fdopen(read, "rb") as said:
        assert said.read() == b"own"
    assert engineer.status().environment == "demo"


def test_wrong_names_are_no_tracebacks(engineer: Catalog, tmp_path: Path) -> None:
    document = Provenance.of(provenance())
    error = fails(lambda: engineer.register("arm", "Bad Name", tmp_path, document))
    assert (error.kind, "ingest" in error.what) == ("input-invalid", True)
    assert fails(lambda: engineer.dataset("../../etc")).kind in ("dataset-unknown", "node-unknown")
    assert fails(lambda: engineer.enrol_line("Bad Name", "demo-arm")).kind == "input-invalid"


def test_no_token(settings: Settings) -> None:
    error = fails(lambda: Catalog("nobody", settings))
    assert error.kind == "token-missing"
    assert "nobody.token" in error.where


def test_a_home_that_is_none(tmp_path: Path) -> None:
    (tmp_path / "home-keys").mkdir()
    (tmp_path / "home-keys/viewer.token").write_text("x")
    error = fails(lambda: Catalog("viewer", Settings(home=tmp_path / "home")))
    assert error.kind == "home-not-initialised"
    assert not (tmp_path / "home").exists()


def test_a_service_that_is_not_there_and_not_ours_to_start(settings: Settings) -> None:
    elsewhere = Settings(home=settings.home, url="http://127.0.0.1:9")
    with Catalog("viewer", elsewhere) as catalog:
        assert fails(catalog.status).kind == "service-unreachable"


def test_a_job_longer_than_its_service(tmp_path: Path) -> None:
    """The service ends, idle or by somebody's hand, while the job computes; the run is still recorded to its end."""
    house = House.begin(tmp_path)
    try:
        with Catalog("engineer", house.settings) as catalog:
            with catalog.training_run("long") as run:
                end(house.settings)
                assert not house.settings.address.exists(), "a service that ends takes its address away"
            assert catalog.run(run.id).end is not None
    finally:
        end(house.settings)


STATUS = (
    "import sys; from pathlib import Path; from catalog.client import Catalog; from catalog.settings import Settings;"
    "s = Settings(home=Path(sys.argv[1]), idle_seconds=2); print(Catalog('viewer', s).status().audit_size)"
)


def test_two_clients_at_once_start_one_service_and_it_ends_when_idle(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    house = House.begin(tmp_path)
    monkeypatch.setenv("ASSAY_IDLE_SECONDS", "2")
    command = [sys.executable, "-c", STATUS, str(house.settings.home)]
    clients = [subprocess.Popen(command, stdout=subprocess.PIPE) for _ in range(2)]
    answers = [c.communicate(timeout=90)[0] for c in clients]
    assert [c.returncode for c in clients] == [0, 0]
    assert len(set(answers)) == 1
    pid = json.loads(house.settings.address.read_text())["pid"]
    serving = [p for p in psutil.process_iter(["cmdline"]) if str(house.settings.home) in (p.info["cmdline"] or [])]
    assert pid in [p.pid for p in serving]
    psutil.wait_procs([psutil.Process(pid)], timeout=60)
    assert not psutil.pid_exists(pid)
    assert find(house.settings) is None
    assert not house.settings.address.exists()
    left = [
        p for p in psutil.process_iter(["cmdline"]) if str(house.settings.home) in " ".join(p.info["cmdline"] or [])
    ]
    psutil.wait_procs(left, timeout=20)
    assert [p for p in left if p.is_running()] == [], "the embedded server ends with its service"
