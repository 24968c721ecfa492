"""Kill the server at random points while clients write, and check everything after each start.

    python -m tests.infra.torture [--kills 500] [--seed N] [--clients 4] [--home DIR]

Each client owns a branch: it uploads, deletes, commits, resets, hard-resets, tags, and merges into `main`, and keeps a
model of what was answered. One request may be under way when the kill comes; its outcome is the old state or the new,
nothing between. After each start: every branch, tag and merge is as the model says, every object has its bytes, `fsck`
finds nothing. `gc` without any grace and deletions of whole repositories happen in between. The seed is printed; it
repeats the clients' choices and the kills' times, though not the scheduling of the machine.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import random
import secrets
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import httpx

from infra.lakefs.errors import HomeError
from infra.lakefs.store.fsck import fsck
from infra.lakefs.store.gc import gc
from infra.lakefs.store.snapshot import snapshot

KEYS = ("key", "secret")
GC_EVERY = 5
NEW_REPOSITORY_EVERY = 20
SMALL, LARGE = 3000, 1_500_000  # bytes; the larger ones are written in pieces
Objects = dict[str, str]  # path to MD5


class Broken(AssertionError):
    """The server lost or invented something."""


@dataclass(frozen=True)
class State:
    """A branch: its head ("" when the kill hid its name), what is committed, what is shown with staged changes."""

    head: str
    committed: Objects = field(default_factory=dict)
    shown: Objects = field(default_factory=dict)


@dataclass
class Client:
    """One client's branch and what it may look like: `state`, or what the request under way makes of it."""

    name: str
    repository: str
    state: State
    random: random.Random
    history: dict[str, Objects] = field(default_factory=dict)  # where a hard reset may go, oldest first
    merged: Objects = field(default_factory=dict)  # of the commit that main has
    merges: list[str] = field(default_factory=list)
    tags: dict[str, str] = field(default_factory=dict)
    possible: State | None = None
    message: str = ""  # of the commit under way
    merging: Objects | None = None
    tagging: tuple[str, str | None] | None = None
    requests: int = 0

    def work(self, url: str, failures: list[str]) -> None:
        """Write until the server is gone."""
        with httpx.Client(base_url=url + self.repository, auth=KEYS, timeout=60) as http:
            acts = (self._upload,) * 6 + (self._delete, self._commit, self._commit, self._reset, self._hard_reset)
            acts += (self._merge, self._merge, self._tag, self._untag)
            try:
                while True:
                    self.random.choice(acts)(http)
            except httpx.HTTPError:
                return
            except Broken as error:
                failures.append(str(error))

    def _sent(self, http: httpx.Client, method: str, path: str, **options: Any) -> httpx.Response:
        answer = http.request(method, path, **options)
        if not answer.is_success:
            raise Broken(f"{self.name}: {method} {path} was answered {answer.status_code} {answer.text}")
        self.requests += 1
        return answer

    def _settle(self, state: State) -> None:
        self.state, self.possible = state, None
        if state.head in self.history:  # later ones are reached by nothing now, so that `gc` may take them
            names = list(self.history)
            self.history = {name: self.history[name] for name in names[: names.index(state.head) + 1]}
        else:
            self.history[state.head] = state.committed

    def _upload(self, http: httpx.Client) -> None:
        path = f"{self.name}/{self.random.randrange(30)}"
        size = LARGE if self.random.random() < 0.05 else self.random.randrange(SMALL)
        content = self.random.randbytes(size) if self.random.random() < 0.8 else b"the same"
        shown = {**self.state.shown, path: hashlib.md5(content).hexdigest()}
        self.possible = replace(self.state, shown=shown)
        self._sent(http, "POST", f"/branches/{self.name}/objects", params={"path": path}, content=content)
        self._settle(self.possible)

    def _delete(self, http: httpx.Client) -> None:
        if not self.state.shown:
            return
        path = self.random.choice(sorted(self.state.shown))
        self.possible = replace(self.state, shown={k: v for k, v in self.state.shown.items() if k != path})
        self._sent(http, "DELETE", f"/branches/{self.name}/objects", params={"path": path})
        self._settle(self.possible)

    def _commit(self, http: httpx.Client) -> None:
        if self.state.shown == self.state.committed:
            return
        self.message = f"{self.name} {self.requests}"
        self.possible = State("", self.state.shown, self.state.shown)
        made = self._sent(http, "POST", f"/branches/{self.name}/commits", json={"message": self.message}).json()
        self._settle(replace(self.possible, head=made["id"]))

    def _reset(self, http: httpx.Client) -> None:
        self.possible = replace(self.state, shown=self.state.committed)
        self._sent(http, "PUT", f"/branches/{self.name}", json={"type": "reset"})
        self._settle(self.possible)

    def _hard_reset(self, http: httpx.Client) -> None:
        """To a commit since the last merge, so that what main has stays the base of the next merge."""
        head = self.random.choice(sorted(self.history))
        self.possible = State(head, self.history[head], self.history[head])
        self._sent(http, "PUT", f"/branches/{self.name}/hard_reset", params={"ref": head})
        self._settle(self.possible)

    def _merge(self, http: httpx.Client) -> None:
        if self.state.committed == self.merged:
            return
        self.merging = self.state.committed
        made = self._sent(http, "POST", f"/refs/{self.state.head}/merge/main", json={"message": self.name}).json()
        self.merges.append(made["reference"])
        self.merged, self.merging = self.merging, None
        self.history = {self.state.head: self.state.committed}

    def _tag(self, http: httpx.Client) -> None:
        name = f"{self.name}-{self.random.randrange(1 << 40):x}"
        self.tagging = (name, self.state.head)
        self._sent(http, "POST", "/tags", json={"id": name, "ref": self.state.head})
        self.tags[name], self.tagging = self.state.head, None

    def _untag(self, http: httpx.Client) -> None:
        if not self.tags:
            return
        name = self.random.choice(sorted(self.tags))
        self.tagging = (name, None)
        self._sent(http, "DELETE", f"/tags/{name}")
        del self.tags[name]
        self.tagging = None

    def check(self, http: httpx.Client, main: Objects, log: list[str]) -> None:
        """Compare the model with the server after a kill, and take over which outcome it was."""
        found = self._found(http)
        if found != self.state and not self._is_possible(http, found):
            raise Broken(f"{self.name} is {found}, expected {self.state} or {self.possible} of '{self.message}'")
        self._settle(found)
        mine = {path: md5 for path, md5 in main.items() if path.startswith(f"{self.name}/")}
        if mine not in (self.merged, self.merging):
            raise Broken(f"main has {mine} of {self.name}, expected {self.merged} or {self.merging}")
        if mine != self.merged:
            self.history = {found.head: found.committed}
        self.merged, self.merging = mine, None
        if not set(self.merges) <= set(log):
            raise Broken(f"main lost merges of {self.name}: {set(self.merges) - set(log)}")
        self._check_tags(http)

    def _found(self, http: httpx.Client) -> State:
        head = http.get(f"{self.repository}/branches/{self.name}").raise_for_status().json()["commit_id"]
        below = f"{self.name}/"
        return State(
            head,
            listed(http, f"{self.repository}/refs/{self.name}@", below),
            listed(http, f"{self.repository}/refs/{self.name}", below),
        )

    def _is_possible(self, http: httpx.Client, found: State) -> bool:
        if self.possible is None or self.possible.head:
            return found == self.possible
        commit = http.get(f"{self.repository}/commits/{found.head}").raise_for_status().json()
        made = (commit["message"], commit["parents"]) == (self.message, [self.state.head])
        return made and found == replace(self.possible, head=found.head)

    def _check_tags(self, http: httpx.Client) -> None:
        found = {}
        page: dict[str, Any] = {"pagination": {"has_more": True, "next_offset": ""}}
        while page["pagination"]["has_more"]:
            query = {"prefix": f"{self.name}-", "amount": 1000, "after": page["pagination"]["next_offset"]}
            page = http.get(f"{self.repository}/tags", params=query).raise_for_status().json()
            found.update({tag["id"]: tag["commit_id"] for tag in page["results"]})
        name, head = self.tagging or ("", None)
        possible = {**self.tags, name: head} if head else {k: v for k, v in self.tags.items() if k != name}
        if found not in (self.tags, possible):
            raise Broken(f"tags of {self.name} are {found}, expected {self.tags} or {possible}")
        self.tags, self.tagging = found, None


def listed(http: httpx.Client, ref: str, prefix: str) -> Objects:
    found: Objects = {}
    after, more = "", True
    while more:
        query: dict[str, str] = {"prefix": prefix, "after": after, "amount": "1000"}
        page = http.get(f"{ref}/objects/ls", params=query).raise_for_status().json()
        found.update({item["path"]: item["checksum"] for item in page["results"]})
        after, more = page["pagination"]["next_offset"], page["pagination"]["has_more"]
    return found


@contextmanager
def served(home: Path, kill_at: Callable[[], float] | None) -> Iterator[str | None]:
    """A server and its address, killed at the end; with `kill_at` it is killed so many seconds after its start."""
    command = [sys.executable, "-m", "infra.lakefs", "--home", str(home), "--port", "0"]
    environment = {**os.environ, "LAKEFS_ACCESS_KEY_ID": KEYS[0], "LAKEFS_SECRET_ACCESS_KEY": KEYS[1]}
    with subprocess.Popen(command, stdout=subprocess.PIPE, env=environment) as process:
        assert process.stdout is not None
        try:
            if kill_at is not None:
                time.sleep(kill_at())
                yield None
                return
            line = process.stdout.readline()
            if not line:
                raise Broken(f"the server did not start on what the kill left: status {process.wait()}")
            yield json.loads(line)["url"]
        finally:
            process.kill()


def torture(home: Path, kills: int, seed: int, clients: int = 4, say: Callable[[str], None] = print) -> int:
    """The number of requests that were answered; Broken on the first thing that is not as it must be."""
    say(f"seed {seed}")
    choose = random.Random(seed)
    working: list[Client] = []
    answered = 0
    for number in range(kills):
        if choose.random() < 0.1:
            with served(home, lambda: choose.uniform(0.02, 1.0)):
                pass  # killed while it starts
        with served(home, None) as url:
            assert url is not None
            with httpx.Client(base_url=url, auth=KEYS, timeout=60) as http:
                if working:
                    check(http, home, working)
                if number % NEW_REPOSITORY_EVERY == 0:
                    working = begin(http, f"torture-{number}", clients, choose, working)
            before = sum(client.requests for client in working)
            failures: list[str] = []
            threads = [threading.Thread(target=client.work, args=(url, failures)) for client in working]
            for thread in threads:
                thread.start()
            collecting = threading.Thread(target=collect, args=(home, failures))
            if number % GC_EVERY == 3:
                collecting.start()
            time.sleep(choose.uniform(0.02, 0.8))
        for thread in threads:
            thread.join()
        if collecting.ident is not None:
            collecting.join()
        if failures:
            raise Broken("; ".join(failures))
        answered += sum(client.requests for client in working) - before
        say(f"kill {number + 1}: {answered} requests answered so far")
    with served(home, None) as url:
        assert url is not None
        with httpx.Client(base_url=url, auth=KEYS, timeout=60) as http:
            check(http, home, working)
    return answered


def collect(home: Path, failures: list[str]) -> None:
    """`gc` beside the clients, without the grace that would spare what they just wrote."""
    try:
        gc(home, 0, apply=True)
    except HomeError as error:
        failures.append(f"gc: {error}")


def begin(http: httpx.Client, name: str, clients: int, choose: random.Random, before: list[Client]) -> list[Client]:
    """A new repository with a branch a client; the one before is deleted."""
    if before:
        http.delete(before[0].repository).raise_for_status()
    http.post("/repositories", json={"name": name, "storage_namespace": f"local://{name}"}).raise_for_status()
    made = []
    for number in range(clients):
        branch = {"name": f"w{number}", "source": "main"}
        head = http.post(f"/repositories/{name}/branches", json=branch).raise_for_status().text
        client = Client(f"w{number}", f"/repositories/{name}", State(head), random.Random(choose.random()))
        client.history[head] = {}
        made.append(client)
    return made


def check(http: httpx.Client, home: Path, clients: list[Client]) -> None:
    repository = clients[0].repository
    main = listed(http, f"{repository}/refs/main", "")
    if main != listed(http, f"{repository}/refs/main@", ""):
        raise Broken("something is staged on main, where nobody stages")
    log: list[str] = []
    after, more = "", True
    while more:
        query = {"amount": "1000", "after": after}
        page = http.get(f"{repository}/refs/main/commits", params=query).raise_for_status().json()
        log += [commit["id"] for commit in page["results"]]
        after, more = page["pagination"]["next_offset"], page["pagination"]["has_more"]
    for client in clients:
        client.check(http, main, log)
    if left := list((home / "temp").iterdir()):
        raise Broken(f"temporary files are left: {left}")
    with snapshot(home) as found:
        if damage := fsck(found).damage:
            raise Broken(f"fsck: {damage}")


def main() -> int:
    parser = argparse.ArgumentParser("python -m tests.infra.torture", description=__doc__.splitlines()[0])
    parser.add_argument("--kills", type=int, default=500)
    parser.add_argument("--seed", type=int, default=secrets.randbelow(1 << 32))
    parser.add_argument("--clients", type=int, default=4)
    parser.add_argument("--home", type=Path, help="kept afterwards; a temporary folder otherwise")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        home = given.home or Path(folder) / "home"
        try:
            answered = torture(home, given.kills, given.seed, given.clients)
        except Broken as error:
            print(f"seed {given.seed}: {error}", file=sys.stderr)
            return 1
    print(f"{given.kills} kills, {answered} requests answered, nothing lost")
    return 0


if __name__ == "__main__":
    sys.exit(main())
