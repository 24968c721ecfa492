"""Put a policy in force: proposed once, signed by two approvers over the same text, in force with the second signature.

Versions only rise, a class keeps its policy's name, and nothing below the floor of policies is taken. In the same
transaction every live release that the new rules block is denied, as `policy diff` showed.
"""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from sqlalchemy import Connection

from catalog.attest.envelope import POLICY
from catalog.db import records, tables
from catalog.db.door import Write
from catalog.domain.base import sha256
from catalog.domain.enrolment import OPEN_HOURS
from catalog.domain.policy import ActivePolicy, BlockedRelease, Policy, PolicyProposal, PolicyView, ProposedPolicy
from catalog.domain.principal import Key
from catalog.domain.release import THRESHOLD
from catalog.errors import Conflict, Invalid, Refused
from catalog.policy.lifecycle import require_strong
from catalog.policy.loader import prove
from catalog.services.audit import refusals_audited
from catalog.services.context import Context
from catalog.services.decide import active_policy
from catalog.services.deny import deny_reached
from catalog.services.endorse import endorse, signed_alone, signed_by, still_open
from catalog.services.policy_diff import blocked_releases, live_releases, read_policy
from catalog.services.publish import publish_or_say

KIND = "policy"
LOOKS = 3  # evaluations until the catalog holds still long enough


def propose_policy(context: Context, by: str, text: str) -> PolicyView:
    """The open proposal of exactly this text, made when there is none: the document that two approvers sign."""
    with refusals_audited(context, by, "policy.propose", sha256(text.encode())):
        policy = read_policy(text)
        replaces = active_policy(context, policy.decides, policy.device_class)
        _acceptable(context, policy, replaces)
        with context.records.write(by) as write:
            found = _open_proposal(write, policy, replaces) or _propose(context, write, policy, replaces)
    return _view(context, found)


def activate_policy(context: Context, by: str, envelope: dict[str, Any]) -> PolicyView:
    """Take one approver's signature on a proposed policy; the second one puts it in force. A refusal is audited."""
    with refusals_audited(context, by, "policy.activate", by):
        payload, key = signed_alone(context, by, envelope, POLICY, "approver")
        proposal = PolicyProposal.parse(payload)
        for _ in range(LOOKS):
            replaces = active_policy(context, proposal.policy.decides, proposal.policy.device_class)
            _acceptable(context, proposal.policy, replaces)
            if (replaces.digest_ if replaces else None) != proposal.replaces:
                what = f"another policy than {proposal.replaces} is in force by now"
                raise Refused("decision-mismatch", what, do="propose it again, look at the difference, and sign")
            done = _sign(context, by, proposal, key, envelope)
            if done is not None:
                found, denied = done
                return _view(context, found, denied, publish_or_say(context) if found.done_at else ())
        raise Conflict("operation-running", "the catalog changes while it is looked at", do="try again")


def _acceptable(context: Context, policy: Policy, replaces: ActivePolicy | None) -> None:
    prove(policy)
    require_strong(policy, context.environment, replaces.policy if replaces else None)
    if replaces is not None and replaces.policy.name != policy.name:
        what = f"{policy.device_class or policy.decides} is judged by policy {replaces.policy.name}, not {policy.name}"
        raise Invalid("policy-invalid", what, where="name", do="keep the name and raise the version")
    with context.records.read() as c:
        _rises(c, policy)


def _rises(connection: Connection, policy: Policy) -> None:
    before = records.many(connection, tables.policy, ActivePolicy, order="version", name=policy.name)
    same = [p for p in before if (p.policy.decides, p.policy.device_class) == (policy.decides, policy.device_class)]
    if len(same) != len(before):
        what = f"policy {policy.name} is of another decision or class"
        raise Invalid("policy-invalid", what, where="name", do="take another name")
    newest = max((p.policy.version for p in before), default=0)
    if policy.version <= newest:
        what = f"{policy.name} had version {newest}; a version is never used again and never goes down"
        raise Conflict("already-exists", what, where=f"version {policy.version}", do=f"make it version {newest + 1}")


def _open_proposal(write: Write, policy: Policy, replaces: ActivePolicy | None) -> ProposedPolicy | None:
    digest, old = policy.digest(), replaces.digest_ if replaces else None
    return next(
        (p for p in _open(write) if p.proposal.policy_digest == digest and p.proposal.replaces == old),
        None,
    )


def _open(write: Write) -> list[ProposedPolicy]:
    found = records.many(write.connection, tables.proposal, ProposedPolicy, order="digest", kind=KIND)
    return [p for p in found if p.done_at is None and p.proposal.open_until > write.now]


def _propose(context: Context, write: Write, policy: Policy, replaces: ActivePolicy | None) -> ProposedPolicy:
    proposal = PolicyProposal(
        id=context.ids(),
        policy=policy,
        policy_digest=policy.digest(),
        replaces=replaces.digest_ if replaces else None,
        environment=context.environment,
        epoch=write.epoch,
        audit_head=write.head,
        issued_at=write.now,
        open_until=write.now + timedelta(hours=OPEN_HOURS),
    )
    found = ProposedPolicy(proposal=proposal, proposed_by=write.actor)
    write.insert(tables.proposal, found, digest=proposal.digest(), kind=KIND)
    write.audit("policy.propose", policy.name, version=policy.version, digest=proposal.policy_digest)
    return found


def _sign(
    context: Context, by: str, proposal: PolicyProposal, key: Key, envelope: dict[str, Any]
) -> tuple[ProposedPolicy, tuple[str, ...]] | None:
    """Record the signature, and put the policy in force if it is the second; None when the catalog moved meanwhile."""
    policy, digest = proposal.policy, proposal.digest()
    _, epoch = context.records.head()
    live = {r.manifest.id for r in live_releases(context, policy)}
    blocked = blocked_releases(context, policy)
    with context.records.write(by) as write:
        found = _proposed(write, proposal, digest)
        if write.epoch != epoch or live != {r.manifest.id for r in live_releases(context, policy)}:
            return None
        _rises(write.connection, policy)
        signers = endorse(write, digest, KIND, key, envelope)
        write.audit(
            "policy.endorse", policy.name, version=policy.version, digest=proposal.policy_digest, keyid=key.keyid
        )
        if len(signers) < THRESHOLD:
            return found, ()
        found = found.model_copy(update={"done_at": write.now})
        write.replace(tables.proposal, {"digest": digest}, found)
        return found, _put_in_force(context, write, proposal, sorted(k.principal for k in signers), blocked)


def _proposed(write: Write, proposal: PolicyProposal, digest: str) -> ProposedPolicy:
    name = f"{proposal.policy.name} version {proposal.policy.version}"
    found = records.one(write.connection, tables.proposal, ProposedPolicy, digest=digest)
    if found is None or proposal.policy.digest() != proposal.policy_digest:
        raise Refused("decision-mismatch", f"nothing like this {name} was proposed here", do="sign what is shown")
    if found.done_at is not None:
        raise Conflict("already-exists", f"{name} is in force already", where=digest)
    still_open(proposal.open_until, write.now)
    return found


def insert_policy(write: Write, active: ActivePolicy) -> None:
    """The row of a policy that is in force from now on; who put it there is audited by the caller."""
    policy = active.policy
    write.insert(
        tables.policy,
        active,
        digest=active.digest_,
        name=policy.name,
        version=policy.version,
        decides=policy.decides,
        device_class=policy.device_class,
    )


def _put_in_force(
    context: Context, write: Write, proposal: PolicyProposal, signers: list[str], blocked: tuple[BlockedRelease, ...]
) -> tuple[str, ...]:
    policy = proposal.policy
    active = ActivePolicy(
        digest_=proposal.policy_digest, policy=policy, activated_at=write.now, activated_by=tuple(signers)
    )
    insert_policy(write, active)
    write.audit(
        "policy.activate",
        policy.name,
        digest=active.digest_,
        version=policy.version,
        replaces=proposal.replaces,
        by=signers,
        blocks=[b.release for b in blocked],
        record=active.digest(),
    )
    write.raise_epoch()
    denied: list[str] = []
    for release in blocked:
        rule = release.rules[0]
        reason = f"policy {policy.name} version {policy.version}, rule {rule.rule}: {rule.message}"[:4000]
        denied += [d.release for d in deny_reached(context, write, [release.release], reason)]
    return tuple(denied)


def _view(
    context: Context, found: ProposedPolicy, denied: tuple[str, ...] = (), notes: tuple[str, ...] = ()
) -> PolicyView:
    proposal, digest = found.proposal, found.proposal.digest()
    with context.records.read() as c:
        every = records.many(c, tables.proposal, ProposedPolicy, order="digest", kind=KIND)
    now, _ = context.records.now()
    rivals = [
        f"another text of version {proposal.policy.version} is proposed, signed by {', '.join(signed) or 'nobody'}"
        for p in every
        if p.proposal.policy.name == proposal.policy.name and p.proposal.policy.version == proposal.policy.version
        if p.proposal.policy_digest != proposal.policy_digest and p.done_at is None and p.proposal.open_until > now
        for signed in [signed_by(context, p.proposal.digest())]
    ]
    return PolicyView(
        proposal=proposal,
        digest_=digest,
        signed_by=signed_by(context, digest),
        done_at=found.done_at,
        denied=denied,
        rivals=tuple(rivals),
        notes=(*notes, *(_new_class(context, proposal.policy) if found.done_at else ())),
    )


def _new_class(context: Context, policy: Policy) -> tuple[str, ...]:
    if policy.device_class is None or not context.releases.exists:
        return ()
    if policy.device_class in context.releases.device_classes():
        return ()
    what = f"class {policy.device_class} is new, and nothing can be released for it until devices know it"
    return (f"{what}: assay key rotate, with two root keys and two approvers' keys",)
