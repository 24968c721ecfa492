"""Events in OpenLineage's own classes, with Assay's facets. Only this module imports openlineage; nothing is sent.

Facets that are Assay's own are named `assay_*` and point at versioned URNs of their schema: a changed field is a new
number. Import it late: OpenLineage brings an HTTP client along.
"""

from __future__ import annotations

from typing import Any

import attr
from openlineage.client.event_v2 import InputDataset, Job, OutputDataset, Run, RunEvent, RunState
from openlineage.client.facet_v2 import DatasetFacet, RunFacet, dataset_version_dataset, error_message_run
from openlineage.client.serde import Serde

from lineage.events import NAMESPACE, Asset, CheckVerdict, Decision, Event
from lineage.urn import PREFIX

PRODUCER = f"{PREFIX}producer:lineage:1"


def _schema(name: str) -> str:
    return f"{PREFIX}schema:{name}:1"


@attr.define
class ManifestFacet(DatasetFacet):
    """Which bytes: the digest in the asset's URN, and the commit that holds them."""

    digest: str
    commit: str | None = None

    @staticmethod
    def _get_schema() -> str:
        return _schema("manifest-facet")


@attr.define
class CheckFacet(RunFacet):
    """How a check ended."""

    suite: str
    success: bool
    evaluated: int
    failed: list[str]

    @staticmethod
    def _get_schema() -> str:
        return _schema("check-facet")


@attr.define
class DecisionFacet(RunFacet):
    """What was decided, under which policy, rule by rule."""

    decision: str
    answer: str
    policy: str
    rules: list[dict[str, str]]

    @staticmethod
    def _get_schema() -> str:
        return _schema("decision-facet")


def to_json(event: Event) -> str:
    """One line of JSON; see `lineage.events.to_json`."""
    message = RunEvent(
        eventType=RunState(event.phase.value),
        eventTime=event.time,
        producer=PRODUCER,
        run=Run(runId=str(event.run_id), facets=_run_facets(event)),
        job=Job(namespace=NAMESPACE, name=event.job.value),
        inputs=[InputDataset(NAMESPACE, str(asset.urn), facets=_dataset_facets(asset)) for asset in event.inputs],
        outputs=[OutputDataset(NAMESPACE, str(asset.urn), facets=_dataset_facets(asset)) for asset in event.outputs],
    )
    return Serde.to_json(message, separators=(",", ":"), allow_nan=False)


def _dataset_facets(asset: Asset) -> dict[str, DatasetFacet]:
    digest = asset.urn.digest
    if digest is None:
        return {}
    return {
        "version": dataset_version_dataset.DatasetVersionDatasetFacet(digest, producer=PRODUCER),
        "assay_manifest": ManifestFacet(digest, asset.commit, producer=PRODUCER),
    }


def _run_facets(event: Event) -> dict[str, Any]:
    found: dict[str, Any] = {}
    if event.check:
        found["assay_check"] = _check(event.check)
    if event.decision:
        found["assay_decision"] = _decision(event.decision)
    if event.error:
        found["errorMessage"] = error_message_run.ErrorMessageRunFacet(event.error, "PYTHON", producer=PRODUCER)
    return found


def _check(check: CheckVerdict) -> CheckFacet:
    return CheckFacet(check.suite, check.success, check.evaluated, list(check.failed), producer=PRODUCER)


def _decision(decision: Decision) -> DecisionFacet:
    rules = [{"rule": rule.rule, "verdict": rule.verdict} for rule in decision.rules]
    return DecisionFacet(str(decision.urn), decision.answer, decision.policy, rules, producer=PRODUCER)
