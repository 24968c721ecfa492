"""Make a golden home: what the server of this moment writes, for every later one to read.

    python -m tests.infra.golden.make

writes `layout-N.tar.gz`, the home as it lay on disk after a clean stop, and `layout-N.json`, all that the server said
of it while it ran. A golden home is made once a layout and never again.
"""

from __future__ import annotations

import hashlib
import json
import sys
import tarfile
import tempfile
from pathlib import Path
from typing import Any
from urllib.parse import quote

import httpx

from infra.lakefs.home import LAYOUT
from infra.lakefs.store.ranges import is_cut
from tests.support.lakefs_server import Running, running

HERE = Path(__file__).parent
STRANGE = ("a//b", "../up", "/lead", "trail/", "sp ace", "한국어/데이터.txt", "plus+and%25", "x" * 1024)


def main() -> None:
    target = HERE / f"layout-{LAYOUT}.tar.gz"
    if target.exists():
        sys.exit(f"{target} exists: a golden home is made once a layout")
    with tempfile.TemporaryDirectory() as folder:
        home = Path(folder) / "home"
        with running(home) as server:
            fill(server)
            said = describe(server)
        with tarfile.open(target, "w:gz") as archive:
            archive.add(home, "home", filter=lambda member: None if member.name == "home/signing.key" else member)
    target.with_name(f"layout-{LAYOUT}.json").write_text(json.dumps(said, indent=1, ensure_ascii=False) + "\n")
    print(f"{target}: {target.stat().st_size} bytes")


def fill(server: Running) -> None:
    """Three repositories with everything that a home can hold."""
    _lines(server, _repository(server, "lines"))
    _many(server, _repository(server, "many"))
    untouched = _repository(server, "untouched")
    _done(server.http.post(f"{untouched}/metadata", json={"metadata": {"owner": "nobody", "schlüssel": "wert"}}))


def _lines(server: Running, repository: str) -> None:
    """Two lines of work that meet: merges with strategies, squash, revert, cherry-pick, resets, tags."""
    for number, path in enumerate(STRANGE):
        _put(server, repository, path, f"strange {number}", "main", {"number": str(number)})
    _put(server, repository, "both", "first")
    _commit(server, repository, "main", "strange keys", {"author": "golden", "ünï": "cödé"}, date=1_600_000_000)
    for branch in ("left", "right", "picked", "reset"):
        _branch(server, repository, branch)
    _put(server, repository, "both", "left", "left")
    _put(server, repository, "left/only", "l", "left")
    left = _commit(server, repository, "left", "left work")
    _put(server, repository, "both", "right", "right")
    _put(server, repository, "right/only", "r", "right")
    _delete(server, repository, "a//b", "right")
    _commit(server, repository, "right", "right work")
    _merge(server, repository, "left", "main", message="merged", metadata={"k": "v"})
    _merge(server, repository, "right", "main", strategy="source-wins")
    _done(server.http.post(f"{repository}/branches/picked/cherry-pick", json={"ref": left}))
    _put(server, repository, "squashed", "s", "right")
    _commit(server, repository, "right", "to squash")
    _merge(server, repository, "right", "picked", strategy="dest-wins", squash_merge=True)
    _put(server, repository, "mistake", "m")
    mistake = _commit(server, repository, "main", "a mistake")
    _done(server.http.post(f"{repository}/branches/main/revert", json={"ref": mistake, "parent_number": 0}))
    _put(server, repository, "lost", "only on a commit that no ref reaches", "reset")
    lost = _commit(server, repository, "reset", "reset away")
    _done(server.http.put(f"{repository}/branches/reset/hard_reset", params={"ref": "main~1"}))
    _done(server.http.post(f"{repository}/tags", json={"id": "v1.0.0", "ref": "main"}))
    _done(server.http.post(f"{repository}/tags", json={"id": "mistake", "ref": mistake}))
    _done(server.http.post(f"{repository}/branches", json={"name": "hidden", "source": "main", "hidden": True}))
    rules = [{"pattern": "release-*"}]
    _done(server.http.put(f"{repository}/settings/branch_protection", json=rules))
    _put(server, repository, "staged/new", "staged", "left", {"staged": "yes"})
    _put(server, repository, "left/only", "changed and staged", "left")
    _delete(server, repository, "both", "left")
    assert server.http.get(f"{repository}/commits/{lost}").status_code == 200


def _many(server: Running, repository: str) -> None:
    """A tree of several ranges, changed in one of them."""
    cuts = [name for name in (f"n/{number:06d}" for number in range(8000)) if is_cut(name.encode())]
    assert len(cuts) > 2
    around = {f"n/{int(cut[2:]) + step:06d}" for cut in cuts for step in range(-4, 5)}
    for path in sorted(around):
        _put(server, repository, path, path)
    _commit(server, repository, "main", "several ranges")
    _put(server, repository, cuts[1], "changed", content_type="text/plain")
    _delete(server, repository, cuts[0])
    _commit(server, repository, "main", "one range changed, two made one")


def describe(server: Running) -> dict[str, Any]:
    """All that the API says of every repository: settings, refs, commits with their objects, staged objects."""
    repositories = _list(server, "/repositories")
    return {item["id"]: _described(server, item) for item in repositories}


def _described(server: Running, item: dict[str, Any]) -> dict[str, Any]:
    repository = f"/repositories/{item['id']}"
    branches = {b["id"]: b["commit_id"] for b in _list(server, f"{repository}/branches", show_hidden="true")}
    tags = {t["id"]: t["commit_id"] for t in _list(server, f"{repository}/tags")}
    commits: dict[str, Any] = {}
    for ref in (*branches, *tags):
        for commit in _list(server, f"{repository}/refs/{quote(ref)}/commits"):
            commits.setdefault(commit["id"], commit)
    return {
        "repository": item,
        "metadata": server.http.get(f"{repository}/metadata").json(),
        "protection": server.http.get(f"{repository}/settings/branch_protection").json(),
        "branches": branches,
        "tags": tags,
        "commits": {
            identifier: {**commit, "objects": objects(server, repository, identifier)}
            for identifier, commit in sorted(commits.items())
        },
        "shown": {branch: objects(server, repository, branch) for branch in branches},
        "staged": {branch: _list(server, f"{repository}/branches/{branch}/diff") for branch in branches},
    }


def objects(server: Running, repository: str, ref: str) -> dict[str, Any]:
    """What a ref shows: path to listing fields and the sha256 of the bytes as they are read."""
    found = {}
    for item in _list(server, f"{repository}/refs/{ref}/objects/ls"):
        read = server.get(repository, item["path"], ref)
        assert read.status_code == 200, read.text
        path = item.pop("path")
        found[path] = {**item, "sha256": hashlib.sha256(read.content).hexdigest()}
    return found


def _repository(server: Running, name: str) -> str:
    _done(server.http.post("/repositories", json={"name": name, "storage_namespace": f"local://{name}"}))
    return f"/repositories/{name}"


def _put(
    server: Running,
    repository: str,
    path: str,
    content: str,
    branch: str = "main",
    metadata: dict[str, str] | None = None,
    content_type: str = "application/octet-stream",
) -> None:
    headers = {"content-type": content_type, **{f"x-lakefs-meta-{k}": v for k, v in (metadata or {}).items()}}
    where = f"{repository}/branches/{branch}/objects"
    _done(server.http.post(where, params={"path": path}, content=content.encode(), headers=headers))


def _delete(server: Running, repository: str, path: str, branch: str = "main") -> None:
    _done(server.http.delete(f"{repository}/branches/{branch}/objects", params={"path": path}))


def _branch(server: Running, repository: str, name: str) -> None:
    _done(server.http.post(f"{repository}/branches", json={"name": name, "source": "main"}))


def _commit(
    server: Running,
    repository: str,
    branch: str,
    message: str,
    metadata: dict[str, str] | None = None,
    date: int | None = None,
) -> str:
    body = {"message": message, "metadata": metadata or {}, **({"date": date} if date is not None else {})}
    identifier: str = _done(server.http.post(f"{repository}/branches/{branch}/commits", json=body)).json()["id"]
    return identifier


def _merge(server: Running, repository: str, source: str, branch: str, **body: Any) -> None:
    _done(server.http.post(f"{repository}/refs/{source}/merge/{branch}", json=body))


def _list(server: Running, where: str, **query: str) -> list[dict[str, Any]]:
    """Every item of a paged listing."""
    found: list[dict[str, Any]] = []
    after = ""
    while True:
        page = _done(server.http.get(where, params={**query, "amount": "1000", "after": after})).json()
        found += page["results"]
        if not page["pagination"]["has_more"]:
            return found
        after = page["pagination"]["next_offset"]


def _done(answer: httpx.Response) -> httpx.Response:
    assert answer.is_success, f"{answer.request.url}: {answer.status_code} {answer.text}"
    return answer


if __name__ == "__main__":
    main()
