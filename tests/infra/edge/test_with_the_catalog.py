"""A real catalog over real HTTP and a real device: enrolled, promoted, reported, recalled, back, and nothing at all."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import uvicorn

from catalog.api.app import create_app
from catalog.api.http import State
from catalog.attest.envelope import ENROLMENT, sign
from catalog.domain.enrolment import DeviceRequest
from catalog.services import device_records
from catalog.services.enrol import enrol, propose_enrolment
from infra.edge.device import Device
from infra.edge.errors import EdgeError
from infra.edge.fetch import HttpSource, source
from infra.edge.provision import provision
from infra.edge.pull import pull
from infra.edge.report import deliver
from infra.edge.start import load
from tests.attack.attacker import CLASS, Attack
from tests.support.house import Desk, House
from tests.support.recordings import recording


@contextmanager
def serving(desk: Desk) -> Iterator[str]:
    """The desk's service on a port of this machine."""
    state = State(desk.context, desk.service.operations, desk.service.settings.home)
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        server = uvicorn.Server(uvicorn.Config(create_app(state), log_level="error", ws="none"))
        thread = threading.Thread(target=server.run, args=([taken],))
        thread.start()
        try:
            yield f"http://127.0.0.1:{taken.getsockname()[1]}"
        finally:
            server.should_exit = True
            thread.join()


def let_in(desk: Desk, home: Path) -> None:
    """What `assay device enrol enrol.json --as approver-1` does."""
    request = DeviceRequest.parse((home / "enrol.json").read_bytes()).key_request()
    shown = propose_enrolment(desk.context, "approver-1", request)
    enrol(desk.context, "approver-1", sign(shown.enrolment.canonical(), ENROLMENT, desk.key("approver-1")))


def said(device: Device, found: HttpSource) -> str:
    """What a pull says: the number of the release, or the kind of the refusal; and it is reported."""
    try:
        told = str(pull(device, found).number)
    except EdgeError as error:
        told = error.kind
    deliver(device, found)
    return told


def test_the_way_to_a_device_and_back(tmp_path: Path) -> None:
    house = House.begin(tmp_path)
    with house.open() as desk, serving(desk) as url:
        desk.bring("arm", "one", recording(tmp_path / "arm-one"))
        attack = Attack(house, desk)
        root = desk.context.releases.folder / "metadata" / "1.root.json"
        home = tmp_path / "arm-7"
        provision(
            home, name="arm-7", device_class=CLASS, environment="demo", hardware="any", root=root,
            root_digest=desk.context.releases.root_digest(), source=url,
        )  # fmt: skip
        device = Device(home)
        found = source(url, device.token())
        assert isinstance(found, HttpSource)
        with pytest.raises(EdgeError) as caught:
            pull(device, found)
        assert caught.value.kind == "source-refused"
        let_in(desk, home)
        assert said(device, found) == "no-release-allowed"
        releases = []
        for number, name in enumerate(("first", "second"), 1):
            attack.eligible(name, tmp_path / name, number, line=name)
            releases.append(desk.release(name)["release"])
            assert said(device, found) == str(number)
        assert load(device).release == releases[1]
        desk.withdraw(releases[1])
        assert said(device, found) in {"1", "no-release-allowed"}
        desk.rollback()
        assert said(device, found) == "1"
        assert load(device).release == releases[0]
        deliver(device, found)
        view = device_records.view(desk.context, device_records.device(desk.context, "arm-7"))
        assert view.newest is not None
        assert (view.acknowledged, view.pending) == (True, ())
        assert (view.newest.event, view.newest.release) == ("started", releases[0])
        assert view.newest.times.resumed is not None
        desk.withdraw(releases[0])
        assert said(device, found) == "no-release-allowed"
        assert device_records.view(desk.context, device_records.device(desk.context, "arm-7")).acknowledged
        kept = device.state().head
        assert kept is not None
        assert 0 < kept.size <= desk.context.records.head()[0].size
