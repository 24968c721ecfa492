"""What a policy would change: rule by rule against the one in force, and on what is recorded and live.

A live release is judged on the evidence it was decided on, as if that had been planned under the new policy: what
blocks it is a rule, an age, a confidence, an assurance or an environment, never the change of policy itself.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta

from catalog.db import records, tables
from catalog.domain.decision import RuleVerdict
from catalog.domain.evidence import Evidence, Plan
from catalog.domain.policy import (
    ActivePolicy,
    BlockedRelease,
    BlockedRule,
    Policy,
    PolicyDiff,
    PolicyTrial,
    Tried,
)
from catalog.domain.release import Release
from catalog.errors import Absent
from catalog.policy.evaluate import evaluate
from catalog.policy.lifecycle import compare, require_strong
from catalog.policy.loader import load
from catalog.policy.statistics import attempt_alpha
from catalog.services import release_records
from catalog.services.context import Context
from catalog.services.decide import active_policy
from catalog.services.denied import Denied
from catalog.services.examine_model import examine_model, proven_facts
from catalog.services.judge_dataset import check_in_force, dataset_facts
from validators import suites

OF_THE_POLICY = frozenset({"run-assurance", "environment"})  # rules of the floor that read the policy itself


def read_policy(text: str) -> Policy:
    """A policy as it would be in force: proven, and for data with the digests of the suites of today."""
    policy = load(text)
    if policy.decides == "dataset-approval" and not policy.suites:
        policy = policy.model_copy(update={"suites": {name: suites.load(name).digest for name in suites.names()}})
    return policy


def policy_diff(context: Context, policy: Policy) -> PolicyDiff:
    """A policy against the one in force for the same decision and class; refused below the floor of policies."""
    old = active_policy(context, policy.decides, policy.device_class)
    require_strong(policy, context.environment, old.policy if old else None)
    return PolicyDiff(
        policy=policy,
        policy_digest=policy.digest(),
        replaces=old.digest_ if old else None,
        replaced_version=old.policy.version if old else 0,
        changes=compare(old.policy if old else None, policy),
        blocks=blocked_releases(context, policy),
    )


def live_releases(context: Context, policy: Policy) -> list[Release]:
    """The releases of the policy's class that devices may run; a policy for data has none."""
    if policy.device_class is None:
        return []
    with context.records.read() as c:
        allowed = release_records.of_class(c, policy.device_class)
        denied = Denied(c)
        return [release for release in allowed if not denied.release(release)]


def blocked_releases(context: Context, policy: Policy) -> tuple[BlockedRelease, ...]:
    """The live releases that a policy would block, each with the rules and the values they read."""
    found = []
    for release in live_releases(context, policy):
        rules = tuple(_blocking(context, policy, release))
        manifest = release.manifest
        with context.records.read() as c:
            choice = release_records.choice(c, manifest.device_class)
        if rules:
            found.append(
                BlockedRelease(
                    release=manifest.id,
                    number=manifest.number,
                    model_name=manifest.model_name,
                    chosen=choice is not None and choice.release == manifest.id,
                    rules=rules,
                )
            )
    return tuple(found)


def _blocking(context: Context, policy: Policy, release: Release) -> Iterator[BlockedRule]:
    manifest = release.manifest
    now, _ = context.records.now()
    decision = context.decision(manifest.decision)
    as_planned = ActivePolicy(digest_=manifest.policy, policy=policy, activated_at=now, activated_by=("proposed",))
    model = context.model(manifest.model)
    found = examine_model(context, model, as_planned, manifest.device_class, rests_on=decision.evidence)
    rules = [*(r for r in found.floor if r.rule in OF_THE_POLICY), *found.rules]
    yield from (_shown(rule) for rule in rules if rule.verdict != "pass")
    for digest in decision.evidence:
        evidence, plan = _evidence(context, digest)
        age = now - min(evidence.received_at, evidence.statement.predicate.finished_at)
        if age > timedelta(days=policy.evidence_days):
            message = f"The evidence is {age.days} days old; the policy takes {policy.evidence_days}."
            yield BlockedRule(rule="evidence-days", verdict="fail", message=message, read={"age_days": age.days})
        least = attempt_alpha(plan.k, 1 - policy.confidence)
        if plan.alpha > least * (1 + 1e-9):
            message = f"The bounds were computed at alpha {plan.alpha:.4g}; the policy's confidence needs {least:.4g}."
            yield BlockedRule(rule="confidence", verdict="fail", message=message, read={"alpha": plan.alpha})


def _evidence(context: Context, digest: str) -> tuple[Evidence, Plan]:
    with context.records.read() as c:
        found = records.one(c, tables.evidence, Evidence, digest=digest)
    if found is None:
        raise Absent("evidence-unknown", f"no evidence {digest}", do="see `assay model show NAME`")
    return found, context.plan(found.plan).plan


def try_policy(context: Context, policy: Policy, evidence: tuple[str, ...] = ()) -> PolicyTrial:
    """Each rule on recorded evidence: of the models of its class, or named by digest; a policy for data on versions."""
    tried = _on_data(context, policy) if policy.decides == "dataset-approval" else _on_models(context, policy, evidence)
    return PolicyTrial(policy=policy, policy_digest=policy.digest(), tried=tuple(tried))


def _on_models(context: Context, policy: Policy, named: tuple[str, ...]) -> Iterator[Tried]:
    if named:
        found = [_evidence(context, digest) for digest in named]
    else:
        with context.records.read() as c:
            every = records.many(c, tables.evidence, Evidence, order="id")
        found = [(e, context.plan(e.plan).plan) for e in every]
        found = [(e, plan) for e, plan in found if plan.device_class == policy.device_class]
    for evidence, plan in found:
        rules = evaluate(policy, proven_facts(context, (evidence, plan)))
        yield Tried(subject=plan.model_name, evidence=evidence.digest_, rules=tuple(_shown(r) for r in rules))


def _on_data(context: Context, policy: Policy) -> Iterator[Tried]:
    for slug in context.datasets():
        for version in context.versions(slug)[:1]:
            rules = evaluate(policy, dataset_facts(context, version, policy, check_in_force(context, version)))
            name = f"{slug}/{version.ingest}"
            yield Tried(subject=name, evidence=None, rules=tuple(_shown(r) for r in rules))


def _shown(rule: RuleVerdict) -> BlockedRule:
    return BlockedRule(rule=rule.rule, verdict=rule.verdict, message=rule.message, read=rule.read)
