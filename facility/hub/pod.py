"""The shape of a user's pod: plain kubespawner options for what all pods share; facility.hub.personal adds the VO's.

The notebook holds no credential but token files. They are kept by the agent, a container of the same uid that
starts before it, and the agent alone has the projected token that proves to the broker whose pod this is.
"""

from __future__ import annotations

from functools import partial
from typing import Any

from facility import names, surroundings
from facility.condor import shapes
from facility.hub import personal, profiles, start_page
from facility.hub.hold import hold
from facility.hub.merging import over, over_named
from facility.site import Site
from facility.vo import VirtualOrganization

HOME = "/home/jovyan"
UID = 1000
TOKENS = "/run/token"
IDENTITY = "/var/run/identity"
TRUST = "/etc/facility/trust"
COMPONENT = "notebook"
_BUNDLE = f"{TRUST}/ca.crt"
_TRUSTING = dict.fromkeys(("SSL_CERT_FILE", "REQUESTS_CA_BUNDLE", "X509_CERT_FILE", "CURL_CA_BUNDLE"), _BUNDLE)
Mounts = dict[str, Any]
#: a question that is lost, as in a new pod whose walls do not stand yet, holds its start for one second, not for five
_RESOLVER = [{"name": "timeout", "value": "1"}, {"name": "attempts", "value": "5"}]
_AGENT_RESOURCES = {"requests": {"cpu": "10m", "memory": "32Mi"}, "limits": {"memory": "96Mi"}}


def configure(c: Any, site: Site) -> None:
    """Set what every user's pod has.

    Dictionaries, not lists, so that profiles and other charts can add to them; what others have set already stays,
    unless it is of the same name or is another home.
    """
    spawner = c.KubeSpawner
    spawner.namespace = site.namespaces.users
    spawner.image = site.images.notebook
    spawner.image_pull_policy = site.images.pull_policy
    spawner.cmd = ["jupyterhub-singleuser"]
    spawner.default_url = "/lab"
    spawner.working_dir = HOME
    spawner.component_label = COMPONENT
    labels = {"app.kubernetes.io/name": COMPONENT, names.LABEL_MANAGED_BY: "kubespawner"}
    spawner.common_labels = over(spawner, "common_labels", labels)
    extra = {"enableServiceLinks": False, "dnsConfig": {"options": _RESOLVER}}
    spawner.extra_pod_config = over(spawner, "extra_pod_config", extra)
    spawner.environment = over(spawner, "environment", {"HOME": HOME, **_TRUSTING})
    _resources(spawner, site)
    _secure(spawner)
    _home(spawner, site)
    _mounts(spawner, site)
    _of_the_vo(c, site)


def _of_the_vo(c: Any, site: Site) -> None:
    """What is looked up for each person and each start."""
    c.VOSpawner.site = site
    c.KubeSpawner.profile_list = partial(start_page.choices, site)
    c.KubeSpawner.options_form = partial(start_page.form, site)
    c.KubeSpawner.modify_pod_hook = partial(personal.personalize, site, environment)


def _resources(spawner: Any, site: Site) -> None:
    """Of a server without a profile. Cores and bytes as kubespawner's own, so that the notebook can show them."""
    for name, value in profiles.overrides(None, site).items():
        setattr(spawner, name, value)
    ours = site.notebook_resources
    usual = ("cpu", "memory")
    spawner.extra_resource_guarantees = {k: v for k, v in ours.requests.items() if k not in usual}
    spawner.extra_resource_limits = {k: v for k, v in ours.limits.items() if k not in usual}


def _secure(spawner: Any) -> None:
    """Pod Security Standards, level restricted."""
    spawner.uid = spawner.gid = spawner.fs_gid = UID
    spawner.pod_security_context = {
        "runAsNonRoot": True,
        "seccompProfile": {"type": "RuntimeDefault"},
        # a home with many files would otherwise be walked through at every start
        "fsGroupChangePolicy": "OnRootMismatch",
    }
    spawner.container_security_context = {"capabilities": {"drop": ["ALL"]}}
    spawner.allow_privilege_escalation = False
    spawner.automount_service_account_token = False


def _home(spawner: Any, site: Site) -> None:
    """A volume per person that outlives pod, user and release; its class is the cluster's default."""
    spawner.storage_pvc_ensure = True
    spawner.pvc_name_template = "home-{username}"
    spawner.storage_capacity = site.home_size
    spawner.storage_access_modes = ["ReadWriteOnce"]
    spawner.delete_pvc = False


def _mounts(spawner: Any, site: Site) -> None:
    identity = {
        "serviceAccountToken": {
            "path": "token",
            "audience": names.BROKER_AUDIENCE,
            "expirationSeconds": names.IDENTITY_LIFE,
        }
    }
    volumes = {
        "home": {"name": "home", "persistentVolumeClaim": {"claimName": "{pvc_name}"}},
        "token": {"name": "token", "emptyDir": {"medium": "Memory", "sizeLimit": "1Mi"}},
        "identity": {"name": "identity", "projected": {"defaultMode": 0o440, "sources": [identity]}},
        "trust": {"name": "trust", "configMap": {"name": "facility-trust"}},
    }
    mounts = {
        "home": {"name": "home", "mountPath": HOME},
        "token": {"name": "token", "mountPath": TOKENS, "readOnly": True},
        "trust": {"name": "trust", "mountPath": TRUST, "readOnly": True},
    }
    spawner.volumes, spawner.volume_mounts = without_home(spawner, volumes, mounts)
    spawner.extra_containers = over_named(spawner, "extra_containers", {"agent": agent(site)})


def without_home(spawner: Any, volumes: Mounts, mounts: Mounts) -> tuple[Mounts, Mounts]:
    """What others have set and ours, but for another volume where homes are."""
    all_volumes, all_mounts = over_named(spawner, "volumes", volumes), over_named(spawner, "volume_mounts", mounts)
    other = {one["name"] for one in all_mounts.values() if one["mountPath"].rstrip("/") == HOME} - {"home"}

    def kept(found: Mounts) -> Mounts:
        return {key: one for key, one in found.items() if one["name"] not in other}

    return kept(all_volumes), kept(all_mounts)


def agent(site: Site) -> dict[str, Any]:
    """The container that keeps the token files.

    `personal` puts it before the notebook, and the kubelet starts no container while the hook of the one before runs:
    so the notebook finds its tokens from its first instant. A native sidecar would cost a second more at each start,
    because the kubelet then looks at the pod once more in between (docs/decisions/0026).

    The hook ends once the agent has tried to get the tokens, whether it got them or not: a notebook opens also while an
    issuer is away.
    """
    environment = {
        "AGENT_BROKER_URL": site.broker_url,
        "AGENT_IDENTITY": f"{IDENTITY}/token",
        "AGENT_DIRECTORY": TOKENS,
        "SSL_CERT_FILE": _BUNDLE,
    }
    return {
        "name": "agent",
        "image": site.images.facility,
        "imagePullPolicy": site.images.pull_policy,
        "command": ["keep-running", "python3", "-m", "facility.agent.main"],
        "env": [{"name": key, "value": value} for key, value in environment.items()],
        "resources": _AGENT_RESOURCES,
        "securityContext": {
            "runAsUser": UID,
            "runAsGroup": UID,
            "allowPrivilegeEscalation": False,
            "capabilities": {"drop": ["ALL"]},
            "readOnlyRootFilesystem": True,
        },
        "lifecycle": {"postStart": {"exec": {"command": hold(f"{TOKENS}/agent.sock")}}},
        "volumeMounts": [
            {"name": "token", "mountPath": TOKENS},
            {"name": "identity", "mountPath": IDENTITY, "readOnly": True},
            {"name": "trust", "mountPath": TRUST, "readOnly": True},
        ],
    }


def environment(user: str, vo: VirtualOrganization, site: Site) -> dict[str, str]:
    """Where a user's programs find the lake, the access point, and the token for each."""
    found = {"FACILITY_VO": vo.name, "FACILITY_USER": user}
    if vo.spec.lakes:
        found |= {"BEARER_TOKEN_FILE": f"{TOKENS}/lake"} | surroundings.lake(vo, site.xcache(vo.name))
    if vo.spec.batch.enabled:
        found |= _batch(vo.name, site)
    return found


def _batch(vo: str, site: Site) -> dict[str, str]:
    return {
        "CONDOR_CONFIG": "/etc/facility/condor/condor_config",
        "_CONDOR_COLLECTOR_HOST": f"{site.central_manager}:{names.CONDOR_PORT}",
        "_CONDOR_SCHEDD_HOST": site.schedd(vo),
        "_CONDOR_SCITOKENS_FILE": f"{TOKENS}/compute",
        "_CONDOR_JOB_DEFAULT_REQUESTMEMORY": str(shapes.job_default(site)),
    }
