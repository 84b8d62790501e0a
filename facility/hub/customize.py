"""The chart's values become traitlets' configuration, after the facility's own. Order: named values, then hub.config,
then hub.extraConfig, as in zero-to-jupyterhub; facility.hub.guard looks at the result."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from facility.hub.merging import by_name
from facility.hub.values import Affinity, Hub, Objects, Singleuser, Storage, UserPods, Values
from facility.site import Resources, Site

_PURPOSE = "hub.jupyter.org/node-purpose"


def adjusted(site: Site, values: Values) -> Site:
    """The site with what `singleuser` says about the size of servers and homes: profiles and limits start from it."""
    own = values.singleuser
    ours = site.notebook_resources
    requests = _given(ours.requests, {"cpu": own.cpu.guarantee, "memory": own.memory.guarantee})
    limits = _given(ours.limits, {"cpu": own.cpu.limit, "memory": own.memory.limit})
    home = own.storage.capacity or site.home_size
    return site.model_copy(
        update={"notebook_resources": Resources(requests=requests, limits=limits), "home_size": home}
    )


def apply(c: Any, values: Values) -> None:
    """Set everything. Raises what a snippet of hub.extraConfig raises, with the snippet's name."""
    _hub(c, values.hub)
    _singleuser(c, values.singleuser)
    _storage(c.KubeSpawner, values.singleuser.storage)
    _scheduling(c.KubeSpawner, values.singleuser, values.scheduling.user_pods)
    for section, options in values.hub.config.items():
        for option, value in options.items():
            _set(c[section], option, value)
    for name, snippet in sorted(values.hub.extra_config.items()):
        _run(c, name, snippet)


def _hub(c: Any, hub: Hub) -> None:
    for option in (
        "allow_named_servers",
        "named_server_limit_per_user",
        "concurrent_spawn_limit",
        "active_server_limit",
        "redirect_to_server",
        "shutdown_on_logout",
        "authenticate_prometheus",
        "template_vars",
    ):
        _given_option(c.JupyterHub, option, getattr(hub, option))
    c.Spawner.consecutive_failure_limit = hub.consecutive_failure_limit
    roles = [{"name": name, **role} for name, role in hub.load_roles.items()]
    c.JupyterHub.load_roles = [*c.JupyterHub.get("load_roles", []), *roles]


def _singleuser(c: Any, own: Singleuser) -> None:
    spawner = c.KubeSpawner
    c.Spawner.start_timeout = own.start_timeout
    spawner.events_enabled = own.events
    _given_option(spawner, "cmd", [own.cmd] if isinstance(own.cmd, str) else own.cmd)
    for option in ("default_url", "extra_labels", "extra_annotations", "node_selector", "lifecycle_hooks"):
        _given_option(spawner, option, getattr(own, option))
    _given_option(spawner, "image_pull_secrets", own.image.pull_secrets)
    spawner.extra_containers.update(named(own.extra_containers))
    spawner.environment.update(own.extra_env)
    spawner.extra_pod_config.update(own.extra_pod_config)
    spawner.extra_resource_guarantees.update(own.extra_resource.guarantees)
    spawner.extra_resource_limits.update(own.extra_resource.limits)
    _given_option(spawner, "init_containers", named(own.init_containers))


def _storage(spawner: Any, own: Storage) -> None:
    _given_option(spawner, "storage_class", own.dynamic.storage_class)
    spawner.storage_access_modes = list(own.dynamic.storage_access_modes)
    _given_option(spawner, "storage_extra_labels", own.extra_labels)
    spawner.volumes.update(named(own.extra_volumes))
    spawner.volume_mounts.update(named(own.extra_volume_mounts))


def _scheduling(spawner: Any, own: Singleuser, pods: UserPods) -> None:
    spawner.tolerations = [*pods.tolerations, *own.extra_tolerations]
    for kind, affinity in (
        ("node_affinity", _with_purpose(own.extra_node_affinity, pods.node_affinity.match_node_purpose)),
        ("pod_affinity", own.extra_pod_affinity),
        ("pod_anti_affinity", own.extra_pod_anti_affinity),
    ):
        _given_option(spawner, f"{kind}_required", affinity.required)
        _given_option(spawner, f"{kind}_preferred", affinity.preferred)


def _with_purpose(affinity: Affinity, purpose: str) -> Affinity:
    """Nodes that the site has labelled for people's servers."""
    term = {"matchExpressions": [{"key": _PURPOSE, "operator": "In", "values": ["user"]}]}
    if purpose == "require":
        return affinity.model_copy(update={"required": [*affinity.required, term]})
    if purpose == "prefer":
        return affinity.model_copy(update={"preferred": [*affinity.preferred, {"weight": 100, "preference": term}]})
    return affinity


def _run(c: Any, name: str, snippet: str) -> None:
    """One snippet of the site's own Python, as JupyterHub's configuration file is."""
    code = compile(snippet, f"hub.extraConfig.{name}", "exec")
    exec(code, {"c": c, "__name__": f"hub.extraConfig.{name}"})  # noqa: S102


def named(objects: Objects) -> dict[str, Any]:
    """Objects with names, which values may hold as a list or as a dictionary that another values file adds to."""
    return by_name(objects) if isinstance(objects, list) else dict(objects)


def _set(section: Any, option: str, value: Any) -> None:
    """As JSON configuration files of JupyterHub: a dictionary is merged with one that is there.

    Templates are looked for in the site's folders first, and then in ours, which has pages that JupyterHub has not.
    """
    there = section.get(option) if option in section else None
    if isinstance(there, dict) and isinstance(value, dict):
        value = {**there, **value}
    if isinstance(there, list) and option == "template_paths":
        value = [*value, *there]
    section[option] = value


def _given_option(section: Any, option: str, value: Any) -> None:
    """Unless it is null or empty, which leaves JupyterHub's own default."""
    if value not in (None, {}, [], ""):
        section[option] = value


def _given(ours: Mapping[str, str], values: Mapping[str, Any]) -> dict[str, str]:
    return {**ours, **{key: str(value) for key, value in values.items() if value is not None}}
