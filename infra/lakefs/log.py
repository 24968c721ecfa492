"""What went wrong inside, on stderr. A log that cannot be written stops nobody: its disk may be the full one."""

from __future__ import annotations

import sys
import traceback
from contextlib import suppress


def log_failure(error: BaseException) -> None:
    with suppress(OSError):
        traceback.print_exception(error, file=sys.stderr)
