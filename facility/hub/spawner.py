"""kubespawner, with what a person's VO says about their servers: profile, home, limits, and refusals in sentences.

The shape of the pod itself is plain configuration (facility.hub.pod), so all that is usual with kubespawner works.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from contextvars import ContextVar
from typing import Any, ClassVar

from jupyterhub.spawner import SpawnException
from kubernetes_asyncio.client import ApiException, V1Pod
from kubespawner import KubeSpawner
from traitlets import Instance

from facility import names
from facility.hub import profiles
from facility.hub.promptness import Promptness
from facility.hub.refusals import Refused, of_api
from facility.site import Site
from facility.vo import VirtualOrganization

Pod = Mapping[str, Any]
#: set within the start of a server, and for nobody who asks about it from elsewhere
_STARTING: ContextVar[Promptness | None] = ContextVar("starting", default=None)


class VOSpawner(KubeSpawner):  # type: ignore[misc]
    """One server of a person of a VO."""

    site = Instance(Site, help="The site's settings.").tag(config=True)
    #: pods that are being made, by name: the reflector hears of them a moment later, when the next one may be asked for
    making: ClassVar[dict[str, Pod]] = {}

    @property
    def groups(self) -> list[str]:
        """The hub's groups of the person."""
        return [group.name for group in self.user.groups]

    async def virtual_organization(self) -> VirtualOrganization:
        """The person's VO. Raises Refused when there is none, or it is closed."""
        try:
            name, _ = names.split_hub_user(self.user.name)
        except names.BadNameError as error:
            raise Refused(f"{error}.", reason="name") from None
        vo: VirtualOrganization | None = await self.authenticator.virtual_organization(name)
        if vo is None:
            raise Refused(f"The virtual organization {name} is not set up here any more.", reason="vo")
        if vo.closed:
            raise Refused(f"The virtual organization {name} {vo.closed}.", reason="vo")
        return vo

    def others(self) -> list[Pod]:
        """All servers that run or start, of everybody, but for this one."""
        reflected = {pod["metadata"]["name"]: pod for pod in self.pod_reflector.pods.values()}
        return [pod for name, pod in (self.making | reflected).items() if name != self.pod_name]

    async def load_user_options(self) -> None:
        """Take the profile asked for, if it is there for this person, and the home's size. Raises Refused."""
        vo = await self.virtual_organization()
        try:
            profiles.chosen(vo, self.groups, self.user_options.get("profile"))
        except Refused:
            self.orm_spawner.user_options = {}  # kept, it would be what each later start without a choice means
            raise
        self.storage_capacity = vo.spec.limits.user.home or self.site.home_size
        self.storage_extra_labels.update(self.labels())
        await super().load_user_options()

    def labels(self) -> dict[str, str]:
        """Whose all of this is, by VO and owner."""
        vo, person = names.split_hub_user(self.user.name)
        return {names.LABEL_VO: vo, names.LABEL_OWNER: names.owner(vo, person)}

    def start(self) -> asyncio.Future[Any]:
        """As kubespawner does, seen promptly; the API server's refusals become sentences."""
        self._pvc_exists = False  # kubespawner makes a home once, and waits for ever for one that was removed since
        promptness = Promptness(self.start_timeout)
        before = _STARTING.set(promptness)
        try:
            return asyncio.ensure_future(self._told(super().start(), promptness))
        finally:
            _STARTING.reset(before)

    async def _told(self, start: asyncio.Future[Any], promptness: Promptness) -> Any:
        try:
            url = await start
        except ApiException as error:
            raise of_api(error) or _short(error) from None
        finally:
            self.making.pop(self.pod_name, None)
        await promptness.until_reached(url)
        return url

    def is_pod_running(self, pod: Pod | None) -> Any:
        """As kubespawner's. Its own start, which looks again after ever longer pauses, is given an answer to await."""
        promptness = _STARTING.get()
        if promptness is None or promptness.over:
            return super().is_pod_running(pod)
        runs, key = super().is_pod_running, f"{self.namespace}/{self.pod_name}"
        return promptness.until(lambda: bool(runs(self.pod_reflector.pods.get(key))))

    def _get_pod_port(self, pod: Pod) -> int:
        """kubespawner's own stumbles over a container without ports, as the agent before the notebook is one."""
        named = (port for one in pod["spec"]["containers"] for port in one.get("ports") or ())
        return next(int(port["containerPort"]) for port in named if port.get("name") == "notebook-port")

    async def _make_create_pod_request(self, pod: V1Pod, request_timeout: float) -> bool:
        """kubespawner's own prints a pod that is refused, with the server's token in its environment."""
        try:
            await asyncio.wait_for(self.api.create_namespaced_pod(self.namespace, pod), request_timeout)
        except TimeoutError:
            return False
        except ApiException as error:
            if error.status != 409:
                raise of_api(error) or _short(error) from None
            # one of that name is there: kubespawner ends it, and tries again
            made: bool = await super()._make_create_pod_request(pod, request_timeout)
            return made
        return True


def _short(error: ApiException) -> SpawnException:
    """Without the headers and the body that the exception would print."""
    return Refused(
        f"The cluster did not make this server ({error.status} {error.reason}). Try again in a minute.",
        reason="cluster",
        status_code=503,
    )
