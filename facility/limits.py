"""Limits of what a VO and its people may use at a time. An amount that is not given is not limited."""

from __future__ import annotations

from pydantic import Field

from facility.model import Count, Model, Quantity


class PodLimits(Model):
    """Most that some pods ask for together (the sum of their requests)."""

    cpu: Quantity | None = Field(default=None, description='Cores, such as "64" or 500m.')
    memory: Quantity | None = Field(default=None, description="Memory, such as 256Gi.")
    gpus: Count | None = Field(default=None, description="GPUs.")


class ServerLimits(PodLimits):
    """Most that some notebook servers are and ask for together."""

    servers: Count | None = Field(default=None, description="Running servers.")


class UserLimits(ServerLimits):
    """Limits of one person."""

    home: Quantity | None = Field(
        default=None, description="Size of a home made from now on; the site's unless given. Homes never shrink."
    )


class Limits(Model):
    """Limits of the VO's notebook servers: of all together, and of each person's."""

    total: ServerLimits = Field(default=ServerLimits(), description="All servers of the VO together.")
    user: UserLimits = Field(default=UserLimits(), description="The servers of one person together.")
