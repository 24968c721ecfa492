"""Judge a candidate version: the floor and the policy over what was established about exactly this commit.

The decision names candidate, head of `main`, policy, evidence, epoch and audit head; it is recorded, pass or not.
"""

from __future__ import annotations

from typing import Any

from catalog.domain.check import CheckResult, SuiteRun
from catalog.domain.dataset import Episode, Root, Version
from catalog.domain.decision import Decision, RuleVerdict
from catalog.domain.policy import ActivePolicy, Policy
from catalog.errors import AssayError
from catalog.policy.evaluate import evaluate
from catalog.policy.facts import CheckFacts, DatasetFacts, RootFacts
from catalog.policy.floor import dataset_floor
from catalog.policy.floor_facts import DatasetFloor, DigestCheck, MainState, QuarantineSearch, RecallSearch
from catalog.services import version_commit
from catalog.services.context import Context
from catalog.services.decide import active_policy, clock, decide
from catalog.services.revoked import quarantined, recalled
from lineage import urn
from validators.result import ENGINE


def judge_dataset(context: Context, by: str, dataset: str, ingest: str | None) -> Decision:
    """Evaluate and record the decision on the newest version of an ingest."""
    version = context.candidate(dataset, ingest)
    rules, policy, evidence, head = evaluate_version(context, version)
    location = context.location(version.manifest_digest)
    return decide(
        context,
        by,
        policy,
        rules,
        decides="dataset-approval",
        subject=version.manifest_digest,
        subject_name=f"{dataset}/{version.ingest}",
        dataset=dataset,
        ingest=version.ingest,
        candidate=location.commit,
        head=head,
        data=(version.manifest_digest,),
        evidence=evidence,
    )


def evaluate_version(
    context: Context, version: Version
) -> tuple[tuple[RuleVerdict, ...], ActivePolicy | None, tuple[str, ...], str | None]:
    """All rules on a version as of now; also the policy, the evidence digests and the head they were read at."""
    result = check_in_force(context, version)
    policy = active_policy(context, "dataset-approval", None)
    main = main_state(context, version)
    rules = dataset_floor(_floor(context, version, result, policy, main))
    if policy is not None:
        rules += evaluate(policy.policy, dataset_facts(context, version, policy.policy, result))
    return rules, policy, () if result is None else (result.digest(),), main.head if main else None


def dataset_facts(context: Context, version: Version, policy: Policy, result: CheckResult | None) -> dict[str, Any]:
    """What the rules of a data policy read about a version and its check."""
    checked = _check_facts(context, version, result, policy)
    return DatasetFacts(check=checked, roots=_roots(context, version)).facts()


def check_in_force(context: Context, version: Version) -> CheckResult | None:
    """The newest check, unless a robot's record is newer: limits that were not applied prove nothing."""
    result = context.newest_check(version.manifest_digest)
    robots = [context.robot(r.provenance.source.robot) for r in version.manifest.roots]
    if result is not None and any(r is not None and r.registered_at > result.at for r in robots):
        return None
    return result


def _floor(
    context: Context,
    version: Version,
    result: CheckResult | None,
    policy: ActivePolicy | None,
    main: MainState | None,
) -> DatasetFloor:
    episodes, objects = version_commit.tables_of(context, version)
    names = {e.fingerprint: f"{e.root}/{e.index}" for e in episodes}
    names |= {o.sha256: o.path for o in objects if o.rows}
    roots = version.manifest.roots
    return DatasetFloor(
        clock=clock(context),
        environment=context.environment,
        mode="single-operator",
        policy=policy.digest_ if policy else None,
        policy_environments=policy.policy.environments if policy else (),
        candidate=context.location(version.manifest_digest).commit,
        checked=result.commit if result else None,
        bytes_=None
        if result is None
        else DigestCheck(verified=result.objects_verified, wrong=tuple(f[:1024] for f in result.wrong_bytes)),
        listing_faults=None if result is None else result.wrong_listing,
        main=main,
        quarantine=QuarantineSearch(episodes=len(episodes), found=quarantined(context, names)),
        recalled=_recalled(context, version, episodes),
        sources=tuple(f"{r.slug}: {r.provenance.source.origin}"[:200] for r in roots),
        terms=tuple(f"{r.slug}: {r.provenance.terms.licence}"[:200] for r in roots),
        parents_unknown=_unknown_parents(context, version),
    )


def _recalled(context: Context, version: Version, episodes: list[Episode]) -> RecallSearch:
    """Whether a recall reached this version, what it descends from, or recordings that nobody had registered."""
    nodes = {str(urn.version(version.dataset, version.manifest_digest)): f"{version.dataset}/{version.ingest}"}
    nodes |= {str(urn.fingerprint(e.fingerprint)): f"the recording of {e.root}/{e.index}" for e in episodes}
    return RecallSearch(nodes=len(nodes), found=recalled(context, nodes, frozenset()))


def main_state(context: Context, version: Version) -> MainState | None:
    """Law 1's facts from the store as it is now; None when it cannot be asked."""
    location = context.location(version.manifest_digest)
    approved = context.approvals(version.dataset)
    try:
        head = context.store.head(location.repository, "main")
        if head is None:
            return None
        base = context.store.merge_base(location.repository, location.commit, "main")
    except AssayError:
        return None
    decided = head.id == approved[0].merge_commit if approved else not head.parents
    return MainState(head=head.id, merge_base=base, head_decided=decided)


def _unknown_parents(context: Context, version: Version) -> tuple[str, ...]:
    named = set(version.manifest.parents) | {
        r.selected_from.manifest for r in version.manifest.roots if r.selected_from is not None
    }
    known = {v.manifest_digest for v in context.versions(version.dataset)}
    return tuple(sorted(named - known))


def _check_facts(context: Context, version: Version, result: CheckResult | None, policy: Policy) -> CheckFacts | None:
    if result is None:
        return None
    judged = {s.root: s for s in result.suites}
    return CheckFacts(
        passed=result.passed,
        blocking=sum(f.severity == "blocking" for f in result.findings) + len(result.integrity),
        warnings=sum(f.severity == "warning" for f in result.findings),
        not_evaluable_required=sum(len(s.not_evaluable_required) for s in result.suites),
        episodes=sum(s.episodes for s in result.suites),
        objects_verified=result.objects_verified,
        suites_known=all(_known(context, r, judged.get(r.slug), policy) for r in version.manifest.roots),
    )


def _known(context: Context, root: Root, judged: SuiteRun | None, policy: Policy) -> bool:
    """Whether a root was judged, by the gate's engine, by a suite of the policy that its robot's record names: what
    the data says of itself chooses none."""
    robot = context.robot(root.provenance.source.robot)
    return (
        judged is not None
        and robot is not None
        and judged.suite == robot.suite
        and judged.engine.get("engine") == ENGINE
        and judged.suite_digest in policy.suites.values()
    )


def _roots(context: Context, version: Version) -> tuple[RootFacts, ...]:
    return tuple(
        RootFacts(
            slug=r.slug,
            kind=r.provenance.source.kind,
            origin=r.provenance.source.origin,
            robot=r.provenance.source.robot,
            robot_recorded=context.robot(r.provenance.source.robot) is not None,
            licence=r.provenance.terms.licence,
            consent=r.provenance.terms.consent,
        )
        for r in version.manifest.roots
    )
