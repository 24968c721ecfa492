"""What the hooks did: runs, their hook runs, and the output of each."""

from __future__ import annotations

from typing import Any

from starlette.responses import Response

from infra.lakefs.api.call import Call, answer, moment, page
from infra.lakefs.store import runs
from infra.lakefs.store.runs import HookRun, Run


def listing(call: Call) -> Response:
    query = call.query
    with call.store.database.read() as connection:
        found, more = runs.page(
            connection,
            call.params["repository"],
            query.text("branch"),
            query.text("commit"),
            query.text("after"),
            query.amount(),
        )
    return page([_shown(run) for run in found], more, "run_id")


def get(call: Call) -> Response:
    with call.store.database.read() as connection:
        return answer(_shown(runs.get(connection, call.params["repository"], call.params["run"])))


def hooks(call: Call) -> Response:
    query = call.query
    with call.store.database.read() as connection:
        found, more = runs.page_hooks(
            connection, call.params["repository"], call.params["run"], query.text("after"), query.amount()
        )
    return page([_shown_hook(hook) for hook in found], more, "hook_run_id")


def output(call: Call) -> Response:
    with call.store.database.read() as connection:
        text = runs.output(connection, call.params["repository"], call.params["run"], call.params["hook_run"])
    return Response(text.encode(), media_type="application/octet-stream")


def _shown(run: Run) -> dict[str, Any]:
    return {
        "branch": run.branch,
        "commit_id": run.commit_id,
        "event_type": run.event,
        "run_id": run.id,
        **_ended(run),
    }


def _shown_hook(hook: HookRun) -> dict[str, Any]:
    return {"action": hook.action, "hook_id": hook.hook, "hook_run_id": hook.id, **_ended(hook)}


def _ended(run: Run | HookRun) -> dict[str, str]:
    status = "failed" if run.failed else "completed"
    return {"start_time": moment(run.started), "end_time": moment(run.ended), "status": status}
