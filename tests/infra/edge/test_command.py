"""`assay-edge` as a person or a unit file runs it: whole processes, exit codes, JSON, plain words."""

from __future__ import annotations

import ast
import fcntl
import importlib.util
import json
import re
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from catalog.domain.base import sha256
from infra.edge import errors
from infra.edge.device import Device
from infra.edge.fetch import source
from infra.edge.main import escaped
from infra.edge.pull import pull
from tests.infra.edge.site import CLASS, Site, wall

ROOT = Path(__file__).resolve().parents[3]
ALLOWED = {"tuf", "securesystemslib", "cryptography", "infra"}


@pytest.fixture(scope="module")
def office(tmp_path_factory: pytest.TempPathFactory) -> Site:
    """Release 1 published, by the machine's clock."""
    site = Site.begin(tmp_path_factory.mktemp("office"), wall())
    site.promote(site.manifest(1))
    return site


@pytest.fixture
def home(office: Site, tmp_path: Path) -> Path:
    """A provisioned home."""
    edge(0, "provision", *provisioning(office), home=tmp_path / "home")
    return tmp_path / "home"


def provisioning(office: Site) -> list[str]:
    root = office.releases / "metadata" / "1.root.json"
    given = {
        "--name": "arm-7", "--device-class": CLASS, "--environment": "demo", "--hardware": "any",
        "--root": str(root), "--root-digest": office.office.repository.root_digest(), "--from": str(office.releases),
    }  # fmt: skip
    return [word for pair in given.items() for word in pair]


def edge(code: int, *words: str, home: Path, **options: Any) -> str:
    """Run the command; what it printed, when it ended as it should."""
    command, rest = words[0], words[1:]
    ended = subprocess.run(
        [sys.executable, "-m", "infra.edge.main", command, "--home", str(home), *rest],
        capture_output=True, text=True, check=False, **options,
    )  # fmt: skip
    assert ended.returncode == code, ended.stdout + ended.stderr
    assert "Traceback" not in ended.stderr
    return ended.stdout + ended.stderr


def test_a_device_from_the_box_to_its_first_command(office: Site, home: Path) -> None:
    request = json.loads((home / "enrol.json").read_bytes())
    assert request == {
        "schema": "enrolment-request@1", "name": "arm-7", "device_class": CLASS, "environment": "demo",
        "hardware": "any", "site": None, "public": request["public"],
        "token_digest": sha256((home / "token").read_bytes()),
    }  # fmt: skip
    assert {(home / name).stat().st_mode & 0o777 for name in ("device.pem", "token")} == {0o600}
    edge(3, "start", "--", "true", home=home)
    assert "installed: release 1" in edge(0, "pull", home=home)
    assert edge(0, "start", "--", "sh", "-c", "cat $EDGE_FILES/contract.json", home=home).startswith('{"inputs"')
    edge(9, "start", "--", "sh", "-c", "exit 9", home=home)
    told = json.loads(edge(0, "status", "--json", home=home))
    assert (told["may_start"], told["number"], told["undelivered"]) == (True, 1, told["reports"])
    head = edge(0, "head", home=home).strip()
    assert head == f"{office.office.head().size}:{office.office.head().root}"
    assert json.loads(edge(0, "head", "--json", home=home))["head"] == head


def test_errors_have_a_kind_and_a_code(office: Site, home: Path, tmp_path: Path) -> None:
    said = json.loads(edge(6, "pull", "--json", "--from", "http://127.0.0.1:9", home=home))["error"]
    assert said["kind"] == "source-unreachable"
    assert said["do"]
    assert "source-missing" in edge(6, "report", home=home)
    assert "source-missing" in edge(6, "head", home=home)
    assert "not-provisioned" in edge(6, "status", home=tmp_path / "nothing")
    assert "already-provisioned" in edge(5, "provision", *provisioning(office), home=home)
    assert "nothing-installed" in edge(3, "start", "--", "true", home=home)
    edge(0, "pull", home=home)
    (home / "state.json").write_text("{}")
    assert "state-damaged" in edge(7, "start", "--", "true", home=home)
    assert "state-damaged" in edge(7, "pull", home=home)


@pytest.mark.parametrize(
    ("changed", "kind", "code"),
    [
        ({"--root-digest": "sha256:" + "0" * 64}, "root-digest-mismatch", 3),
        ({"--root-digest": "abc"}, "input-invalid", 2),
        ({"--name": "Arm 7"}, "input-invalid", 2),
        ({"--root": "/nowhere"}, "input-invalid", 2),
    ],
)
def test_a_home_is_made_whole_or_not_at_all(
    office: Site, tmp_path: Path, changed: dict[str, str], kind: str, code: int
) -> None:
    words = provisioning(office)
    for option, value in changed.items():
        words[words.index(option) + 1] = value
    assert kind in edge(code, "provision", *words, home=tmp_path / "home")
    assert list(tmp_path.iterdir()) == []


def test_a_root_that_is_none_is_refused(office: Site, tmp_path: Path) -> None:
    words, other = provisioning(office), tmp_path / "root.json"
    other.write_bytes((office.releases / "metadata" / "1.targets.json").read_bytes())
    words[words.index("--root") + 1] = str(other)
    words[words.index("--root-digest") + 1] = sha256(other.read_bytes())
    assert "root-invalid" in edge(2, "provision", *words, home=tmp_path / "home")


def test_the_loop_ends_with_a_signal(office: Site, home: Path) -> None:
    words = [sys.executable, "-m", "infra.edge.main", "run", "--home", str(home), "--every", "0.1", "--json"]
    with subprocess.Popen(words, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        first, second = (json.loads(process.stdout.readline()) for _ in range(2))
        process.send_signal(signal.SIGTERM)
        process.communicate(timeout=30)
    assert (first["event"], second["event"], process.returncode) == ("installed", "current", 0)


def test_two_acts_wait_for_each_other(office: Site, home: Path) -> None:
    with (home / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        words = [sys.executable, "-m", "infra.edge.main", "pull", "--home", str(home)]
        with subprocess.Popen(words, stdout=subprocess.PIPE, text=True) as process:
            time.sleep(1)
            assert process.poll() is None
            fcntl.flock(lock, fcntl.LOCK_UN)
            assert "installed: release 1" in process.communicate(timeout=60)[0]


def test_a_running_command_keeps_its_copy_while_the_device_moves_on(office: Site, home: Path, tmp_path: Path) -> None:
    """Even when the process that started it was killed."""
    edge(0, "pull", home=home)
    script = f"echo $EDGE_FILES > {tmp_path}/where; while ! test -e {tmp_path}/go; do sleep 0.05; done; cat $EDGE_FILES/contract.json > {tmp_path}/out; touch {tmp_path}/done"
    words = [sys.executable, "-m", "infra.edge.main", "start", "--home", str(home), "--", "sh", "-c", script]
    with subprocess.Popen(words) as process:
        _until(tmp_path / "where")
        process.kill()
        process.wait()
    device = Device(home)
    assert device.running()
    pull(device, source(str(office.releases), "token"))
    (tmp_path / "go").touch()
    _until(tmp_path / "done")
    assert (tmp_path / "out").read_bytes().startswith(b'{"inputs"')
    deadline = time.monotonic() + 30
    while device.running() and time.monotonic() < deadline:
        time.sleep(0.05)
    pull(device, source(str(office.releases), "token"))
    assert list((home / "run").iterdir()) == []


def _until(path: Path) -> None:
    deadline = time.monotonic() + 60
    while not (path.exists() and (path.name in {"go", "done"} or path.read_text())):
        assert time.monotonic() < deadline
        time.sleep(0.05)


def test_a_signal_reaches_the_command(office: Site, home: Path, tmp_path: Path) -> None:
    edge(0, "pull", home=home)
    script = (
        f"trap 'echo stopped > {tmp_path}/said; exit 3' TERM; echo > {tmp_path}/ready; while :; do sleep 0.05; done"
    )
    words = [sys.executable, "-m", "infra.edge.main", "start", "--home", str(home), "--", "sh", "-c", script]
    with subprocess.Popen(words) as process:
        _until(tmp_path / "ready")
        process.send_signal(signal.SIGTERM)
        assert process.wait(60) == 3
    assert (tmp_path / "said").read_text() == "stopped\n"


def test_a_stick_serves_as_a_source(office: Site, home: Path, tmp_path: Path) -> None:
    stick = office.office.repository.copy(tmp_path / "stick")
    assert stick
    assert "release 1" in edge(0, "pull", "--from", str(tmp_path / "stick"), home=home)


def test_help_is_plain_and_imports_nothing_heavy() -> None:
    look = "import sys\ntry:\n import infra.edge.main as m; m.main(['--help'])\nexcept SystemExit: pass\nprint(sorted(m for m in sys.modules if m.split('.')[0] in ('tuf','cryptography','securesystemslib','urllib3')))"
    ended = subprocess.run([sys.executable, "-c", look], capture_output=True, text=True, check=True)
    assert ended.stdout.endswith("[]\n")
    for name in ("provision", "pull", "start", "status", "report", "head", "run"):
        assert name in ended.stdout


def test_it_imports_only_what_installs_with_it() -> None:
    for path in (ROOT / "infra" / "edge").glob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            names = [a.name for a in node.names] if isinstance(node, ast.Import) else []
            names += [node.module or ""] if isinstance(node, ast.ImportFrom) else []
            for name in names:
                top = name.partition(".")[0]
                assert top in sys.stdlib_module_names | ALLOWED, f"{path.name} imports {name}"
                assert top != "infra" or name.startswith("infra.edge"), f"{path.name} imports {name}"


def test_it_runs_where_the_page_puts_it(office: Site, tmp_path: Path) -> None:
    """The page's own lines, but for the network: packed here, unpacked into a fresh environment, and run there."""
    section = (ROOT / "docs" / "edge.md").read_text().partition("## Onto the device")[2].partition("\n## ")[0]
    packing, unpacking = re.findall(r"^```sh\n(.*?)^```", section, re.MULTILINE | re.DOTALL)
    subprocess.run(
        ["sh", "-ec", packing.replace("assay-edge.tar", str(tmp_path / "assay-edge.tar"))], cwd=ROOT, check=True
    )
    lines = [line for line in unpacking.splitlines() if "pip install" not in line]
    assert len(lines) == 4
    opt, script = tmp_path / "opt", tmp_path / "assay-edge"
    here = "\n".join(lines).replace("-m venv", "-m venv --without-pip").replace("python3 -m", f"{sys.executable} -m")
    here = here.replace("/opt/assay-edge", str(opt)).replace("/usr/local/bin/assay-edge", str(script))
    subprocess.run(["sh", "-ec", here], cwd=tmp_path, check=True)
    (packages,) = opt.glob("lib/python3.*/site-packages")
    for name in ("tuf", "securesystemslib", "cryptography", "cffi", "urllib3"):
        (packages / name).symlink_to(Path(str(importlib.util.find_spec(name).origin)).parent)
    for library in Path(str(importlib.util.find_spec("cffi").origin)).parents[1].glob("_cffi_backend*"):
        (packages / library.name).symlink_to(library)
    edge(0, "provision", *provisioning(office), home=tmp_path / "home")
    (tmp_path / "tuf.py").write_text("raise SystemExit('the folder that it runs in')")
    words = [str(script), "pull", "--home", "home"]
    ended = subprocess.run(words, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert ended.returncode == 0, ended.stderr
    assert "installed: release 1" in ended.stdout


def test_what_the_device_installs_is_what_was_tested() -> None:
    """Each package with each digest stands in the lock of everything."""
    every = (ROOT / "requirements.lock").read_text().splitlines()
    edge_lock = (ROOT / "infra" / "edge" / "requirements.lock").read_text().splitlines()
    assert set(edge_lock) <= set(every)
    assert {"tuf", "securesystemslib", "cryptography"} <= {line.partition("==")[0] for line in edge_lock}


def test_a_command_that_changes_folder_keeps_its_files(office: Site, home: Path) -> None:
    """The home is given by a relative path; what a command is told is absolute."""
    edge(0, "pull", home=home)
    script = "cd / && test -r $EDGE_FILES/contract.json && test -r $EDGE_HOME/device.json"
    edge(0, "start", "--", "sh", "-c", script, home=Path(home.name), cwd=home.parent)


def test_an_answer_that_nobody_takes_is_no_traceback(home: Path) -> None:
    words = f"{sys.executable} -m infra.edge.main status --home {home}"
    piped = subprocess.run(["bash", "-c", f"{words} | true; exit ${{PIPESTATUS[0]}}"], capture_output=True, check=False)
    assert (piped.returncode in (0, 141), piped.stderr) == (True, b"")
    full = subprocess.run(["sh", "-c", f"{words} > /dev/full"], capture_output=True, check=False)
    assert full.returncode == 6
    assert full.stderr.startswith(b"assay-edge: disk-full: the answer cannot be written: ")
    assert full.stderr.count(b"\n") == 1


def test_kinds_are_only_ever_added() -> None:
    """Kinds are what programs act on; docs/edge.md has each of them, and so has this list."""
    known = {
        "Invalid": "input-invalid root-invalid",
        "Refused": "root-digest-mismatch metadata-unsigned metadata-replayed metadata-mixed metadata-expired metadata-invalid"
        " document-invalid class-mismatch environment-mismatch hardware-mismatch manifest-mismatch release-unlisted"
        " release-denied release-not-chosen no-release-allowed nothing-installed lease-expired lease-too-long"
        " issued-in-future clock-back audit-head-older audit-head-differs format-unsafe file-extra file-missing"
        " file-changed safe-state-failed unhealthy",
        "Conflict": "home-busy already-provisioned",
        "Unavailable": "not-provisioned source-missing source-unreachable source-refused source-incomplete"
        " report-refused command-failed disk-full disk-failed",
        "Damaged": "home-damaged state-damaged",
    }
    assert {cls.__name__: set(cls.kinds) for cls in errors.CLASSES} == {k: set(v.split()) for k, v in known.items()}
    page = (ROOT / "docs" / "edge.md").read_text()
    for kinds in known.values():
        for kind in kinds.split():
            assert f"`{kind}`" in page, f"docs/edge.md does not explain {kind}"


def test_what_others_wrote_does_not_steer_the_terminal() -> None:
    assert escaped("reason\x1b[2Jover\u202e\nnext") == "reason\\x1b[2Jover\\u202e\nnext"
