"""The names by which a VO's jobs ask for tokens (`use_oauth_services`), and what each is a token for."""

from __future__ import annotations

from facility.vo import VirtualOrganization


def of_jobs(vo: VirtualOrganization) -> dict[str, str]:
    """Audience by name. The lake's, which every job has, is first and named as the VO is.

    Further lakes with an audience of their own are `lake2` and so on, as in notebooks; then what `spec.services` has
    for jobs, whose names are none of these.
    """
    lakes = dict.fromkeys(lake.audience for lake in vo.spec.lakes)
    named = {vo.name if number == 1 else f"lake{number}": audience for number, audience in enumerate(lakes, 1)}
    return named | {one.name: one.audience for one in vo.spec.services if "job" in one.consumers}


def always(vo: VirtualOrganization) -> str:
    """The name that every job has without asking for it; empty where there is no lake."""
    return vo.name if vo.spec.lakes else ""
