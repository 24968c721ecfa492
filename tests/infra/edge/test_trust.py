"""What the chain asks beyond TUF, and that python-tuf's client judges by the device's time."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from tuf.ngclient import UpdaterConfig
from tuf.ngclient._internal.trusted_metadata_set import TrustedMetadataSet

from infra.edge.document import utc_text
from infra.edge.errors import EdgeError
from infra.edge.start import load
from tests.infra.edge.forge import Forger
from tests.infra.edge.site import Site
from tests.support.releases import CLASS


def lower(delegations: Any) -> None:
    delegations.roles[CLASS].threshold = 1


def online_too(delegations: Any) -> None:
    """The online key joins the approvers of the class."""
    (online,) = delegations.roles["current"].keyids
    delegations.roles[CLASS].keyids.append(online)


def twice(delegations: Any) -> None:
    """One approver's raw key stands under a second id."""
    role = delegations.roles[CLASS]
    key = delegations.keys[role.keyids[0]]
    other = "f" * 64
    delegations.keys[other] = type(key).from_dict(other, key.to_dict())
    role.keyids = [role.keyids[0], other]


@pytest.mark.parametrize("change", [lower, online_too, twice])
def test_two_approvers_cannot_undo_that_it_takes_two(settled: Site, change: Callable[[Any], None]) -> None:
    forger = Forger(settled.office)
    forger.delegate(change)
    settled.refuses_one_of("metadata-invalid", "metadata-unsigned")
    assert settled.starts() == 1


def test_root_keys_cannot_lower_what_it_takes_either(settled: Site) -> None:
    forger = Forger(settled.office)

    def change(root: Any) -> None:
        root.roles["targets"].threshold = 1

    forger.root(change)
    settled.refuses("metadata-invalid")
    assert settled.starts() == 1


def test_a_root_that_the_one_before_did_not_sign_is_refused(settled: Site) -> None:
    Forger(settled.office).root(lambda _root: None, ("root-1",))
    settled.refuses("metadata-unsigned")
    assert settled.starts() == 1


def test_the_role_of_a_class_that_is_no_longer_delegated(settled: Site) -> None:
    def change(delegations: Any) -> None:
        del delegations.roles[CLASS]

    Forger(settled.office).delegate(change)
    settled.refuses("metadata-invalid")
    assert settled.starts() == 1


def test_python_tuf_still_has_the_time_that_the_client_sets(settled: Site) -> None:
    """`Fetched` gives it the judged time; were the field gone, metadata would be judged by the process's clock too."""
    root = (settled.releases / "metadata" / "1.root.json").read_bytes()
    assert hasattr(TrustedMetadataSet(root, UpdaterConfig().envelope_type), "reference_time")


def test_metadata_expired_at_the_floor_is_refused_whatever_the_clock(settled: Site) -> None:
    settled.now += timedelta(hours=26)
    with pytest.raises(EdgeError):
        settled.pull()
    settled.now -= timedelta(hours=26)
    error = settled.refuses("metadata-expired")
    floor = utc_text(settled.device.state().floor)
    assert error.what.startswith("timestamp expired at ")
    assert error.what.endswith(f"here it is {floor}"), "the time that counts here, whatever the clock says"
    assert "provision anew" in error.do


def test_what_is_kept_is_verified_again_at_each_start(settled: Site) -> None:
    """One byte changed, or an older signed document in its place: it is as if it were not there."""
    permit_before = settled.device.state().permit
    for name, digest in permit_before.items():
        path = settled.home / "kept" / digest.removeprefix("sha256:")
        data = path.read_bytes()
        path.write_bytes(data[:-2] + b"  ")
        if name != "root.1":  # the root that was provisioned has its own file
            with pytest.raises(EdgeError):
                load(settled.device)
            assert settled.pull().event == "current"  # and fetched again
    assert settled.starts() == 1


def test_an_older_document_among_newer_ones_is_refused(settled: Site) -> None:
    device = settled.device
    before = device.kept(device.state().permit)
    settled.choose(settled.manifest(1))
    settled.pull()
    state = device.state()
    for name in (f"current/{CLASS}.json", "current", "snapshot"):
        mixed = device.keep({name: before[name]})
        device.save(type(state)(**{**state.__dict__, "permit": {**state.permit, **mixed}}))
        settled.not_started("metadata-mixed")
