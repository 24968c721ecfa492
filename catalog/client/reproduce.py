"""Reproduce a run: its pinned code on its recorded inputs, in a child that has no key, no token and no service.

The child is the trainer's code, under the evaluator's account: it is given no name of home or keys, an empty home and a
bare environment, and its group is killed at the end. What one account can read by a name that the code knows already,
the child can read too.
"""

from __future__ import annotations

import math
import os
import re
import secrets
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import IO, TYPE_CHECKING, NoReturn

from catalog.client import environment
from catalog.client.bytes import model_files, verified_write
from catalog.client.evaluation import load_harness
from catalog.client.offline import MODELS
from catalog.domain.approved import Approved
from catalog.domain.base import sha256
from catalog.domain.clock import wall_clock
from catalog.domain.harness import Probing
from catalog.domain.model import Model
from catalog.domain.reproduction import Answers, Probe, Reproduced, ReproductionStatement, compared, same_host_class
from catalog.domain.run import Run, VersionInput, numeric
from catalog.domain.statement import Subject
from catalog.errors import AssayError, Refused

if TYPE_CHECKING:
    from catalog.client.catalog import Catalog

Progress = Callable[[float, str], None]
TIMES, GRACE = 4.0, 600.0  # a reproduction may take so many times the run, and these seconds
STEP = 0.2


@dataclass(frozen=True)
class _Place:
    """The folders of one reproduction."""

    work: Path

    @property
    def code(self) -> Path:
        return self.work / "code"

    @property
    def home(self) -> Path:
        return self.work / "home"

    @property
    def models(self) -> Path:
        return self.work / "out" / MODELS


def reproduce(
    catalog: Catalog, run_id: str, repository: Path, harness: str | None, progress: Progress
) -> list[ReproductionStatement]:
    """What to sign about each model that the run registered and its reproduction made again.

    Raises `Refused("not-reproducible")` where the run cannot be run again: that proves nothing about it.
    """
    run = catalog.run(run_id)
    _possible(run, catalog.principal)
    started = wall_clock()
    with tempfile.TemporaryDirectory(prefix="assay-reproduce-") as temporary:
        place = _Place(Path(temporary))
        place.home.mkdir()
        _check_out(run, repository, place.code)
        answers = _answers(catalog, run, place)
        (place.work / "answers.json").write_bytes(answers.canonical())
        _train(run, place, progress)
        finished = wall_clock()
        here = environment.environment() | {"numeric": run.start.environment.get("numeric", "")}
        made = []
        for model in (catalog.model(digest).model for digest in run.outputs):
            folder = place.models / model.manifest.name
            if not folder.is_dir():
                _refuse(f"the reproduction registered no model {model.manifest.name!r}", "look at the job")
            files = model_files(folder)
            probe = None
            if compared(model.manifest.files, files) and not same_host_class(run, here):
                probe = _probe(catalog, model, folder, harness, place)
            said = Reproduced(
                run=run.id,
                evaluator=catalog.principal,
                commit=run.start.code.commit,
                difference_digest=run.start.code.difference_digest,
                command=run.start.code.command,
                environment=here,
                started_at=started,
                finished_at=finished,
                files=files,
                probe=probe,
            )
            subject = Subject.of_model(model.manifest.name, model.digest_)
            made.append(ReproductionStatement(subject=(subject,), predicate=said))
    return made


def _possible(run: Run, principal: str) -> None:
    code = run.start.code
    if run.by == principal:
        what = f"{principal} is the author of run {run.id}"
        raise Refused("separation-of-duties", what, do="let an evaluator who is not reproduce it")
    if run.end is None or run.end.status != "finished" or not run.outputs:
        _refuse("the run did not finish with a registered model", "there is nothing to compare with")
    if not re.fullmatch(r"[0-9a-f]{40}|[0-9a-f]{64}", code.commit):
        _refuse(f"the commit of the code is not known ({code.commit[:100]})", "train from a git work tree")
    if code.difference_digest is not None and sha256(code.difference.encode()) != code.difference_digest:
        _refuse("the difference of the code from its commit was cut", "commit the code and train again")
    if not code.command or code.directory is None:
        _refuse("the command was not recorded, or ran outside the work tree", "train again with this client")
    if not Path(code.command[0]).name.startswith("python"):
        _refuse(f"the command is no Python program: {code.command[0][:100]}", "train with a Python program")
    if any(not isinstance(item, VersionInput) for item in run.inputs):
        _refuse("it used a local folder, which nobody can hand out again", "register and approve that data")


def _check_out(run: Run, repository: Path, target: Path) -> None:
    """The pinned commit with the recorded difference, in a work tree of its own."""
    code, top = run.start.code, str(repository.resolve())
    if _git("-C", top, "cat-file", "-e", f"{code.commit}^{{commit}}").returncode != 0:
        _refuse(f"{top} has no commit {code.commit}", "name the repository of the code with --repository")
    for words in (
        ("clone", "--quiet", "--shared", "--no-checkout", top, str(target)),
        ("-C", str(target), "checkout", "--quiet", "--detach", code.commit),
    ):
        if (done := _git(*words)).returncode != 0:
            _refuse(f"git {words[0]}: {done.stderr.decode(errors='replace').strip()[-400:]}", "look at the repository")
    if code.difference:
        apply = ("-C", str(target), "apply", "--binary", "--whitespace=nowarn", "-")
        if (done := _git(*apply, given=code.difference.encode())).returncode != 0:
            said = done.stderr.decode(errors="replace").strip()[-400:]
            _refuse(f"the recorded difference does not apply: {said}", "commit the code and train again")


def _git(*words: str, given: bytes = b"") -> subprocess.CompletedProcess[bytes]:
    """Git without hooks and without anybody's configuration."""
    bare = {k: v for k, v in os.environ.items() if not k.startswith(("GIT_", "ASSAY_"))}
    bare |= {"GIT_CONFIG_GLOBAL": os.devnull, "GIT_CONFIG_NOSYSTEM": "1", "GIT_TERMINAL_PROMPT": "0"}
    command = ["git", "-c", f"core.hooksPath={os.devnull}", "-c", "core.fsmonitor=false", *words]
    try:
        return subprocess.run(command, env=bare, input=given, capture_output=True, check=False, timeout=GRACE)
    except (OSError, subprocess.TimeoutExpired) as error:
        return subprocess.CompletedProcess(command, 1, b"", str(error).encode())


def _answers(catalog: Catalog, run: Run, place: _Place) -> Answers:
    """The recorded inputs, every object copied and verified, so that the child is told no place in the home."""
    approved: list[Approved] = []
    for number, item in enumerate(run.inputs):
        if not isinstance(item, VersionInput):
            continue
        try:
            found = catalog.approved(item.dataset, item.tag)
        except AssayError as error:
            _refuse(f"{item.dataset} {item.tag} is not handed out any more: {error.what}", "see `assay dataset show`")
        if found.manifest_digest != item.manifest_digest:
            _refuse(f"{item.dataset} {item.tag} is {found.manifest_digest}, the run had {item.manifest_digest}", "look")
        folder = place.work / "data" / str(number)
        for entry in found.objects:
            verified_write(folder / entry.path, (Path(found.folder) / entry.path).read_bytes(), entry.sha256)
        approved.append(found.model_copy(update={"folder": str(folder)}))
    return Answers(run=run, approved=tuple(approved), out=str(place.work / "out"))


def _train(run: Run, place: _Place, progress: Progress) -> None:
    """Run the recorded command; raises `Refused` when it does not end well."""
    code = run.start.code
    seconds = (run.ended_at - run.started_at).total_seconds() if run.ended_at is not None else 0.0
    limit, began = TIMES * seconds + GRACE, time.monotonic()
    with (place.work / "said").open("w+b") as said:
        with _child([sys.executable, *code.command[1:]], place, run, said) as process:
            while (status := process.poll()) is None:
                if time.monotonic() - began > limit:
                    _refuse(f"it did not end within {limit:.0f} s", "reproduce where there is more time")
                progress(min(0.99, (time.monotonic() - began) / max(1.0, seconds)), "train again")
                time.sleep(STEP)
        said.seek(max(0, said.seek(0, os.SEEK_END) - 2000))
        last = said.read().decode(errors="replace").strip().splitlines()[-1:]
    if status != 0:
        _refuse(
            f"the command ended with status {status}: {''.join(last)[:400]}",
            "commit what it needs and git does not know, and train again",
        )


@contextmanager
def _child(command: list[str], place: _Place, run: Run, said: IO[bytes]) -> Iterator[subprocess.Popen[bytes]]:
    """The job in a bare environment, in a group of its own that ends here."""
    recorded = (line.partition("=") for line in run.start.environment.get("numeric", "").splitlines())
    bare = numeric({name: value for name, _, value in recorded})
    bare |= {"PATH": os.defpath, "HOME": str(place.home), "TMPDIR": str(place.home), "LANG": "C.UTF-8"}
    bare["ASSAY_REPRODUCE"] = str(place.work / "answers.json")
    where = place.code / (run.start.code.directory or ".")
    if not where.is_dir() or not where.resolve().is_relative_to(place.code.resolve()):
        _refuse(f"the code has no folder {run.start.code.directory}", "look at the commit")
    process = subprocess.Popen(
        command,
        cwd=where,
        env=bare,
        stdin=subprocess.DEVNULL,
        stdout=said,
        stderr=subprocess.STDOUT,
        start_new_session=True,
    )
    try:
        yield process
    finally:
        with suppress(ProcessLookupError, PermissionError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()


def _probe(catalog: Catalog, model: Model, made: Path, harness: str | None, place: _Place) -> Probe:
    """Both models' actions on observations drawn now: on another host class bytes may differ, actions may not."""
    if harness is None:
        _refuse("the files differ, and this is another host class than the run's", "name a harness with --harness")
    module = load_harness(harness)
    if not isinstance(module, Probing):
        _refuse(f"harness {harness!r} has no probe() and TOLERANCE", "see docs/evaluation.md")
    registered = place.work / "registered"
    catalog.fetch_model(model, registered)
    seed = secrets.randbits(62)
    one, other = module.probe(registered, seed), module.probe(made, seed)
    if len(one) != len(other) or not one or not all(map(math.isfinite, (*one, *other))):
        _refuse("the probe gave no actions to compare", "look at the harness")
    largest = max(abs(a - b) for a, b in zip(one, other, strict=True))
    return Probe(
        harness=module.NAME,
        version=module.VERSION,
        seed=seed,
        actions=len(one),
        largest=largest,
        tolerance=module.TOLERANCE,
    )


def _refuse(what: str, do: str) -> NoReturn:
    raise Refused("not-reproducible", what, do=do)
