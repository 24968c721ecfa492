"""`assay-edge`: the device's own command. Heavy imports are late, so that help answers at once."""

from __future__ import annotations

import argparse
import json
import os
import shlex
import signal
import sys
import threading
from pathlib import Path
from typing import TYPE_CHECKING, Any

from infra.edge.errors import FULL, EdgeError, Unavailable

if TYPE_CHECKING:
    from infra.edge.device import Device
    from infra.edge.fetch import Source

INTERRUPTED, READER_GONE = 130, 141
RETURNED = 3
HOME = Path("/var/lib/assay-edge")


def main(words: list[str] | None = None) -> int:
    """Run one command; returns its exit code."""
    given = _parser().parse_args(words)
    try:
        return _run_one(given)
    except BrokenPipeError:
        code = READER_GONE
    except OSError as error:
        if error.errno not in FULL:
            raise
        what = f"the answer cannot be written: {error.strerror}"
        unwritten = Unavailable("disk-full", what, "free space, or write it elsewhere")
        _say_error(unwritten, as_json=False)
        code = unwritten.exit_code
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # what is left of the answer is dropped
    return code


def _run_one(given: argparse.Namespace) -> int:
    """The act and its answer, written to the end."""
    try:
        code: int = given.act(given)
    except EdgeError as error:
        _say_error(error, as_json=given.json)
        code = error.exit_code
    except KeyboardInterrupt:
        print("interrupted; nothing is half-done", file=sys.stderr)
        code = INTERRUPTED
    sys.stdout.flush()
    return code


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        "assay-edge",
        description="Install and start only what was released for this device; refuse anything else, and say why.",
    )
    commands = parser.add_subparsers(metavar="COMMAND", required=True)
    common = argparse.ArgumentParser(add_help=False)
    common.add_argument("--home", type=Path, default=HOME, help=f"the device's home (default {HOME})")
    common.add_argument("--json", action="store_true", help="say it as JSON")

    def add(name: str, act: Any, about: str) -> argparse.ArgumentParser:
        command = commands.add_parser(name, parents=[common], help=about, description=about)
        command.set_defaults(act=act)
        return command

    _provision_options(
        add("provision", _provision, "make this device's key, token and home, and a request to enrol it")
    )
    about = "the service's address, or a folder such as a USB stick (default: as provisioned)"
    pulled = add("pull", _pull, "fetch, verify and install what is released for this device")
    pulled.add_argument("--from", dest="source", metavar="URL|FOLDER", help=about)
    started = add(
        "start", _start, "verify every file again, then run a command on a private copy of them ($EDGE_FILES)"
    )
    started.add_argument("command", nargs="+", metavar="-- CMD", help="the command and its words")
    add("status", _status, "what is installed, whether it may start now, and if not, why")
    reported = add("report", _report, "deliver the reports that wait")
    reported.add_argument("--from", dest="source", metavar="URL", help="the service's address")
    add("head", _head, "the newest audit head this device was shown: SIZE:sha256:ROOT")
    polled = add("run", _run, "pull, check and report, again and again, until a signal")
    polled.add_argument(
        "--every", type=_seconds, default=60.0, metavar="SECONDS", help="between two rounds (default 60)"
    )
    polled.add_argument("--from", dest="source", metavar="URL|FOLDER", help=about)
    return parser


def _provision_options(command: argparse.ArgumentParser) -> None:
    command.add_argument("--name", required=True, help="the device's name")
    command.add_argument("--device-class", required=True, help="the class whose releases it takes")
    command.add_argument("--environment", required=True, help="such as demo")
    command.add_argument("--hardware", required=True, help="what it is; `any` takes only releases for any hardware")
    command.add_argument("--site", help="where it stands")
    command.add_argument(
        "--root", type=Path, required=True, metavar="FILE", help="the release repository's 1.root.json"
    )
    command.add_argument("--root-digest", required=True, metavar="sha256:…", help="of that file, from somebody trusted")
    command.add_argument("--from", dest="source", metavar="URL|FOLDER", help="where it pulls from by default")
    command.add_argument(
        "--safe-state", default="", metavar="CMD", help="the site's command before a change (no shell)"
    )
    command.add_argument("--health", default="", metavar="CMD", help="the site's check after a change (no shell)")


def _seconds(value: str) -> float:
    seconds = float(value)
    if not 0 < seconds <= 86400:
        raise argparse.ArgumentTypeError("more than 0 and at most 86400 seconds")
    return seconds


def _provision(given: argparse.Namespace) -> int:
    from infra.edge.provision import provision

    request = provision(
        given.home,
        name=given.name,
        device_class=given.device_class,
        environment=given.environment,
        hardware=given.hardware,
        site=given.site,
        root=given.root,
        root_digest=given.root_digest,
        source=given.source,
        safe_state=tuple(shlex.split(given.safe_state)),
        health=tuple(shlex.split(given.health)),
    )
    enrol = given.home / "enrol.json"
    _say(
        given,
        {"home": str(given.home), "request": request},
        f"made {given.home}\n  next, by an approver: assay device enrol {enrol} --as APPROVER",
    )
    return 0


def _pull(given: argparse.Namespace) -> int:
    from infra.edge.document import utc_text
    from infra.edge.pull import pull

    device = _device(given)
    done = pull(device, _source(given, device))
    times = {name: utc_text(at) for name, at in done.times.items()}
    lines = [f"{done.event}: release {done.number} ({done.model_name}), lease until {utc_text(done.lease_until)}"]
    lines += [f"  {name:<10} {at}" for name, at in times.items()]
    lease = utc_text(done.lease_until)
    data = {"event": done.event, "release": done.release, "number": done.number, "model_name": done.model_name}
    _say(given, {**data, "lease_until": lease, "times": times}, "\n".join(lines))
    return RETURNED if done.event == "returned" else 0


def _start(given: argparse.Namespace) -> int:
    from infra.edge.start import start

    return start(_device(given), given.command)


def _status(given: argparse.Namespace) -> int:
    from infra.edge.status import status

    told = status(_device(given))
    shown = {name: value for name, value in told.items() if name not in ("kind", "why") or value}
    width = max(map(len, shown))
    lines = (f"{name.replace('_', ' '):<{width}}  {_plain(value)}" for name, value in shown.items())
    _say(given, told, "\n".join(lines))
    return 0


def _report(given: argparse.Namespace) -> int:
    from infra.edge.fetch import HttpSource
    from infra.edge.report import deliver

    device = _device(given)
    source = _source(given, device)
    if not isinstance(source, HttpSource):
        do = "name the service's address with --from; reports wait until then"
        raise Unavailable("source-missing", "a folder takes no reports", do)
    with device.locked():
        taken, aside = deliver(device, source)
    _say(
        given,
        {"delivered": taken, "refused": aside},
        f"{taken} delivered" + (f", {aside} refused by the service and set aside" if aside else ""),
    )
    return 0


def _head(given: argparse.Namespace) -> int:
    head = _device(given).state().head
    if head is None:
        raise Unavailable("source-missing", "this device was never shown an audit head", "run `assay-edge pull`")
    _say(given, {"head": str(head), **head.document()}, str(head))
    return 0


def _run(given: argparse.Namespace) -> int:
    from infra.edge.poll import run

    device, ended = _device(given), threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: ended.set())

    def show(told: dict[str, Any]) -> None:
        words = " ".join(f"{name}={value}" for name, value in told.items() if value not in ("", None))
        _say(given, told, words)
        sys.stdout.flush()

    run(device, _source(given, device), given.every, ended, show)
    return 0


def _device(given: argparse.Namespace) -> Device:
    from infra.edge.device import Device as Opened

    return Opened(given.home)


def _source(given: argparse.Namespace, device: Device) -> Source:
    from infra.edge.fetch import source

    named = given.source or device.enrolment.source
    if named is None:
        raise Unavailable("source-missing", "nobody said where to fetch from", "name it with --from URL or FOLDER")
    return source(named, device.token())


def _say(given: argparse.Namespace, data: dict[str, Any], shown: str) -> None:
    print(json.dumps(data, sort_keys=True) if given.json else escaped(shown))


def _say_error(error: EdgeError, *, as_json: bool) -> None:
    if as_json:
        print(json.dumps({"error": {"kind": error.kind, "what": error.what, "do": error.do}}, sort_keys=True))
    else:
        print(escaped(f"assay-edge: {error.kind}: {error}"), file=sys.stderr)


def _plain(value: Any) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, list) and value:
        return ", ".join(map(str, value))
    return "none" if value is None or value == [] else str(value)


def escaped(shown: str) -> str:
    """Text that somebody else wrote must not steer the terminal."""
    return "".join(c if c.isprintable() or c == "\n" else c.encode("unicode_escape").decode() for c in shown)


if __name__ == "__main__":
    sys.exit(main())
