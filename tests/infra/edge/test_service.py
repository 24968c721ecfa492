"""Over HTTP: what is fetched is verified all the same, and reports are delivered in order, once."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from typing import Any

import pytest

from catalog.attest.envelope import DEVICE_REPORT, verify
from catalog.attest.keys import keyid
from catalog.domain.device import DeviceReport
from catalog.domain.principal import Key
from infra.edge.device import Device
from infra.edge.errors import EdgeError
from infra.edge.fetch import HttpSource, source
from infra.edge.poll import poll
from infra.edge.pull import pull
from infra.edge.report import deliver, outbox
from infra.edge.start import load
from tests.infra.edge.service import Service, serving
from tests.infra.edge.site import Site


@pytest.fixture
def service(settled: Site) -> Iterator[Service]:
    with serving(settled.releases, settled.device.token()) as found:
        yield found


def http(service: Service, device: Device) -> HttpSource:
    found = source(service.url, device.token())
    assert isinstance(found, HttpSource)
    return found


def received(service: Service, site: Site) -> list[DeviceReport]:
    """The reports as the catalog reads them: verified against the device's own key."""
    public = json.loads((site.home / "enrol.json").read_bytes())["public"]
    at = site.now.replace(year=site.now.year - 1)
    key = Key(
        keyid=keyid(public), public=public, role="device", principal="arm-7", enrolled_by="approver-1", enrolled_at=at,
        expires_at=site.now.replace(year=site.now.year + 1),
    )  # fmt: skip
    return [
        DeviceReport.parse(verify(one, DEVICE_REPORT, [key], role="device", at=site.now).payload)
        for one in service.received
    ]


def refused(act: Any, kind: str) -> EdgeError:
    with pytest.raises(EdgeError) as caught:
        act()
    assert caught.value.kind == kind, str(caught.value)
    assert caught.value.do
    return caught.value


def test_a_device_pulls_and_reports_over_http(settled: Site, service: Service) -> None:
    two = settled.promote(settled.manifest(2), settled.manifest(1))
    device = settled.device
    assert pull(device, http(service, device)).number == 2
    load(device)
    taken, aside = deliver(device, http(service, device))
    assert (taken, aside, outbox(device)) == (len(service.received), 0, [])
    reports = received(service, settled)
    assert [one.event for one in reports] == ["provisioned", "installed", "installed", "started"]
    assert [one.seq for one in reports] == sorted({one.seq for one in reports})
    last = reports[-1]
    assert (last.release, last.model) == (two.id, two.model)
    assert last.lease_until == settled.office.choice(two).lease_until
    assert last.seen == settled.office.head()
    assert last.times.resumed is not None


def test_a_denial_is_acknowledged(settled: Site, service: Service) -> None:
    one = settled.manifest(1)
    settled.choose(None, denied=[one])
    device = settled.device
    refused(lambda: pull(device, http(service, device)), "no-release-allowed")
    deliver(device, http(service, device))
    last = received(service, settled)[-1]
    assert (last.event, last.release, last.denied) == ("blocked", None, (one.id,))


def test_an_answer_that_was_lost_delivers_nothing_twice(settled: Site, service: Service) -> None:
    device = settled.device
    waiting = {path: path.read_bytes() for path in outbox(device)}
    deliver(device, http(service, device))
    count = len(service.received)
    for path, data in waiting.items():
        path.write_bytes(data)
    assert deliver(device, http(service, device)) == (count, 0)
    assert len(service.received) == count


def test_reports_wait_while_nobody_takes_them_and_keep_their_order(settled: Site, service: Service) -> None:
    device = settled.device
    service.mood["/reports"] = 503
    refused(lambda: deliver(device, http(service, device)), "source-unreachable")
    service.mood["/reports"] = 404
    refused(lambda: deliver(device, http(service, device)), "report-refused")
    assert service.received == []
    load(device)
    service.mood.clear()
    deliver(device, http(service, device))
    assert [one.event for one in received(service, settled)] == ["provisioned", "installed", "started"]


def test_a_report_that_is_never_taken_is_set_aside(settled: Site, service: Service) -> None:
    device = settled.device
    service.mood["/reports"] = 422
    assert deliver(device, http(service, device)) == (0, 2)
    assert len(list((settled.home / "outbox").glob("refused-422-*"))) == 2
    assert outbox(device) == []


def test_a_number_is_not_used_again_after_a_crash(settled: Site, service: Service) -> None:
    """The report is in the outbox, the state does not know of it yet."""
    device = settled.device
    before = device.state()
    load(device)
    device.save(before)
    load(device)
    deliver(device, http(service, device))
    numbers = [one.seq for one in received(service, settled)]
    assert numbers == sorted(set(numbers))
    assert device.state().seq == numbers[-1]


def test_a_service_that_does_not_know_the_device(settled: Site, service: Service) -> None:
    service.token = "another"
    device = settled.device
    refused(lambda: pull(device, http(service, device)), "source-refused")
    assert settled.starts() == 1


@pytest.mark.parametrize(("mood", "kind"), [(503, "source-unreachable"), ("redirect", "source-incomplete")])
@pytest.mark.parametrize("where", ["timestamp.json", "2.root.json"])
def test_a_service_that_fails(settled: Site, service: Service, mood: object, kind: str, where: str) -> None:
    service.mood[where] = mood
    device = settled.device
    refused(lambda: pull(device, http(service, device)), kind)
    assert not any(path.endswith("elsewhere") for _, path in service.asked)
    assert settled.starts() == 1


def test_an_answer_cut_off(settled: Site, service: Service) -> None:
    two = settled.promote(settled.manifest(2), settled.manifest(1))
    device = settled.device
    service.mood[two.files[1].sha256.removeprefix("sha256:")] = "cut"
    with pytest.raises(EdgeError) as caught:
        pull(device, http(service, device))
    assert caught.value.kind in {"source-unreachable", "file-changed"}
    assert settled.starts() == 1


def test_nobody_there(settled: Site) -> None:
    device = settled.device
    gone = HttpSource("http://127.0.0.1:9", device.token())
    refused(lambda: pull(device, gone), "source-unreachable")
    assert settled.starts() == 1


def test_a_round_of_the_loop_online_and_offline(settled: Site, service: Service) -> None:
    device = settled.device
    told = poll(device, http(service, device))
    assert (told["event"], told["number"], told["delivered"]) == ("current", 1, 3)
    service.mood["timestamp.json"] = service.mood["/reports"] = 503
    told = poll(device, http(service, device))
    assert told["kind"] == "source-unreachable"
    settled.later(30)
    told = poll(device, http(service, device))
    assert told["blocked"] == "lease-expired"
    service.mood.clear()
    deliver(device, http(service, device))
    assert received(service, settled)[-1].kind == "lease-expired"


def test_a_link_out_of_a_stick_is_refused(settled: Site, tmp_path: Any) -> None:
    stick = tmp_path / "stick"
    shutil.copytree(settled.releases, stick)
    outside = tmp_path / "timestamp.json"
    (stick / "metadata" / "timestamp.json").rename(outside)
    (stick / "metadata" / "timestamp.json").symlink_to(outside)
    device = settled.device
    refused(lambda: pull(device, source(str(stick), "token")), "source-refused")
    (stick / "metadata" / "timestamp.json").unlink()
    refused(lambda: pull(device, source(str(stick), "token")), "source-incomplete")


def test_a_folder_that_is_no_repository(settled: Site, tmp_path: Any) -> None:
    refused(lambda: source(str(tmp_path / "nothing"), "token"), "input-invalid")
