"""T2, what an approver signs: a service in wrong hands shows one release and has another signed. No key signs it.

There is no entry in the log: an approver's own check trusts neither the service nor its log.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from catalog.attest.approval import checked, first_root, signed
from catalog.attest.roles import Listed, with_release
from catalog.domain.model import ModelFile
from catalog.domain.release import Proposal, ReleaseManifest
from catalog.errors import Absent, AssayError
from catalog.services.propose_release import propose_release
from tests.attack.attacker import CLASS, Attack
from tests.support.house import House
from tests.support.recordings import recording
from ui.session import acting, signing

CODE = "the-code-that-assay-up-printed"


@dataclass
class Approver:
    """Somebody with a key and the first root, beside what the service serves."""

    attack: Attack
    honest: Proposal

    @property
    def root(self) -> Path:
        return first_root(self.attack.keys)

    @property
    def key(self) -> Path:
        return self.attack.key("approver-1")

    def get(self, name: str) -> bytes:
        """The published metadata as any mirror has it."""
        file = self.attack.desk.context.releases.folder / "metadata" / name
        if not file.is_file():
            raise Absent("release-unknown", name)
        return file.read_bytes()

    def listing(self, manifest: ReleaseManifest) -> Proposal:
        """The honest proposal with another manifest, and a role that lists that."""
        version, role = self.attack.desk.context.releases.proposed(manifest, self.attack.desk.context.clock())
        changed = {"manifest": manifest, "role": role.decode(), "role_version": version}
        return self.honest.model_copy(update={"release": self.honest.release.model_copy(update=changed)})

    def signs_nothing(self, told: Proposal, kind: str) -> None:
        """Neither the command nor the page shows it as good or signs it."""
        acts: tuple[Callable[[], object], ...] = (
            lambda: checked(told, self.get, self.root),
            lambda: signed(told, self.get, self.root, self.key, None),
            lambda: signing.changes(told, self.get),
            lambda: signing.signed(told, self.get, str(self.key)),
        )
        with self.attack.unchanged():
            for act in acts:
                error: AssayError = self.attack.desk.fails(act)
                assert error.kind == kind, error
        assert self.attack.desk.view(self.honest.release.manifest.id).signatures == ()


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Attack]:
    folder = tmp_path_factory.mktemp("signing")
    begun = House.begin(folder)
    with begun.open() as desk:
        desk.bring("arm", "one", recording(folder / "arm-one"))
        found = Attack(begun, desk)
        found.eligible("reach", folder / "reach", 1)
        found.model("other", folder / "other", None, seed=2)
        yield found


@pytest.fixture
def approver(house: Attack, monkeypatch: pytest.MonkeyPatch) -> Approver:
    """At the command line, and in a browser session that may act."""
    monkeypatch.setenv("ASSAY_HOME", str(house.house.settings.home))
    monkeypatch.setenv("ASSAY_BROWSER_CODE", CODE)
    assert acting.unlock(CODE)
    return Approver(house, propose_release(house.desk.context, "approver-1", "reach", CLASS))


def test_the_honest_proposal_is_shown_and_signed(approver: Approver) -> None:
    """Else the refusals below would say nothing."""
    told = approver.honest
    assert signing.changes(told, approver.get) == [("added", told.release.manifest.path)]
    assert signing.signed(told, approver.get, str(approver.key)) == signed(
        told, approver.get, approver.root, approver.key, None
    )


def test_files_that_are_not_the_judged_models(approver: Approver) -> None:
    """Manifest and role agree with one another and with the decision; the files are somebody else's."""
    manifest = approver.honest.release.manifest
    evil = tuple(
        ModelFile(path=f.path, size=3, sha256="sha256:" + "6" * 64) if f.path == "weights.npz" else f
        for f in manifest.files
    )
    for files in (evil, manifest.files[:1], (*manifest.files, ModelFile(path="x.json", size=1, sha256=evil[0].sha256))):
        approver.signs_nothing(approver.listing(manifest.model_copy(update={"files": files})), "decision-mismatch")


def test_the_manifest_of_another_model(approver: Approver) -> None:
    """Files and model's manifest agree; the decision is about another digest."""
    other = approver.attack.desk.context.model("other").manifest
    manifest = approver.honest.release.manifest.model_copy(update={"files": other.files, "model_name": other.name})
    approver.signs_nothing(approver.listing(manifest).model_copy(update={"model": other}), "decision-mismatch")
    claimed = manifest.model_copy(update={"model": other.digest()})
    approver.signs_nothing(approver.listing(claimed).model_copy(update={"model": other}), "decision-mismatch")


def test_another_name_or_hardware(approver: Approver) -> None:
    for changed in ({"model_name": "evil"}, {"hardware": "bench"}):
        manifest = approver.honest.release.manifest.model_copy(update=changed)
        approver.signs_nothing(approver.listing(manifest), "decision-mismatch")


def test_a_release_hidden_in_what_is_called_published(approver: Approver) -> None:
    """The service shows a published role with one release more; the approver follows the signatures instead."""
    context, honest = approver.attack.desk.context, approver.honest
    hidden = honest.release.manifest.model_copy(update={"id": context.ids(), "model_name": "evil"})
    role = context.releases.role(CLASS)
    lie = role.model_copy(update={"targets": {**role.targets, hidden.path: Listed.manifest(hidden)}})
    both = with_release(lie, honest.release.manifest, context.clock())
    changed = {"role": both.canonical().decode(), "role_version": both.version}
    release = honest.release.model_copy(update=changed)
    approver.signs_nothing(
        honest.model_copy(update={"release": release, "published_role": lie.document()}), "release-invalid"
    )


def test_metadata_that_the_first_root_does_not_lead_to(approver: Approver, tmp_path: Path) -> None:
    """A repository that was swapped, or a root that is not there, is no reason to sign."""

    def other(name: str) -> bytes:
        return approver.get(name).replace(b'"version":1', b'"version":2')

    desk, told = approver.attack.desk, approver.honest
    assert desk.fails(lambda: signing.signed(told, other, str(approver.key))).kind == "repository-damaged"
    assert desk.fails(lambda: signed(told, approver.get, tmp_path / "none", approver.key, None)).kind == "path-missing"
    assert desk.view(told.release.manifest.id).signatures == ()


def test_a_page_that_only_looks_signs_nothing(approver: Approver, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delitem(acting.st.session_state, acting.UNLOCKED)
    act = approver.attack.desk.fails(lambda: signing.signed(approver.honest, approver.get, str(approver.key)))
    assert act.kind == "token-missing"
