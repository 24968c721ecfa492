"""`assay serve`, `assay up`, `assay down`: the service of a home, alone or with the browser, in the foreground."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from catalog.cli import output
from catalog.errors import AssayError, Conflict, Unavailable

if TYPE_CHECKING:
    import psutil

    from catalog.settings import Settings

PATIENCE = 40.0  # seconds; running intents finish their step


def serve(
    home: Annotated[Path | None, typer.Option(help="The home; ASSAY_HOME if absent.")] = None,
    port: Annotated[int, typer.Option(min=0, max=65535, help="Loopback port; 0 takes a free one.")] = 0,
) -> None:
    """Serve a home's API on loopback until a signal, or until it is idle. Clients start it by themselves."""
    from catalog.bootstrap import serve as run
    from catalog.settings import load

    try:
        run(load(home), port)
    except AssayError as error:
        said = {"kind": error.kind, "title": error.what, "where": error.where, "do": error.do}
        if sys.stderr.isatty():
            output.say_error(error, as_json=False)
        else:
            typer.echo(json.dumps(said), err=True)
        raise typer.Exit(error.exit_code) from error


def up(
    port: Annotated[int, typer.Option(min=0, max=65535, help="Loopback port of the browser; 0 takes a free one.")] = 0,
) -> None:
    """Run service and browser in the foreground; Ctrl-C ends both."""
    with output.reported():
        from catalog.client.launch import ensure, find
        from catalog.settings import load

        if find_spec("streamlit") is None:
            raise Unavailable("part-missing", "the browser needs Streamlit", do="pip install assay-catalog[ui]")
        settings = load()
        port = _port(port)
        ours = find(settings) is None
        url = ensure(settings)
        signal.signal(signal.SIGTERM, signal.default_int_handler)
        browser = _browser(settings, port)
        typer.echo(f"service  {url}/api/v1")
        try:
            while browser.poll() is None:
                time.sleep(0.2)
            raise Unavailable("service-unreachable", f"the browser ended with {browser.returncode}", do="try again")
        except KeyboardInterrupt:
            typer.echo("\nending")
        finally:
            browser.terminate()
            browser.wait(timeout=20)
            if ours:
                _end(settings)


def _browser(settings: Settings, port: int) -> subprocess.Popen[bytes]:
    """Streamlit on loopback, without usage statistics.

    It is given the home and not the service's address, so that it starts the service again when that ended idle.
    Whoever opens the printed link may act as any principal whose token lies here; whoever has only the address, which
    every user of this machine can reach, looks.
    """
    import secrets

    import ui

    entry = Path(str(ui.__file__)).parent / "app.py"
    options = {
        "server.address": "127.0.0.1",
        "server.port": str(port),
        "server.headless": "true",
        "browser.gatherUsageStats": "false",
        "server.fileWatcherType": "none",
        "client.toolbarMode": "minimal",
        "client.showErrorLinks": "false",
    }
    flags = [f"--{name}={value}" for name, value in options.items()]
    code = secrets.token_urlsafe(24)
    ours = {"ASSAY_HOME": str(settings.home), "ASSAY_PRINCIPAL": "viewer", "ASSAY_BROWSER_CODE": code}
    typer.echo(f"browser  http://127.0.0.1:{port}/?code={code}")
    command = [sys.executable, "-m", "streamlit", "run", str(entry), *flags]
    return subprocess.Popen(command, env=os.environ | ours, stdout=subprocess.DEVNULL)


def _port(port: int) -> int:
    """The port, or a free one; refused while another process listens there."""
    import socket

    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError as error:
            raise Conflict("port-in-use", f"port {port}: {error.strerror}", do="choose another with --port") from error
        return int(probe.getsockname()[1])


def down() -> None:
    """End the service of this home, if it runs."""
    with output.reported():
        from catalog.settings import load

        typer.echo("ended" if _end(load()) else "no service runs")


def _end(settings: Settings) -> bool:
    """Ask the service to end and wait until it has."""
    import psutil

    from catalog.client.launch import find

    if find(settings) is None:  # a stale address: that process may be somebody else's by now
        return False
    try:
        pid = int(json.loads(settings.address.read_text())["pid"])
        process = psutil.Process(pid)
        process.send_signal(signal.SIGTERM)
    except (OSError, ValueError, KeyError, psutil.NoSuchProcess):
        return False
    deadline = time.monotonic() + PATIENCE
    while _alive(process):
        if time.monotonic() > deadline:
            raise Unavailable("service-unreachable", f"process {pid} does not end", do="look at home/service.log")
        time.sleep(0.05)
    return True


def _alive(process: psutil.Process) -> bool:
    """Whether it runs; one that ended and is not yet reaped by its parent does not."""
    import psutil

    try:
        return process.is_running() and process.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False
