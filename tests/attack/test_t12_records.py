"""T12, the records: who holds the database changes what blocks or permits and leaves the log as it is. It is noticed."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from typing import Any

import pytest

from catalog.attest.envelope import REVOCATION, sign
from catalog.db import tables
from catalog.domain.enrolment import Revocation, RevokeKey
from catalog.services import recall
from catalog.services.audit import verify_audit, verify_chain
from catalog.services.publish import publish
from catalog.services.revoke_key import revoke_key
from tests.attack.attacker import CLASS, Attack
from tests.attack.test_t12_audit import Arm
from tests.support.house import House, ended
from tests.support.recordings import recording

Tamper = Callable[[sqlite3.Connection], object]


@pytest.fixture(scope="module")
def attack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Attack]:
    """A release that runs, one that was withdrawn, a third one signed; a quarantine, a recall, a revoked key."""
    folder = tmp_path_factory.mktemp("records")
    house = House.begin(folder)
    with house.open() as desk:
        found = Attack(house, desk)
        desk.bring("arm", "one", recording(folder / "arm-one"))
        desk.register("tainted", "one", recording(folder / "tainted", seed=70))
        desk.quarantine("tainted", "one", [1], "slip")
        found.eligible("old", folder / "old", 1, line="old")
        desk.withdraw(str(desk.release("old")["release"]), "it drops things")
        junk = f"run:{found.run('junk', 'arm').id}"
        shown = recall.show(desk.context, junk)
        ended(desk.wait(recall.start(desk.service.operations, "steward", junk, "wrong units", shown.plan)))
        Arm.enrolled(found, folder)
        stolen = Revocation(keyid=keyid(found), principal="arm-7", compromised=True, reason="stolen", by="steward")
        envelope = sign(stolen.canonical(), REVOCATION, found.key("steward"))
        revoke_key(desk.context, "steward", RevokeKey(revocation=stolen, envelope=envelope))
        found.eligible("live", folder / "live", 2, line="live")
        desk.release("live")
        found.eligible("next", folder / "next", 3, line="next")
        for by in ("approver-1", "approver-2"):
            desk.sign_release("next", by)
        yield found


def keyid(attack: Attack) -> str:
    return next(k.keyid for k in attack.desk.context.keys() if k.principal == "arm-7")  # noqa: SIM118 - no dict


@contextmanager
def tampered(attack: Attack, tamper: Tamper) -> Iterator[None]:
    """The database as somebody with a shell made it, and afterwards as it was."""
    path = attack.desk.service.settings.database
    with closing(sqlite3.connect(path)) as here, closing(sqlite3.connect(":memory:")) as kept:
        here.backup(kept)
        try:
            tamper(here)
            here.commit()
            yield
        finally:
            kept.backup(here)


def rewritten(table: str, change: Callable[[dict[str, Any]], object], where: str = "1=1") -> Tamper:
    """Another document in a row."""

    def tamper(c: sqlite3.Connection) -> None:
        key, body = c.execute(f"select rowid, body from {table} where {where}").fetchone()
        document = json.loads(body)
        change(document)
        text = json.dumps(document, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
        c.execute(f"update {table} set body = ? where rowid = ?", (text, key))

    return tamper


def weak_policy(c: sqlite3.Connection) -> None:
    """A policy of the data's that two people never signed, with all its columns in order."""
    body = c.execute("select body from policy where decides = 'dataset-approval'").fetchone()[0]
    changed = json.loads(body)
    changed["policy"]["version"] += 1
    changed["digest"] = "sha256:" + "6" * 64
    row = (changed["digest"], changed["policy"]["name"], changed["policy"]["version"], "dataset-approval", None)
    c.execute("insert into policy values (?, ?, ?, ?, ?, ?)", (*row, json.dumps(changed)))


def unquarantined(c: sqlite3.Connection) -> None:
    c.execute("delete from quarantined")
    c.execute("delete from quarantine")


def given_back(document: dict[str, Any]) -> None:
    document |= {"revoked_at": None, "compromised": False}


def lost_only(document: dict[str, Any]) -> None:
    document |= {"compromised": False}


TAMPERED: dict[str, tuple[Tamper, str]] = {
    "a quarantine is deleted": (unquarantined, "quarantine in"),
    "a quarantine blocks nothing": (lambda c: c.execute("delete from quarantined"), "quarantine in"),
    "a quarantine blocks something else": (
        lambda c: c.execute("update quarantined set digest = 'sha256:0' where \"of\" = 'fingerprint'"),
        "quarantine in",
    ),
    "what was recalled is deleted": (lambda c: c.execute("delete from revoked"), "recall "),
    "a recall is deleted": (lambda c: c.executescript("delete from revoked; delete from recall"), "recall "),
    "a denial is deleted": (lambda c: c.execute("delete from denial"), "denial of release"),
    "a denial is filed elsewhere": (lambda c: c.execute("update denial set model = 'sha256:0'"), "denial of release"),
    "a stolen key is given back": (rewritten('"key"', given_back, "principal = 'arm-7'"), "revocation of key"),
    "a stolen key was only lost": (rewritten('"key"', lost_only, "principal = 'arm-7'"), "revocation of key"),
    "a key lives longer": (
        rewritten('"key"', lambda d: d.update(expires_at="2099-01-01T00:00:00.000000Z"), "role = 'evaluator'"),
        "is not what was recorded",
    ),
    "a policy nobody signed": (weak_policy, "was recorded by nobody"),
    "a policy has another threshold": (
        rewritten("policy", lambda d: d["policy"].update(confidence=0.5), "decides = 'dataset-approval'"),
        "policy ",
    ),
    "a policy is filed elsewhere": (
        lambda c: c.execute("update policy set device_class = 'none' where device_class = 'collaborative-arm'"),
        "policy ",
    ),
    "an approval's time is moved": (
        lambda c: c.execute("update signature set at = substr(at, 1, 19) || '.999999Z'"),
        "approval of",
    ),
    "an approval has another signature": (lambda c: c.execute("update signature set envelope = '{}'"), "approval of"),
}


@pytest.mark.parametrize("what", TAMPERED)
def test_the_records_are_not_what_the_log_says(attack: Attack, what: str) -> None:
    """Verification names it, no promotion goes through, no lease is renewed, no denial is taken back."""
    tamper, named = TAMPERED[what]
    desk = attack.desk
    with tampered(attack, tamper):
        before, told = attack.state(), desk.context.releases.said()
        verify_chain(desk.context)
        error = desk.fails(lambda: verify_audit(desk.context))
        assert error.kind == "audit-damaged"
        assert named in error.what
        assert desk.fails(lambda: desk.promote("next")).kind == "audit-damaged"
        assert desk.fails(lambda: publish(desk.context, renew=True)).kind == "audit-damaged"
        assert attack.state() == before
        choices, denied, _ = desk.context.releases.said()
        assert choices == told[0]
        assert denied is not None
        assert told[1] is not None
        assert denied.releases == told[1].releases
        refusals = [e for e in desk.audit() if e.action == "release.promote.refused"]
        assert refusals[-1].details["kind"] == "audit-damaged"
        with desk.context.records.read() as c:
            states = set(c.execute(tables.release.select().with_only_columns(tables.release.c.state)).scalars())
        assert "allowed" not in states


def test_records_that_nobody_touched_agree(attack: Attack) -> None:
    """Also after every kind of act, and after each attack above was undone."""
    desk = attack.desk
    verify_audit(desk.context)
    assert desk.promote("next")["number"] == 3
    verify_audit(desk.context)


def test_a_withdrawal_is_published_although_the_records_are_damaged(attack: Attack) -> None:
    """Safe takes one, also then: what cannot be trusted permits nothing and still denies."""
    desk = attack.desk
    live = desk.context.releases.said()[0][CLASS].release
    assert live is not None
    with tampered(attack, unquarantined):
        assert desk.fails(lambda: desk.withdraw(live, "bad welds")).kind == "audit-damaged"
        choices, denied, _ = desk.context.releases.said()
        assert choices[CLASS].release is None
        assert denied is not None
        assert live in {line.release for line in denied.releases}
        assert attack.audited("release.deny", live)
