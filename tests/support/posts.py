"""Every POST of the API: its template, a path of it, the action it needs (none: who began it), and a body that parses."""

from __future__ import annotations

from typing import Any

from tests.support.recordings import provenance

ROLE = {"keyid": "0" * 64, "sig": "0" * 128}
RUN_START = {"name": "r", "code": {"commit": "0" * 40, "dirty": False}}
POSTS: dict[str, tuple[str, str, dict[str, Any]]] = {
    "/datasets/{slug}/ingests": (
        "/datasets/x/ingests",
        "dataset.register",
        {"ingest": "one", "path": "/nowhere", "provenance": provenance()},
    ),
    "/datasets/{slug}/ingests/{ingest}/check": ("/datasets/arm/ingests/one/check", "dataset.check", {}),
    "/datasets/{slug}/ingests/{ingest}/rebase": ("/datasets/arm/ingests/one/rebase", "dataset.rebase", {}),
    "/datasets/{slug}/ingests/{ingest}/decision": ("/datasets/arm/ingests/one/decision", "dataset.judge", {}),
    "/datasets/approvals": ("/datasets/approvals", "dataset.approve", {"envelope": {}}),
    "/datasets/{slug}/ingests/{ingest}/quarantine": (
        "/datasets/arm/ingests/one/quarantine",
        "dataset.quarantine",
        {"reason": "because"},
    ),
    "/robots": ("/robots", "robot.register", {"name": "r", "suite": "arm@1", "record": {}}),
    "/runs": ("/runs", "run.record", RUN_START),
    "/runs/{run}/versions": ("/runs/x/versions", "run.record", {"dataset": "arm"}),
    "/runs/{run}/folders": ("/runs/x/folders", "run.record", {"path": "/nowhere"}),
    "/runs/{run}/end": ("/runs/x/end", "run.record", {"status": "finished"}),
    "/models": ("/models", "model.register", {"name": "m", "path": "/nowhere"}),
    "/models/{name}/decision": ("/models/m/decision", "model.judge", {"device_class": "demo-arm"}),
    "/lines": ("/lines", "line.enrol", {"name": "l", "device_class": "demo-arm"}),
    "/plans": ("/plans", "plan.make", {"model": "m", "device_class": "demo-arm", "line": "l"}),
    "/evidence": ("/evidence", "evidence.post", {"envelope": {}}),
    "/evidence/{digest}/replay": ("/evidence/x/replay", "evidence.post", {}),
    "/runs/{run}/reproductions": ("/runs/x/reproductions", "run.reproduce", {"envelope": {}}),
    "/operations/{operation}/cancel": ("/operations/x/cancel", "", {}),
    "/audit/verify": ("/audit/verify", "read", {}),
    "/keys/requests": (
        "/keys/requests",
        "key.enrol",
        {"name": "mallory", "key_role": "approver", "public": "0" * 64, "token_digest": "sha256:" + "0" * 64},
    ),
    "/keys/enrolments": ("/keys/enrolments", "key.enrol", {"envelope": {}}),
    "/keys/revocations": (
        "/keys/revocations",
        "key.revoke",
        {
            "revocation": {
                "keyid": "0" * 64,
                "principal": "approver-2",
                "compromised": True,
                "reason": "r",
                "by": "engineer",
            }
        },
    ),
    "/keys/rotation": ("/keys/rotation", "keys.rotate", {}),
    "/keys/rotations": ("/keys/rotations", "keys.rotate", {"roles": {"root": "{}"}, "signatures": {}}),
    "/policies/trials": ("/policies/trials", "read", {"text": "x"}),
    "/policies/differences": ("/policies/differences", "read", {"text": "x"}),
    "/policies/proposals": ("/policies/proposals", "policy.activate", {"text": "x"}),
    "/policies/activations": ("/policies/activations", "policy.activate", {"envelope": {}}),
    "/models/{name}/proposal": ("/models/m/proposal", "release.propose", {"device_class": "demo-arm"}),
    "/releases/{release}/signatures": ("/releases/x/signatures", "release.approve", {"envelope": {}, "role": ROLE}),
    "/models/{name}/promotion": ("/models/m/promotion", "release.promote", {"device_class": "demo-arm"}),
    "/classes/{device_class}/rollback": ("/classes/none/rollback", "release.rollback", {}),
    "/releases/{release}/withdrawal": ("/releases/x/withdrawal", "release.withdraw", {"reason": "because"}),
    "/devices/reports": ("/devices/reports", "device.report", {"envelope": {}}),
    "/recalls/reach": ("/recalls/reach", "read", {"what": "arm"}),
    "/recalls": (
        "/recalls",
        "recall",
        {"what": "nothing-here", "reason": "because", "plan": "sha256:" + "0" * 64},
    ),
    "/lineage": ("/lineage", "lineage.ingest", {}),
    "/store/copies": (
        "/store/copies",
        "store.copy",
        {"url": "http://127.0.0.1:9", "namespace": "local://", "key": "k", "secret": "s"},
    ),
}
