"""A process that has secrets in memory leaves none of them behind, however it ends.

No core file, whatever collects them: the limit stops files, and a process that is not dumpable (prctl(2)) also pipes
such as systemd-coredump's, and lets no other process of its user look into it. Exceptions that nobody caught are told
by their kind and place; their texts, and the tasks and records that they come with, may quote anything.
"""

from __future__ import annotations

import asyncio
import ctypes
import logging
import os
import resource
import sys
import threading
import traceback
from typing import Any

log = logging.getLogger(__name__)
_SET_DUMPABLE = 4  # <linux/prctl.h>


def keep_secrets() -> None:
    """Makes this process one that leaves nothing behind. Raises OSError when the kernel refuses."""
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.prctl(_SET_DUMPABLE, 0, 0, 0, 0):
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))
    logging.raiseExceptions = False  # a record that cannot be written would be printed with all that is in it
    sys.excepthook = lambda _kind, error, _trace: _tell(error)
    sys.unraisablehook = lambda found: _tell(found.exc_value)
    threading.excepthook = lambda found: _tell(found.exc_value)


def forbid_core_files() -> None:
    """No core file of this process nor of any program that it becomes, which cannot be made undumpable from here.

    One byte and not none: so little is no file, and by exactly this limit the kernel also hands nothing to a program
    that collects core files, which it does whatever else the limit is (core(5), fs/coredump.c).
    """
    resource.setrlimit(resource.RLIMIT_CORE, (1, 1))


def of_loop(loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
    """An event loop's exception handler that tells no more than it must."""
    _tell(context.get("exception"))


def place(error: BaseException) -> str:
    """The kind of an exception and where it was raised, without its text."""
    frames = traceback.extract_tb(error.__traceback__)
    where = f" in {frames[-1].filename}, line {frames[-1].lineno} ({frames[-1].name})" if frames else ""
    return f"{type(error).__name__}{where}"


def _tell(error: BaseException | None) -> None:
    log.critical("uncaught: %s", "something that is no exception" if error is None else place(error))
