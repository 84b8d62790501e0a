"""What a site's own configuration of the hub may not change, because it keeps people's tokens apart.

Looked at once, when the hub starts, after everything has been configured: the hub does not start with a hole in it.
What is computed for each pod only then is looked at by facility.hub.walls.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from copy import deepcopy
from typing import Any

from traitlets.config import Config
from traitlets.config.loader import LazyConfigValue

from facility.hub import walls
from facility.hub.merging import found

_SIGN_IN = ("Authenticator", "VOAuthenticator")
_HUB = {
    "JupyterHub": ("authenticator_class", "spawner_class", "db_url", "cookie_secret", "cookie_secret_file"),
    "CryptKeeper": ("keys",),
    "ConfigurableHTTPProxy": ("auth_token",),
}
#: the most specific first, which is what traitlets goes by
_SPAWNER = ("VOSpawner", "KubeSpawner", "Spawner")
_OPTIONS = (
    "site",
    "namespace",
    "component_label",
    "uid",
    "gid",
    "fs_gid",
    "pod_security_context",
    "container_security_context",
    "allow_privilege_escalation",
    "automount_service_account_token",
    "modify_pod_hook",
    "profile_list",
    "options_form",
    "apply_user_options",
    "pvc_name_template",
    "delete_pvc",
)
#: what another chart may have set before us and we leave alone: never with a value
_NEVER = ("enable_user_namespaces", "supplemental_gids", "extra_container_config", "privileged", "service_account")
#: dictionaries to which others may add, next to ours
_SHARED = ("volumes", "volume_mounts", "extra_containers")
_POD = ("containers", "initContainers", "volumes", "securityContext", "serviceAccountName", "serviceAccount")


class GuardError(ValueError):
    """A configuration that would let tokens out; the text says which setting and what to do."""


def snapshot(c: Any) -> Config:
    """The configuration as the facility has made it, to hold the site's against."""
    return Config({name: {option: _copy(value) for option, value in section.items()} for name, section in c.items()})


def _copy(value: Any) -> Any:
    """Functions are themselves only."""
    return value if callable(value) else deepcopy(value)


def check(ours: Any, c: Any) -> None:
    """Raises GuardError with all that is not as it was in `ours`, or was added and may not be."""
    if broken := list(dict.fromkeys(_changes(ours, c))):
        raise GuardError("The hub does not start with this configuration:\n" + "\n".join(f"- {one}" for one in broken))


def _changes(ours: Any, c: Any) -> Iterator[str]:
    for section, options in _HUB.items():
        yield from (_fixed(section, option) for option in options if _differ(ours, c, section, option))
    for section in _SIGN_IN:
        mine = [option for one in _SIGN_IN for option in ours.get(one, {})]
        yield from (_fixed(section, option) for option in mine if _differ(ours, c, section, option))
    for section in _SPAWNER:
        yield from (_fixed(section, option) for option in _OPTIONS if _differ(ours, c, section, option))
        yield from (_fixed(section, option) for option in _NEVER if _value(c, section, option))
    for section in ("VOSpawner", "Spawner"):
        yield from (_fixed(section, option) for option in _SHARED if _differ(ours, c, section, option))
    for option in _SHARED:
        yield from _lost(option, ours.KubeSpawner[option], c.KubeSpawner[option])
    yield from _pods(c.KubeSpawner)


def _differ(ours: Any, c: Any, section: str, option: str) -> bool:
    return bool(_value(ours, section, option) != _value(c, section, option))


def _value(c: Any, section: str, option: str) -> Any:
    value = c[section].get(option) if section in c and option in c[section] else None
    return value.to_dict() if isinstance(value, LazyConfigValue) else value


def _fixed(section: str, option: str) -> str:
    return f"{section}.{option} is the facility's own: take it out of hub.config and hub.extraConfig"


def _lost(option: str, ours: Mapping[str, Any], now: Any) -> Iterator[str]:
    if not isinstance(now, dict):
        yield f"KubeSpawner.{option} is a dictionary here: add to it with c.KubeSpawner.{option}.update({{…}})"
        return
    names = {one["name"] for one in ours.values()}
    for key, one in now.items():
        if key in ours and one != ours[key]:
            yield f"KubeSpawner.{option}[{key!r}] is the facility's own: take another name"
        elif key not in ours and one.get("name") in names and option != "volume_mounts":
            yield f"KubeSpawner.{option}[{key!r}] has the name of one of the facility's: take another name"
    yield from (f"KubeSpawner.{option}[{key!r}] is gone: leave it there" for key in ours if key not in now)


def _pods(spawner: Any) -> Iterator[str]:
    """The same rules that each pod is held to, on what is known already."""
    volumes, mounts = found(spawner, "volumes"), found(spawner, "volume_mounts")
    if isinstance(volumes, dict):
        yield from (f"volume {one['name']} {why}" for one in volumes.values() if (why := walls.volume(one)))
    if isinstance(mounts, dict):
        yield from walls.mounts({"name": "notebook", "volumeMounts": list(mounts.values())})
    for option in ("init_containers", "extra_containers"):
        more = found(spawner, option)
        for one in more.values() if isinstance(more, dict) else more:
            yield from walls.mounts(one)
    extra = found(spawner, "extra_pod_config")
    yield from (
        f"KubeSpawner.extra_pod_config.{key} is the facility's own: take it out of singleuser.extraPodConfig"
        for key in extra
        if key in _POD or key in walls.SHARED or key == "automountServiceAccountToken"
    )
