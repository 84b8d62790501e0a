"""How an execute pod leaves: it takes no more jobs, those that run end, then HTCondor ends and the pod with it.

Its pod is told so by an annotation (`facility.names.ANNOTATION_RETIRE`), or tells itself when half of the life of its
identity is over: from then on HTCondor would be refused sooner or later, wherever it makes a new connection. Nothing is
killed for it. HTCondor is told by a line of configuration and a signal, as nobody has the right to give it commands.
"""

from __future__ import annotations

import base64
import json
import os
from collections.abc import Callable
from pathlib import Path

from facility.condor import layout

#: an idle pod that should leave does so at once
TEXT = "TAKES_JOBS = False\nSTARTD_NOCLAIM_SHUTDOWN = 1\n"


class Retirement:
    """Looks whether the pod should leave, and sees to it once."""

    def __init__(
        self,
        reread: Callable[[], None],
        now: Callable[[], float],
        say: Callable[[str], None],
        asked: Path = layout.RETIRE,
        token: Path = layout.MOUNTED_TOKEN,
        leaving: Path = layout.LEAVING,
    ) -> None:
        """`reread`: has HTCondor read its configuration again; raises OSError when it is not there to do so."""
        self._reread, self._now, self._say = reread, now, say
        self._asked, self._token, self._leaving = asked, token, leaving
        self._done, self._trouble = False, ""

    def look(self) -> None:
        """Leave, if it is time to. What fails is told once, and tried again."""
        if self._done:
            return
        try:
            if reason := self._reason():
                self._leave()
                self._say(f"no more jobs: {reason}")
        except (OSError, ValueError) as error:
            if str(error) != self._trouble:
                self._say(f"cannot tell whether to take more jobs: {error}")
            self._trouble = str(error)

    def _reason(self) -> str:
        asked = self._asked.read_text().strip() if self._asked.is_file() else ""
        if asked:
            return asked
        begun, end = lifetime(self._token.read_text())
        return "half of the life of this pod's identity is over" if self._now() >= (begun + end) / 2 else ""

    def _leave(self) -> None:
        partial = self._leaving.with_suffix(".new")
        partial.write_text(TEXT)
        os.replace(partial, self._leaving)
        self._reread()
        self._done = True


def lifetime(token: str) -> tuple[float, float]:
    """From when until when a JWT is good, in seconds since the epoch. It is not checked. Raises ValueError."""
    parts = token.split(".")
    if len(parts) != 3:
        raise ValueError("the pod's identity is no token")
    claims = json.loads(base64.urlsafe_b64decode(parts[1] + "=" * (-len(parts[1]) % 4)))
    if not {"iat", "exp"} <= claims.keys():
        raise ValueError("the pod's identity does not say how long it is good")
    return float(claims["iat"]), float(claims["exp"])
