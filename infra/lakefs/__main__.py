"""The command line of the server; usage in the package's docstring, verbs on a home in `command`."""

from __future__ import annotations

import argparse
import json
import os
import sys
from functools import partial
from pathlib import Path

from infra.lakefs.errors import HomeError
from infra.lakefs.home import chosen_credentials, environment_credentials


def main() -> int:
    if len(sys.argv) > 1 and not sys.argv[1].startswith("-"):
        from infra.lakefs.command import main as care

        return care(sys.argv[1:])
    parser = argparse.ArgumentParser(
        "python -m infra.lakefs",
        description="An embedded server of lakeFS's HTTP API.",
        epilog="fsck, gc, backup and restore look after a home: python -m infra.lakefs fsck --help",
    )
    parser.add_argument("--home", type=Path, required=True, help="the folder that holds everything; made when absent")
    parser.add_argument("--port", type=int, required=True, help="on 127.0.0.1; 0 takes a free one")
    parser.add_argument("--access-key", help="default: LAKEFS_ACCESS_KEY_ID, or generated in the home")
    parser.add_argument(
        "--secret-key",
        help="default: LAKEFS_SECRET_ACCESS_KEY, which others cannot see among processes, or generated in the home",
    )
    parser.add_argument(
        "--allow-import", type=Path, action="append", default=[], metavar="DIR", help="may be imported from; repeatable"
    )
    parser.add_argument("--presign", action="store_true", help="offer presigned URLs for reading and staging")
    parser.add_argument(
        "--until-stdin-ends", action="store_true", help="end when stdin is closed, as with a supervisor"
    )
    parser.add_argument(
        "--allow-env",
        action="append",
        default=[],
        metavar="NAME",
        help="let action files use {{ ENV.NAME }}; repeatable",
    )
    parser.add_argument(
        "--exact-history",
        action="store_true",
        help="show a commit that was cherry-picked as it is, which the recorded lakeFS does not",
    )
    given = parser.parse_args()
    from infra.lakefs.server import Options, clock, serve
    from infra.lakefs.share import Wanted, serve_or_share

    try:
        chosen = chosen_credentials(given.access_key, given.secret_key, "--access-key and --secret-key")
        keys, alone = chosen or environment_credentials(), given.until_stdin_ends
        options = Options(given.allow_import, given.presign, given.allow_env, given.exact_history)
        begin = partial(serve, given.home, given.port, keys, options, until_stdin_ends=alone)
        wanted = Wanted(given.port, keys, options.offers())
        running = serve_or_share(begin, given.home, wanted, clock, alone=alone)
    except HomeError as error:
        print(f"lakefs: {error}", file=sys.stderr)
        return 2
    if running is not None:
        print(json.dumps(running), flush=True)
    return 0


if __name__ == "__main__":
    status = main()
    sys.stdout.flush()
    os._exit(status)  # all is closed; threads that wait for the answer of a hook do not meet the interpreter's end
