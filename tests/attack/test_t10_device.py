"""T10: everything that could make a device run what was not released for it, now, by two people.

Each attack is refused under its own name, says what to do, is reported by the device, and leaves installed what was.
"""

from __future__ import annotations

import io
import json
import pickle
import zipfile
from datetime import timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from catalog.domain.base import sha256
from catalog.domain.release import CurrentRelease, ReleaseManifest
from infra.edge.errors import EdgeError
from infra.edge.provision import provision
from infra.edge.start import start
from tests.infra.edge.forge import Forger, copied
from tests.infra.edge.site import Site, model, npz
from tests.support.releases import CLASS, OTHER


class Runs:
    """What a pickle does when it is loaded."""

    def __reduce__(self) -> tuple[Any, ...]:
        return (print, ("the robot is mine",))


@pytest.fixture
def site(tmp_path: Path) -> Site:
    """Release 1 installed and healthy, an hour ago."""
    made = Site.begin(tmp_path)
    made.promote(made.manifest(1))
    made.pull()
    made.later(1)
    return made


def choice(site: Site, manifest: ReleaseManifest | None, **changes: Any) -> CurrentRelease:
    """A choice of the online key, with something wrong in it."""
    return site.office.choice(manifest, CLASS, site.manifest(1).id).model_copy(update=changes)


def test_a_release_of_another_class(site: Site) -> None:
    other = site.manifest(2, device_class=OTHER)
    forger = Forger(site.office)
    forger.release(other, path=f"{CLASS}/{other.id}.json")
    forger.choose(choice(site, other))
    site.refuses("class-mismatch")
    assert site.starts() == 1


def test_a_choice_of_another_class(site: Site) -> None:
    Forger(site.office).choose(choice(site, site.manifest(1), device_class=OTHER))
    site.refuses("class-mismatch")
    assert site.starts() == 1


@pytest.mark.parametrize("where", ["choice", "manifest", "deny list"])
def test_another_environment(site: Site, where: str) -> None:
    there = {"environment": "dev"}
    two = site.manifest(2, **(there if where == "manifest" else {}))
    forger = Forger(site.office)
    forger.release(two)
    denied = site.office.deny().model_copy(update=there if where == "deny list" else {})
    forger.choose(choice(site, two, **(there if where == "choice" else {})), denied)
    site.refuses("environment-mismatch")
    assert site.starts() == 1


def test_other_hardware(site: Site) -> None:
    two = site.manifest(2, hardware="orin-nx")
    site.promote(two, site.manifest(1))
    site.refuses("hardware-mismatch")
    assert site.starts() == 1


def test_metadata_of_yesterday_again(site: Site, tmp_path: Path) -> None:
    old = copied(site.releases, tmp_path / "old")
    site.promote(site.manifest(2), site.manifest(1))
    site.pull()
    site.refuses("metadata-replayed", old)
    assert site.starts() == 2


def test_a_permission_of_before_a_denial_again(site: Site, tmp_path: Path) -> None:
    two = site.promote(site.manifest(2), site.manifest(1))
    site.pull()
    old = copied(site.releases, tmp_path / "old")
    site.later(1)
    site.choose(site.manifest(1), denied=[two])
    site.pull()
    site.refuses("metadata-replayed", old)
    assert site.starts() == 1


@pytest.mark.parametrize("taken", ["snapshot", "current", CLASS])
def test_metadata_mixed_from_two_moments(site: Site, tmp_path: Path, taken: str) -> None:
    """One role's file of before stands under the name of the newest."""
    before = Forger(site.office).newest(taken)
    site.promote(site.manifest(2), site.manifest(1))
    after = Forger(site.office).newest(taken)
    path = site.releases / "metadata" / f"{after.signed.version}.{taken}.json"
    path.write_bytes((site.releases / "metadata" / f"{before.signed.version}.{taken}.json").read_bytes())
    assert site.refuses_one_of("metadata-mixed", "metadata-replayed")
    assert site.starts() == 1


def test_a_document_that_another_publication_signed(site: Site) -> None:
    before = next(site.releases.glob("targets/current/*.demo-arm.json")).read_bytes()
    site.choose(site.manifest(1))
    newest = max(site.releases.glob("targets/current/*.demo-arm.json"), key=lambda path: path.stat().st_mtime_ns)
    newest.write_bytes(before)
    site.refuses("metadata-mixed")


def test_one_approver_is_not_two(site: Site) -> None:
    two = site.manifest(2)
    forger = Forger(site.office)
    forger.release(two, ("approver-1",))
    forger.choose(choice(site, two))
    site.refuses("metadata-unsigned")
    assert site.starts() == 1


def test_the_online_key_allows_nothing(site: Site) -> None:
    two = site.manifest(2)
    forger = Forger(site.office)
    forger.release(two, ("release",))
    forger.choose(choice(site, two))
    site.refuses("metadata-unsigned")
    forger.release(two, ("release", "root-1"))
    site.refuses("metadata-unsigned")
    assert site.starts() == 1


def test_a_choice_that_nobody_allowed(site: Site) -> None:
    Forger(site.office).choose(choice(site, site.manifest(2)))
    site.refuses("release-unlisted")
    assert site.starts() == 1


def test_a_manifest_that_is_not_what_its_target_says(site: Site) -> None:
    two = site.manifest(2)
    forger = Forger(site.office)
    forger.release(two, custom={**two.custom(), "model": sha256(b"another")})
    forger.choose(choice(site, two))
    site.refuses("manifest-mismatch")


def test_a_manifest_under_another_releases_name(site: Site) -> None:
    two, three = site.manifest(2), site.manifest(3)
    forger = Forger(site.office)
    forger.release(three, path=f"{CLASS}/{two.id}.json")
    forger.choose(choice(site, two))
    site.refuses("manifest-mismatch")


def test_the_clock_set_back_starts_nothing(site: Site) -> None:
    site.pull()
    site.now -= timedelta(hours=3)
    site.not_started("clock-back")
    site.refuses("clock-back")
    site.now += timedelta(hours=3)
    assert site.starts() == 1


def test_a_lease_that_is_over_stays_over_when_the_clock_is_set_back(site: Site) -> None:
    site.later(30)
    site.not_started("lease-expired")
    site.now -= timedelta(hours=29)
    site.not_started("lease-expired")


def test_metadata_that_expired_stays_expired_when_the_clock_is_set_back(site: Site) -> None:
    site.now += timedelta(hours=30)
    site.refuses("metadata-expired")
    site.now -= timedelta(hours=29)
    site.refuses("metadata-expired")


def test_a_lease_longer_than_the_approvers_granted(site: Site) -> None:
    two = site.manifest(2, lease_hours=2)
    forger = Forger(site.office)
    forger.release(two)
    forger.choose(choice(site, two, lease_until=site.office.at + timedelta(hours=2, microseconds=1)))
    site.refuses("lease-too-long")
    forger.choose(choice(site, two, lease_until=site.office.at + timedelta(hours=2)))
    assert site.pull().number == 2


def test_a_document_from_the_future(site: Site) -> None:
    Forger(site.office).choose(choice(site, site.manifest(1), issued_at=site.now + timedelta(minutes=6)))
    site.refuses("issued-in-future")
    assert site.device.state().floor <= site.now


def test_a_denial_is_never_forgotten(site: Site) -> None:
    one, two = site.manifest(1), site.promote(site.manifest(2), site.manifest(1))
    site.pull()
    forger = Forger(site.office)
    forger.choose(choice(site, one), site.office.deny(two))
    site.pull()
    site.later(1)
    forger = Forger(site.office)
    forger.choose(site.office.choice(two, CLASS, one.id), site.office.deny())
    site.refuses("release-denied")
    assert site.starts() == 1


def test_a_denied_model_under_another_release(site: Site) -> None:
    one, two = site.manifest(1), site.promote(site.manifest(2), site.manifest(1))
    again = site.manifest(3, model(2), model=two.model)
    forger = Forger(site.office)
    forger.release(again)
    forger.choose(site.office.choice(again, CLASS, one.id), site.office.deny(two))
    site.refuses("release-denied")
    assert site.starts() == 1


def test_a_denial_counts_where_all_else_is_refused(site: Site) -> None:
    one = site.manifest(1)
    Forger(site.office).choose(choice(site, one, environment="dev"), site.office.deny(one))
    site.refuses("environment-mismatch")
    site.not_started("release-denied")


def test_the_audit_log_set_back(site: Site) -> None:
    site.office.seq = 9
    site.choose(site.manifest(1))
    site.pull()
    site.office.seq = 4
    Forger(site.office).choose(choice(site, site.manifest(1)), site.office.deny())
    error = site.refuses("audit-head-older")
    assert "4 entries" in error.what
    assert "9" in error.what


def test_the_audit_log_rewritten(site: Site) -> None:
    head = site.device.state().head
    assert head is not None
    other = site.office.head().model_copy(update={"size": head.size, "root": sha256(b"rewritten")})
    denied = site.office.deny().model_copy(update={"audit_head": other})
    Forger(site.office).choose(choice(site, site.manifest(1), audit_head=other), denied)
    site.refuses("audit-head-differs")


def _record() -> bytes:
    out = io.BytesIO()
    np.savez(out, w=np.array([Runs()], dtype=object))
    return out.getvalue()


def _inside_a_zip() -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        archive.writestr("w.npy", pickle.dumps(Runs()))
    return out.getvalue()


ATTACKS = {
    "a pickle": ("weights.pkl", pickle.dumps(Runs())),
    "a pickle named npz": ("weights.npz", pickle.dumps(Runs())),
    "an npz of objects": ("weights.npz", _record()),
    "a pickle inside an npz": ("weights.npz", _inside_a_zip()),
    "an archive behind a pickle": ("weights.npz", pickle.dumps(Runs()) + npz(w=np.zeros(3))),
    "a torch checkpoint": ("weights.pt", _inside_a_zip()),
    "a script": ("policy.py", b"print('the robot is mine')"),
    "no suffix": ("weights", b"\x00"),
    "a pickle named safetensors": ("weights.safetensors", pickle.dumps(Runs())),
    "a pickle named onnx": ("weights.onnx", pickle.dumps(Runs())),
    "a pickle named json": ("weights.json", pickle.dumps(Runs())),
}


@pytest.mark.parametrize("attack", ATTACKS)
def test_a_format_that_executes_code(site: Site, attack: str) -> None:
    name, data = ATTACKS[attack]
    files = {"contract.json": model(2)["contract.json"], name: data}
    site.promote(site.manifest(2, files), site.manifest(1))
    site.refuses("format-unsafe")
    assert site.starts() == 1


@pytest.mark.parametrize("how", ["swapped", "truncated", "longer", "gone"])
def test_a_file_of_the_source_that_is_not_what_was_signed(site: Site, how: str) -> None:
    two = site.promote(site.manifest(2), site.manifest(1))
    blob = site.releases / "targets" / "blobs" / two.files[1].sha256.removeprefix("sha256:")
    data = blob.read_bytes()
    blob.write_bytes({"swapped": data[:-1] + b"!", "truncated": data[:-1], "longer": data + b"!", "gone": data}[how])
    if how == "gone":
        blob.unlink()
    error = site.refuses("source-incomplete" if how == "gone" else "file-changed")
    assert "copy the" in error.do, "pulling again from the same source would find the same"
    assert site.starts() == 1


def test_a_file_swapped_after_verification(site: Site) -> None:
    weights = site.home / "releases" / site.manifest(1).id / "weights.npz"
    weights.write_bytes(model(2)["weights.npz"])
    site.not_started("file-changed")


def test_the_normalisation_changed(site: Site) -> None:
    path = site.home / "releases" / site.manifest(1).id / "contract.json"
    contract = json.loads(path.read_bytes())
    contract["normalisation"]["std"] = [9.0, 9.0, 9.0]
    path.write_text(json.dumps(contract))
    error = site.not_started("file-changed")
    assert "contract.json" in error.what


@pytest.mark.parametrize("extra", ["extra.npz", "deep/extra.npz", "empty/", "link"])
def test_a_file_more(site: Site, extra: str) -> None:
    path = site.home / "releases" / site.manifest(1).id / extra
    path.parent.mkdir(exist_ok=True)
    if extra == "link":
        path.symlink_to("/etc")
    elif extra.endswith("/"):
        path.mkdir()
    else:
        path.write_bytes(npz(w=np.zeros(1)))
    site.not_started("file-extra")


@pytest.mark.parametrize("how", ["gone", "link"])
def test_a_file_less(site: Site, how: str, tmp_path: Path) -> None:
    path = site.home / "releases" / site.manifest(1).id / "weights.npz"
    (tmp_path / "elsewhere").write_bytes(path.read_bytes())
    path.unlink()
    if how == "link":
        path.symlink_to(tmp_path / "elsewhere")
    error = site.not_started("file-changed" if how == "link" else "file-missing")
    assert ("is a link" in error.what) == (how == "link")


def test_files_smuggled_onto_the_disk(site: Site) -> None:
    """Files below releases/, and the state edited by hand to name them."""
    tainted = site.manifest(6)
    folder = site.home / "releases" / tainted.id
    folder.mkdir()
    for name, data in model(6).items():
        (folder / name).write_bytes(data)
    state = json.loads((site.home / "state.json").read_bytes())
    (site.home / "state.json").write_text(json.dumps({**state, "current": tainted.id, "previous": None}))
    site.not_started("release-not-chosen")
    with pytest.raises(EdgeError) as caught:
        start(site.device, ["touch", str(site.folder / "ran")])
    assert caught.value.kind == "release-not-chosen"
    assert not (site.folder / "ran").exists()


def test_files_smuggled_with_documents_that_name_them(site: Site) -> None:
    """The kept documents are replaced by ones that allow it, too; nobody who counts signed them."""
    tainted = site.manifest(6)
    state = json.loads((site.home / "state.json").read_bytes())
    current = choice(site, tainted).canonical()
    for name, data in ((f"current/{CLASS}.json", current), (tainted.path, tainted.canonical())):
        (site.home / "kept" / sha256(data).removeprefix("sha256:")).write_bytes(data)
        state["permit"][name] = sha256(data)
    (site.home / "state.json").write_text(json.dumps({**state, "current": tainted.id}))
    site.not_started("metadata-mixed")


def test_a_denied_release_named_again_by_hand(site: Site) -> None:
    one, two = site.manifest(1), site.promote(site.manifest(2), site.manifest(1))
    site.pull()
    site.later(1)
    site.choose(one, denied=[two])
    site.pull()
    state = json.loads((site.home / "state.json").read_bytes())
    forgotten = {"denials": {"releases": {}, "models": {}}, "floor": "2020-01-01T00:00:00.000000Z"}
    (site.home / "state.json").write_text(json.dumps({**state, **forgotten, "current": two.id}))
    site.not_started("release-denied")


def test_the_trusted_root_replaced_on_the_disk(site: Site, tmp_path: Path) -> None:
    theirs = Site.begin(tmp_path / "theirs")
    (site.home / "root.json").write_bytes((theirs.releases / "metadata" / "1.root.json").read_bytes())
    site.not_started("root-digest-mismatch")
    with pytest.raises(EdgeError) as caught:
        site.pull()
    assert caught.value.kind == "root-digest-mismatch"


def test_a_wrong_root_digest_makes_no_device(site: Site, tmp_path: Path) -> None:
    with pytest.raises(EdgeError) as caught:
        provision(
            tmp_path / "new", name="arm-8", device_class=CLASS, environment="demo", hardware="any",
            root=site.releases / "metadata" / "1.root.json", root_digest=sha256(b"another root"),
        )  # fmt: skip
    assert caught.value.kind == "root-digest-mismatch"
    assert not (tmp_path / "new").exists()


def test_the_whole_repository_of_somebody_else(site: Site, tmp_path: Path) -> None:
    theirs = Site.begin(tmp_path / "theirs")
    for _ in range(3):
        theirs.choose(None)
        theirs.later(0.1)
    theirs.promote(theirs.manifest(6))
    site.refuses("metadata-unsigned", theirs.releases)
    assert site.starts() == 1


@pytest.mark.parametrize("name", ["timestamp", "snapshot", "current", CLASS])
def test_truncated_metadata(site: Site, name: str) -> None:
    site.promote(site.manifest(2), site.manifest(1))
    number = "" if name == "timestamp" else f"{Forger(site.office).newest(name).signed.version}."
    path = site.releases / "metadata" / f"{number}{name}.json"
    path.write_bytes(path.read_bytes()[:-40])
    assert site.refuses_one_of("metadata-invalid", "metadata-mixed")
    assert site.starts() == 1
