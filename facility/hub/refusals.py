"""Why a server does not start, in a sentence for the person, whichever page or program they asked by.

JupyterHub 6.1 takes the sentence from three places: `message` (API and error page), `jupyterhub_message` (the start
page, the page of a failed start, and its progress), and `log_message` (the log, where no traceback comes with it).
"""

from __future__ import annotations

import json
from typing import Any

from jupyterhub.spawner import SpawnException
from kubernetes_asyncio.client import ApiException

_QUOTA = "exceeded quota"


class Refused(SpawnException):  # type: ignore[misc]
    """No server, as things stand. `reason` is a label of JupyterHub's metrics, such as `limit`."""

    def __init__(self, message: str, *, reason: str, status_code: int = 403) -> None:
        super().__init__(message, reason=reason, status_code=status_code)
        self.jupyterhub_message = message


def of_api(error: ApiException) -> Refused | None:
    """The API server's refusal of a pod or volume as it is; None for what another try may cure."""
    if error.status not in (403, 422):
        return None
    said = _said(error.body)
    if error.status == 403 and _QUOTA in said:
        return Refused(
            f"The cluster has no room for this server within your virtual organization's quota ({_terms(said)}). "
            "Choose a smaller one, stop one of yours, or try again later.",
            reason="quota",
            status_code=429,
        )
    return Refused(
        f"The cluster does not take this server: {said or 'it gives no reason'}. Tell the facility's administrators.",
        reason="cluster",
    )


def _said(body: Any) -> str:
    """The message of a Kubernetes Status."""
    try:
        found = json.loads(body)
    except (TypeError, ValueError):
        return ""
    message = found.get("message") if isinstance(found, dict) else ""
    return message if isinstance(message, str) else ""


def _terms(said: str) -> str:
    """`requested: …, used: …, limited: …` of the API server's sentence."""
    _, _, tail = said.partition(_QUOTA)
    return tail.partition(", ")[2] or tail.strip(": ")
