"""What holds a notebook's start until its agent has done its first round, run in the agent's container by the kubelet.

A shell and not Python, because an interpreter that starts beside the agent's own takes time from it (it was 0.04 s of
each spawn). It never fails, as the kubelet would end the agent for that. The socket's file is enough here: one that an
agent left behind can only be met when the container starts again, and then the notebook has long been running.
"""

from __future__ import annotations

_TURNS = 6000  # of 0.01 s: a minute, or somewhat more
_UNTIL = 'n=0; until [ -S "$0" ] || [ $n -ge "$1" ]; do sleep 0.01; n=$((n+1)); done'


def hold(socket: str, turns: int = _TURNS) -> list[str]:
    """The command that ends with 0 when there is a socket at the path `socket`, or after `turns` looks of 0.01 s."""
    return ["sh", "-c", _UNTIL, socket, str(turns)]
