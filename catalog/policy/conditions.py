"""What a bound is conditional on, in sentences that travel with the decision: no claim is stronger than its trials."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from catalog.domain.evidence import Plan, Trials
from catalog.domain.replay import Replay
from catalog.policy.statistics import forged_share_found

CONFIDENCE = 0.95  # of finding a forged share by replay


def conditions(plan: Plan, trials: Trials, facts: Mapping[str, Any], replay: Replay | None) -> tuple[str, ...]:
    """The conditions of one recounted table; `facts` are those of `recount`."""
    protocol, harness, host = plan.protocol, trials.harness, trials.host
    said = [
        (
            f"attempt {plan.k} of line {plan.line}: this attempt may be wrong with probability {plan.alpha:.3g}, "
            f"all attempts of a release cycle together with {1 - facts['success']['confidence']:.3g}"
        ),
        f"trials are {harness.origin}, by {harness.name} {harness.version}; nothing here was measured on a real robot",
        (
            f"sampled: {', '.join(protocol.sampled) or 'nothing'}; fixed, so not covered beyond it: "
            f"{', '.join(protocol.fixed) or 'nothing'}"
        ),
        _replay(replay),
    ]
    for load, latency in facts.get("latency", {}).items():
        where = f"{load} latency was measured on {host.name} ({host.processor})"
        said.append(f"{where}; {host.pacing}" if host.pacing else where)
        if latency.get("dependence") == "not testable":
            said.append(f"{load} latency: no step was over the limit, so dependence between steps is not testable")
    return tuple(sentence[:4000] for sentence in said)


def _replay(replay: Replay | None) -> str:
    if replay is None or replay.replayed == 0:
        why = {"drawn": " yet", "failed": f" ({replay.why})" if replay else ""}.get(replay.state if replay else "", "")
        return f"no trial was replayed by the catalog{why}: any share of them could be forged by the evaluator"
    if replay.replayed >= replay.returned:
        return f"all {replay.returned} trials were replayed by the catalog"
    share = forged_share_found(replay.replayed, CONFIDENCE)
    return (
        f"{replay.replayed} of {replay.returned} trials, drawn after receipt, were replayed by the catalog: "
        f"a forged share of {share:.1%} would be found with 95 %"
    )
