"""What happens on a branch while a commit or a merge of it is being worked out: nothing is lost, nothing is doubled."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

import pytest

from infra.lakefs.errors import BusyError, InvalidError, NotFoundError
from infra.lakefs.store import Store, hooks, objects, refs, staging
from infra.lakefs.store.commit import commit
from infra.lakefs.store.commits import Commit
from infra.lakefs.store.merge import merge
from infra.lakefs.store.reset import hard_reset, reset


def put(store: Store, path: bytes, content: bytes, branch: str = "main") -> None:
    objects.stage(store, "repo", branch, path, store.blobs.put(content), "text/plain", {})


def shown(store: Store, ref: str) -> dict[bytes, int]:
    with store.database.read() as connection:
        found = objects.walk(connection, store, "repo", refs.resolve(connection, "repo", ref), b"")
        return {entry.path: entry.size for entry in found}


def branch(store: Store, name: str) -> None:
    store.database.write(lambda c: refs.create_branch(c, "repo", name, "main", False, False))


@pytest.fixture
def meanwhile(store: Store, monkeypatch: pytest.MonkeyPatch) -> Callable[[Callable[[], Any], int], None]:
    """Have something happen each time a new tree is made, for the first so many times."""

    def arrange(act: Callable[[], Any], times: int = 1) -> None:
        edit, left = store.trees.edit_rows, [times]

        def edit_and_act(*arguments: Any) -> Any:
            made = edit(*arguments)
            if left[0]:
                left[0] -= 1
                act()
            return made

        monkeypatch.setattr(store.trees, "edit_rows", edit_and_act)

    return arrange


def test_an_upload_during_a_commit_stays_staged(store: Store, meanwhile: Any) -> None:
    put(store, b"a", b"1")
    put(store, b"same", b"old")
    meanwhile(lambda: (put(store, b"b", b"22"), put(store, b"same", b"newer")))
    commit(store, "repo", "main", "m", {})
    assert shown(store, "main@") == {b"a": 1, b"same": 3}
    assert shown(store, "main") == {b"a": 1, b"b": 2, b"same": 5}
    commit(store, "repo", "main", "m", {})
    assert shown(store, "main@") == shown(store, "main")


def test_a_deletion_during_a_commit_of_the_object_holds(store: Store, meanwhile: Any) -> None:
    put(store, b"a", b"1")
    meanwhile(lambda: objects.delete(store, "repo", "main", [b"a"], False))
    commit(store, "repo", "main", "m", {})
    assert shown(store, "main@") == {b"a": 1}
    assert shown(store, "main") == {}


def test_a_commit_whose_branch_was_reset_is_made_on_what_is_there(store: Store, meanwhile: Any) -> None:
    put(store, b"a", b"1")
    first = commit(store, "repo", "main", "m", {})
    put(store, b"b", b"2")
    commit(store, "repo", "main", "m", {})
    put(store, b"c", b"3")

    def act() -> None:
        hard_reset(store, "repo", "main", first.id, False)
        put(store, b"d", b"4")

    meanwhile(act)
    made = commit(store, "repo", "main", "m", {})
    assert made.parents == (first.id,)
    assert shown(store, "main@") == {b"a": 1, b"d": 1}


def test_a_commit_whose_branch_vanished_is_refused(store: Store, meanwhile: Any) -> None:
    branch(store, "work")
    put(store, b"a", b"1", "work")
    meanwhile(lambda: store.database.write(lambda c: refs.delete_branch(c, "repo", "work", False)))
    with pytest.raises(NotFoundError):
        commit(store, "repo", "work", "m", {})


def test_a_reset_during_a_commit_forgets_what_the_commit_did_not_take(store: Store, meanwhile: Any) -> None:
    put(store, b"a", b"1")

    def act() -> None:
        put(store, b"b", b"2")
        reset(store, "repo", "main", "reset", "", False)

    meanwhile(act)
    commit(store, "repo", "main", "m", {})
    assert shown(store, "main") == shown(store, "main@") == {b"a": 1}


def test_a_commit_that_another_overtook_is_made_on_top(
    store: Store, meanwhile: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Asked for while its change was staged: it is no refusal, and its identifier shows the change."""
    made: list[Commit] = []
    queued = threading.Event()
    second = threading.Thread(target=lambda: made.append(commit(store, "repo", "main", "second", {"who": "2"})))

    def act() -> None:
        lock = store.branch_lock

        def watched(*arguments: str) -> threading.Lock:
            queued.set()
            return lock(*arguments)

        monkeypatch.setattr(store, "branch_lock", watched)
        second.start()
        assert queued.wait(30)

    put(store, b"a", b"1")
    put(store, b"b", b"2")
    meanwhile(act)
    first = commit(store, "repo", "main", "first", {})
    second.join()
    assert made[0].parents == (first.id,)
    assert (made[0].tree, made[0].message, made[0].metadata) == (first.tree, "second", {"who": "2"})
    with pytest.raises(InvalidError, match="no changes"):
        commit(store, "repo", "main", "third", {})


def test_a_merge_into_a_branch_that_became_dirty_is_refused(store: Store, meanwhile: Any) -> None:
    branch(store, "work")
    put(store, b"a", b"1", "work")
    commit(store, "repo", "work", "m", {})
    put(store, b"b", b"2")
    head = commit(store, "repo", "main", "m", {})
    meanwhile(lambda: put(store, b"c", b"3"))
    with pytest.raises(InvalidError, match="uncommitted changes, the first at 'c'"):
        merge(store, "repo", "work", "main")
    with store.database.read() as connection:
        assert refs.branch(connection, "repo", "main").head == head.id
        assert [path for path, _ in staging.walk(connection, "repo", "main")] == [b"c"]


def test_a_branch_that_never_rests_is_busy_and_unchanged(store: Store, meanwhile: Any) -> None:
    put(store, b"a", b"1")
    first = commit(store, "repo", "main", "m", {})
    branch(store, "work")
    put(store, b"b", b"2", "work")
    commit(store, "repo", "work", "m", {})
    put(store, b"c", b"3")
    commit(store, "repo", "main", "m", {})
    meanwhile(lambda: put(store, b"c", b"3"), hooks.ATTEMPTS)  # equal to what is committed: no change, yet new
    with pytest.raises(BusyError):
        merge(store, "repo", "work", "main")
    assert shown(store, "main@") == {b"a": 1, b"c": 1}
    assert first.id != merge(store, "repo", "work", "main").id


def test_what_equals_the_committed_state_cannot_come_back_after_a_merge(store: Store) -> None:
    put(store, b"a", b"1")
    commit(store, "repo", "main", "m", {})
    branch(store, "work")
    put(store, b"a", b"22", "work")
    commit(store, "repo", "work", "m", {})
    put(store, b"a", b"1")  # no change now; must not undo the merge
    merge(store, "repo", "work", "main")
    assert shown(store, "main") == {b"a": 2}


def test_staged_rows_are_walked_across_pieces(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(staging, "PAGE", 2)
    for number in range(7):
        put(store, b"%d" % number, b"x")
    with store.database.read() as connection:
        assert [path for path, _ in staging.walk(connection, "repo", "main", b"1")] == [b"%d" % n for n in range(1, 7)]
        assert len(list(staging.walk(connection, "repo", "main", b"6"))) == 1


def test_a_refused_change_takes_no_other_with_it(store: Store) -> None:
    """Changes share transactions; a refusal or a bug in one undoes that one alone."""
    outcomes: list[str] = []
    gate = threading.Event()

    def work(number: int) -> None:
        def change(connection: Any) -> None:
            gate.wait()
            connection.execute("INSERT INTO namespaces VALUES (?)", (f"local://{number}",))
            if number % 3 == 1:
                raise InvalidError("no")
            if number % 3 == 2:
                raise KeyError(number)

        try:
            store.database.write(change)
            outcomes.append("done")
        except (InvalidError, KeyError) as error:
            outcomes.append(type(error).__name__)

    workers = [threading.Thread(target=work, args=(number,)) for number in range(30)]
    for worker in workers:
        worker.start()
    gate.set()
    for worker in workers:
        worker.join()
    assert sorted(outcomes) == sorted(["done", "InvalidError", "KeyError"] * 10)
    with store.database.read() as connection:
        rows = connection.execute("SELECT namespace FROM namespaces").fetchall()
    assert {row[0] for row in rows} == {"local://repo", *(f"local://{n}" for n in range(0, 30, 3))}


def test_24_clients_on_one_branch_lose_nothing_and_are_told_the_truth(server: Any) -> None:
    """Uploads, commits and merges at once; whoever is refused was refused before anything took effect."""
    repository, clients = server.repository(), 24
    told: dict[str, list[int]] = {"upload": [], "commit": [], "merge": []}
    refused: set[str] = set()

    def merged(client: int) -> int:
        made = server.http.post(f"{repository}/refs/w{client}/merge/main", json={"message": f"merge {client}"})
        status: int = made.status_code
        if status == 400:  # somebody's upload is staged
            assert "uncommitted" in made.json()["message"], made.text
            assert server.commit(repository, message="clean").status_code in (201, 400)
        return status

    def work(client: int) -> None:
        server.http.post(f"{repository}/branches", json={"name": f"w{client}", "source": "main"})
        told["upload"].append(server.put(repository, f"own/{client}", "x", f"w{client}").status_code)
        told["commit"].append(server.commit(repository, f"w{client}").status_code)
        for number in range(3):
            told["upload"].append(server.put(repository, f"main/{client}/{number}", "x").status_code)
            made = server.commit(repository, message=f"{client}/{number}")
            told["commit"].append(made.status_code)
            if made.status_code != 201:
                assert "no changes" in made.json()["message"], made.text
                refused.add(f"{client}/{number}")
        while (status := merged(client)) == 400:
            pass
        told["merge"].append(status)

    workers = [threading.Thread(target=work, args=(client,)) for client in range(clients)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    server.commit(repository)
    assert told["upload"] == [201] * 4 * clients
    assert set(told["commit"]) <= {201, 400}
    assert told["merge"] == [200] * clients
    listed = server.http.get(f"{repository}/refs/main@/objects/ls", params={"amount": 1000}).json()["results"]
    wanted = {f"main/{c}/{n}" for c in range(clients) for n in range(3)} | {f"own/{c}" for c in range(clients)}
    assert {item["path"] for item in listed} == wanted
    log = server.http.get(f"{repository}/refs/main/commits", params={"amount": 1000, "first_parent": True}).json()
    messages = [item["message"] for item in log["results"]]
    asked = {f"{c}/{n}" for c in range(clients) for n in range(3)} | {f"merge {c}" for c in range(clients)}
    assert sorted(m for m in messages if m in asked) == sorted(asked - refused)
