"""What waits for signatures, and what an approver signs, from the very documents whose bytes are signed."""

from __future__ import annotations

import json
from datetime import datetime

from catalog.domain.base import canonical, sha256
from catalog.domain.fleet import Waiting
from catalog.domain.release import Proposal, ReleaseManifest, ReleaseView
from ui.viewmodels.text import plain, size, when

Line = tuple[str, str]


def count(item: Waiting) -> str:
    """How many of the signatures are there."""
    return f"{len(item.signed_by)} of {item.threshold} signed"


def colour(item: Waiting) -> str:
    """Green when nothing but the promotion is left."""
    return "green" if ready(item) else "orange"


def ready(item: Waiting) -> bool:
    """Whether enough people signed the open proposal."""
    return item.release is not None and len(item.signed_by) >= item.threshold


def title(item: Waiting) -> str:
    """Which model for which class."""
    return plain(f"{item.decision.subject_name} for {item.decision.device_class}")


def stands(item: Waiting) -> str:
    """Who signed, and who is missing."""
    signed = f"signed by {_names(item.signed_by)}" if item.signed_by else "nobody has signed"
    if ready(item):
        return plain(f"{signed}; ready to be promoted")
    if not item.missing:
        return plain(f"{signed}; nobody else may sign it: enrol another approver")
    wanted = item.threshold - len(item.signed_by)
    return plain(f"{signed}; {wanted} missing, of {_names(item.missing)}")


def barred(item: Waiting) -> list[str]:
    """Approvers who may not sign this one, and why."""
    return [plain(f"{who} may not sign it: {who} {why}") for who, why in item.barred.items()]


def stale(item: Waiting, epoch: int) -> str:
    """Whether anything was called back or changed since the decision; promoting would find it, looking finds it now."""
    if item.decision.epoch == epoch:
        return ""
    return "Something was revoked, withdrawn or changed since it was decided. Judge it again before you sign."


def until(item: Waiting, now: datetime) -> str:
    """How long the permission to promote lasts."""
    left = item.decision.expires_at - now
    hours = left.total_seconds() / 3600
    said = f"{hours:.0f} h left" if hours >= 2 else f"{max(0, left.total_seconds() / 60):.0f} min left"
    return f"the decision holds until {when(item.decision.expires_at)} ({said})"


def identity(proposal: Proposal) -> str:
    """Names everything that is shown and signed: a press on a button with this key never means another proposal."""
    shown = [proposal.release.document(), proposal.decision.document(), proposal.published_role]
    return sha256(canonical(shown)).removeprefix("sha256:")[:16]


def decision_lines(proposal: Proposal) -> list[Line]:
    """The decision under the first signature."""
    d = proposal.decision
    lines = [
        ("decision", d.digest()),
        ("verdict", f"{d.verdict}, {len(d.rules)} rules; assurance {d.assurance}"),
        ("about", f"{d.subject_name} {d.subject}"),
        ("class", f"{d.device_class} in environment {d.environment}, hardware {d.hardware}"),
        ("policy", f"{d.policy_name} {d.policy}"),
        *(("data", x) for x in d.data),
        *(("evidence", x) for x in d.evidence),
        ("training run", d.run or "none recorded"),
        ("epoch", str(d.epoch)),
        ("decided", f"{when(d.at)}, holds until {when(d.expires_at)}"),
        ("audit head", f"{d.audit_head.size}:{d.audit_head.root}"),
    ]
    return [(label, plain(said)) for label, said in lines]


def release_lines(manifest: ReleaseManifest, role_version: int) -> list[Line]:
    """The release that the role lists, under the second signature."""
    lines = [
        ("release", f"{manifest.number} of class {manifest.device_class}, id {manifest.id}"),
        ("model", f"{manifest.model_name} {manifest.model}"),
        ("for", f"environment {manifest.environment}, hardware {manifest.hardware}"),
        ("manifest", manifest.digest()),
        ("class role", f"version {role_version}"),
        ("lease", f"devices may run it at most {manifest.lease_hours} h without hearing from the catalog"),
        ("epoch", str(manifest.epoch)),
        ("audit head", f"{manifest.audit_head.size}:{manifest.audit_head.root}"),
    ]
    return [(label, plain(said)) for label, said in lines]


def file_rows(manifest: ReleaseManifest) -> list[dict[str, str]]:
    """Every file a device installs; it refuses any other."""
    return [{"file": plain(f.path), "size": size(f.size), "sha256": f.sha256} for f in manifest.files]


def role_change(changes: list[tuple[str, str]]) -> str:
    """What the second signature changes in the list of the class's releases."""
    if [what for what, _ in changes] == ["added"]:
        return plain(f"Against the published list it adds one release and changes nothing else: {changes[0][1]}")
    said = ", ".join(f"{what} {path}".strip() for what, path in changes) or "nothing"
    return plain(f"Against the published list it does something else than adding one release: {said}. Do not sign.")


def documents(proposal: Proposal) -> dict[str, str]:
    """The documents whose canonical bytes are signed, laid out to be read."""
    role = json.loads(proposal.release.role)
    return {
        "the decision": json.dumps(proposal.decision.document(), indent=2, sort_keys=True),
        "the class role": json.dumps(role, indent=2, sort_keys=True),
    }


def signing(proposal: Proposal, me: str) -> str:
    """Why this person has nothing to sign here, or nothing."""
    return plain(f"{me} has signed this release; another approver must sign.") if me in proposal.signed_by else ""


def _names(people: tuple[str, ...]) -> str:
    *first, last = people
    return f"{', '.join(first)} and {last}" if first else last


def goes_to(manifest: ReleaseManifest, devices: list[str]) -> str:
    """What promoting reaches."""
    count = len(devices)
    reach = (
        f"{count} device{'s' if count != 1 else ''}: {', '.join(sorted(devices)[:5])}" if devices else "no device yet"
    )
    more = f" and {count - 5} more" if count > 5 else ""
    return plain(
        f"Promoting evaluates everything once more, then makes release {manifest.number} what class "
        f"{manifest.device_class} should run. It reaches {reach}{more}."
    )


def promoted(done: dict[str, object]) -> tuple[bool, str]:
    """What a promotion did; one that was withdrawn meanwhile is said as that."""
    said = f"release {done['number']} of class {done['device_class']}: {done['name']}"
    if done["denied"]:
        return False, plain(f"Withdrawn while it was published: {said}: {done['denied']}")
    return True, plain(f"Published: {said}. The fleet page shows which devices have it.")


def brought(proposal: Proposal, me: str) -> tuple[bool, str]:
    """What a signature did: it lets nothing live by itself."""
    name = f"release {proposal.release.manifest.number} of class {proposal.release.manifest.device_class}"
    return True, plain(f"{me} signed {name}; it is signed by {_names(proposal.signed_by)}.")


def released(view: ReleaseView) -> str:
    """What became of a decision that was promoted."""
    manifest = view.release.manifest
    said = f"Promoted with this decision: release {manifest.number} of class {manifest.device_class}, {view.state}"
    return plain(said + (", what the class should run." if view.chosen else "."))
