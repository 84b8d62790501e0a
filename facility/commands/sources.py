"""Where a command gets its token from: the agent of a pod, the files of a job, or a session of this machine."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from facility.agent import files
from facility.commands.agent import Agent
from facility.commands.asking import Source

_AGENT = "/run/token"


def source(environment: Mapping[str, str], vo: str = "") -> Source:
    """The place that this process has its tokens from; `vo`: whose, where several are possible.

    Raises:
        NoTokenError: it has none, or `vo` is not the pod's.
    """
    if at_facility(environment) and vo in ("", environment.get("FACILITY_VO", "")):
        return _here(environment)
    from facility.commands.machine import machine  # with all of https; a pod's commands start without it

    return machine(environment, vo)


def _here(environment: Mapping[str, str]) -> Source:
    """A job has its own files even where its submitter's environment came along."""
    creds, first = environment.get("_CONDOR_CREDS"), environment.get("BEARER_TOKEN_FILE")
    if not creds:
        return Agent(_pod(environment))
    from facility.commands.job import Job

    return Job(Path(creds), Path(first) if first else None)


def at_facility(environment: Mapping[str, str]) -> bool:
    """Whether this is a pod with an agent, or a job of HTCondor's."""
    pod = "AGENT_DIRECTORY" in environment or (_pod(environment) / files.SOCKET).exists()
    return pod or bool(environment.get("_CONDOR_CREDS"))


def _pod(environment: Mapping[str, str]) -> Path:
    return Path(environment.get("AGENT_DIRECTORY", _AGENT))
