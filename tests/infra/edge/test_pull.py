"""What is released for a device is installed, swapped in and started; going back is the same act."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from datetime import datetime, timedelta
from pathlib import Path

import pytest

from infra.edge.device import Device
from infra.edge.errors import Refused
from infra.edge.pull import pull
from infra.edge.start import load, start
from infra.edge.status import status
from tests.infra.edge.site import CONTRACT, Site, model


def test_release_1_then_release_2_then_back_to_1(settled: Site) -> None:
    one = settled.manifest(1)
    two = settled.promote(settled.manifest(2), one)
    done = settled.pull()
    assert (done.event, done.number) == ("installed", 2)
    assert set(done.times) == {"requested", "swapped", "healthy"}
    assert settled.device.state().previous == one.id
    assert dict(load(settled.device).files) == model(2)
    settled.later(1)
    settled.choose(one, denied=[two])
    done = settled.pull()
    assert (done.event, done.number, settled.starts()) == ("installed", 1, 1)
    state = settled.device.state()
    assert two.id in state.denials.releases
    assert state.previous is None
    assert [path.name for path in (settled.home / "releases").iterdir()] == [one.id]


def test_nothing_new_changes_nothing(settled: Site) -> None:
    before = settled.installed()
    assert settled.pull().event == "current"
    assert settled.installed() == before


def test_a_lease_is_renewed_without_touching_the_files(settled: Site) -> None:
    before, lease = settled.installed(), settled.pull().lease_until
    settled.later(1)
    settled.choose(settled.manifest(1))
    assert settled.pull().lease_until > lease
    assert settled.installed() == before


def test_a_damaged_installed_file_is_fetched_again(settled: Site) -> None:
    (settled.home / "releases" / settled.manifest(1).id / "weights.npz").write_bytes(b"\x93broken")
    settled.not_started("file-changed")
    settled.pull()
    assert settled.starts() == 1


def test_no_release_allowed_starts_nothing_and_says_why(settled: Site) -> None:
    settled.choose(None)
    error = settled.refuses("no-release-allowed")
    assert "chosen" in error.what
    settled.not_started("no-release-allowed")
    told = status(settled.device)
    assert (told["may_start"], told["kind"]) == (False, "no-release-allowed")
    settled.later(1)
    settled.choose(settled.manifest(1))
    assert settled.pull().number == 1
    assert settled.starts() == 1


def test_the_device_follows_a_root_rotation(settled: Site) -> None:
    keys = settled.office.repository.keys()
    repository = settled.office.repository
    wanted = keys.model_copy(update={"device_classes": (*keys.device_classes, "third-arm")})
    rotation = repository.rotation(wanted, settled.office.at)
    signed = {role: settled.office.signed(payload, _signers(role)) for role, payload in rotation.items()}
    key, at = settled.office.key("release"), settled.office.at
    repository.apply(rotation, signed, online_key=key, at=at, expires=settled.office.later(24).at)
    settled.later(1)
    settled.promote(settled.manifest(2), settled.manifest(1))
    assert settled.pull().number == 2
    assert settled.starts() == 2


def _signers(role: str) -> tuple[str, ...]:
    return ("root-1", "root-2") if role == "root" else ("approver-1", "approver-2")


def test_the_command_gets_a_private_read_only_copy(settled: Site, tmp_path: Path) -> None:
    script = tmp_path / "look.py"
    script.write_text(
        "import json, os, pathlib, sys\n"
        "files = pathlib.Path(os.environ['EDGE_FILES'])\n"
        "told = {p.name: [oct(p.stat().st_mode & 0o777), p.read_bytes().hex()] for p in files.iterdir()}\n"
        "print(json.dumps([str(files), oct(files.stat().st_mode & 0o777), told]), file=open(sys.argv[1], 'w'))\n"
        "sys.exit(7)\n"
    )
    out = tmp_path / "out.json"
    assert start(settled.device, [sys.executable, str(script), str(out)]) == 7
    where, mode, told = json.loads(out.read_text())
    assert {name: bytes.fromhex(data) for name, (_, data) in told.items()} == model(1)
    assert {mode, *(file_mode for file_mode, _ in told.values())} == {"0o500", "0o400"}
    assert not Path(where).exists()
    assert settled.events()[-2:] == ["started", "stopped"]
    assert set(settled.reports()[-2]["times"]) == {"requested", "swapped", "healthy", "resumed"}


def test_a_command_that_is_not_there_is_named(settled: Site) -> None:
    with pytest.raises(Exception, match="no-such-command") as caught:
        start(settled.device, ["no-such-command"])
    assert caught.value.kind == "command-failed"  # type: ignore[attr-defined]
    assert not settled.device.running()


def _script(tmp_path: Path, name: str, body: str) -> str:
    path = tmp_path / name
    path.write_text(f"#!/bin/sh\n{body}\n")
    path.chmod(0o755)
    return str(path)


def test_the_safe_state_comes_before_the_swap(make_site: Callable[..., Site], tmp_path: Path) -> None:
    body = f"cat $EDGE_HOME/state.json > {tmp_path}/seen.json"
    site = make_site(safe_state=(_script(tmp_path, "safe.sh", body),))
    one = site.promote(site.manifest(1))
    assert set(site.pull().times) == {"requested", "safe_state", "swapped", "healthy"}
    site.later(1)
    two = site.promote(site.manifest(2), one)
    site.pull()
    assert json.loads((tmp_path / "seen.json").read_text())["current"] == one.id
    assert site.device.state().current == two.id


def test_each_time_of_a_change_is_of_after_it(make_site: Callable[..., Site], tmp_path: Path) -> None:
    """The clock notes what was current on the disk each time it is asked."""
    site = make_site(safe_state=(_script(tmp_path, "safe.sh", "exit 0"),))
    one = site.promote(site.manifest(1))
    site.pull()
    site.later(1)
    two = site.promote(site.manifest(2), one)
    current: dict[datetime, str] = {}

    def clock() -> datetime:
        site.now += timedelta(milliseconds=1)
        current[site.now] = json.loads((site.home / "state.json").read_bytes())["current"]
        return site.now

    times = pull(Device(site.home, clock), site.source()).times
    assert current[times["safe_state"]] == one.id
    assert current[times["swapped"]] == two.id


def test_without_a_safe_state_nothing_is_swapped(make_site: Callable[..., Site], tmp_path: Path) -> None:
    site = make_site(safe_state=(_script(tmp_path, "safe.sh", f"test -e {tmp_path}/parked"),))
    (tmp_path / "parked").touch()
    one = site.promote(site.manifest(1))
    site.pull()
    site.later(1)
    site.promote(site.manifest(2), one)
    (tmp_path / "parked").unlink()
    error = site.refuses_swap("safe-state-failed")
    assert "safe.sh ended with 1" in error.what
    assert site.starts() == 1


def test_a_block_asks_for_the_safe_state_once(make_site: Callable[..., Site], tmp_path: Path) -> None:
    site = make_site(safe_state=(_script(tmp_path, "safe.sh", f"echo x >> {tmp_path}/asked"),))
    one = site.promote(site.manifest(1))
    site.pull()
    site.later(1)
    site.choose(None, denied=[one])
    for _ in range(3):
        site.refuses("no-release-allowed")
    assert (tmp_path / "asked").read_text() == "x\n" * 2  # before the first install, and now
    blocked = next(one for one in site.reports() if one["event"] == "blocked")
    assert set(blocked["times"]) == {"safe_state"}


def test_a_missing_safe_state_is_recorded_as_none_declared(settled: Site) -> None:
    assert "safe state: none declared" in [one["what"] for one in settled.reports() if one["event"] == "installed"]


def test_an_unhealthy_release_is_left_for_the_last_good_one(make_site: Callable[..., Site], tmp_path: Path) -> None:
    health = _script(tmp_path, "health.sh", 'test "$EDGE_RELEASE_NUMBER" != 2 && test -r $EDGE_FILES/weights.npz')
    site = make_site(health=(health,))
    one = site.promote(site.manifest(1))
    site.pull()
    site.later(1)
    two = site.promote(site.manifest(2), one)
    done = site.pull()
    assert (done.event, done.number, site.starts()) == ("returned", 1, 1)
    assert site.events()[-3:] == ["unhealthy", "returned", "started"]
    error = site.refuses("unhealthy")  # not again, as it was requested
    assert "not tried again" in error.what
    site.later(1)
    health_now = Path(health)
    health_now.write_text("#!/bin/sh\nexit 0\n")
    site.choose(two, one)  # requested anew
    assert site.pull().number == 2


def test_an_unhealthy_release_with_nothing_to_go_back_to_leaves_nothing(
    make_site: Callable[..., Site], tmp_path: Path
) -> None:
    site = make_site(health=(_script(tmp_path, "health.sh", 'test "$EDGE_RELEASE_NUMBER" != 2'),))
    one = site.promote(site.manifest(1))
    site.pull()
    site.later(1)
    site.promote(site.manifest(2), denied=[one])
    with pytest.raises(Refused) as caught:
        site.pull()
    assert caught.value.kind == "unhealthy"
    site.not_started("nothing-installed")


@pytest.mark.parametrize("broken", [b"{}", b'{"inputs": []}', json.dumps({**CONTRACT, "outputs": []}).encode()])
def test_a_contract_that_says_nothing_is_unhealthy(settled: Site, broken: bytes) -> None:
    settled.promote(settled.manifest(2, {**model(2), "contract.json": broken}), settled.manifest(1))
    assert settled.pull().event == "returned"
    assert settled.starts() == 1
