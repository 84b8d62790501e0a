"""A site's values mean what they mean in zero-to-jupyterhub, and cannot undo what keeps people's tokens apart."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from pydantic import ValidationError
from traitlets.config import Config

from facility.hub import config as hub_config
from facility.hub.database import use_password
from facility.hub.guard import GuardError
from facility.hub.values import Values
from tests.fakes import vo_spawner
from tests.fakes.vo_spawner import Pods, environment, manifest, notebook, spawner

_SITE = """
publicUrl: https://hub.example:31440
images: {facility: f:1, hub: h:1, notebook: n:1, condor: c:1, xcache: x:1}
"""


@pytest.fixture(autouse=True)
def pods(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Pods]:
    with vo_spawner.cluster(tmp_path, monkeypatch) as found:
        yield found


@pytest.fixture
def here(tmp_path: Path) -> Path:
    (tmp_path / "site.yaml").write_text(_SITE)
    (tmp_path / "secrets").mkdir()
    for name, text in {"proxy-token": "p", "crypt-key": "ab" * 32, "cookie-secret": "c"}.items():
        (tmp_path / "secrets" / name).write_text(text)
    return tmp_path


def configured(here: Path, **values: Any) -> Config:
    """The hub's configuration from the chart's values."""
    (here / "values.yaml").write_text(yaml.safe_dump(values))
    config = Config()
    hub_config.configure(config, here / "site.yaml", here / "secrets", here, here / "values.yaml")
    return config


async def pod(here: Path, **values: Any) -> dict[str, Any]:
    return await manifest(spawner(config=configured(here, **values)))


async def test_without_values_all_is_as_the_site_says(here: Path) -> None:
    config = configured(here)
    assert config.JupyterHub.db_url == f"sqlite:///{here}/jupyterhub.sqlite"
    assert config.JupyterHub.allow_named_servers is True
    assert config.JupyterHub.named_server_limit_per_user == 3
    assert config.JupyterHub.spawner_class == "facility.hub.spawner.VOSpawner"
    assert notebook(await manifest(spawner(config=config)))["resources"]["requests"]["cpu"] == 0.25


async def test_sizes_are_those_of_zero_to_jupyterhub(here: Path) -> None:
    own = {"cpu": {"guarantee": 0.5, "limit": 4}, "memory": {"guarantee": "1G", "limit": "2G"}}
    made = await pod(here, singleuser={**own, "storage": {"capacity": "20Gi", "dynamic": {"storageClass": "fast"}}})
    assert notebook(made)["resources"] == {
        "requests": {"cpu": 0.5, "memory": 1024**3},
        "limits": {"cpu": 4.0, "memory": 2 * 1024**3},
    }
    assert made["claim"]["spec"]["resources"]["requests"]["storage"] == "20Gi"
    assert made["claim"]["spec"]["storageClassName"] == "fast"


async def test_what_is_said_of_singleuser_is_in_the_pod(here: Path) -> None:
    made = await pod(
        here,
        singleuser={
            "cmd": "jupyterhub-singleuser",
            "defaultUrl": "/tree",
            "image": {"pullSecrets": ["registry"]},
            "extraEnv": {"EDITOR": "vi"},
            "extraLabels": {"a": "b"},
            "extraAnnotations": {"c": "d"},
            "nodeSelector": {"kind": "user"},
            "extraTolerations": [{"key": "t", "operator": "Exists"}],
            "extraResource": {"limits": {"example.org/x": "1"}},
            "lifecycleHooks": {"postStart": {"exec": {"command": ["true"]}}},
            "storage": {
                "extraVolumes": [{"name": "scratch", "emptyDir": {}}],
                "extraVolumeMounts": {"any": {"name": "scratch", "mountPath": "/scratch"}},
            },
            "extraContainers": [{"name": "beside", "image": "b:1"}],
            "initContainers": {"before": {"name": "before", "image": "b:1"}},
            "extraPodConfig": {"dnsConfig": {"options": [{"name": "ndots", "value": "2"}]}},
        },
        scheduling={"userPods": {"tolerations": [{"key": "u"}], "nodeAffinity": {"matchNodePurpose": "require"}}},
    )
    spec = made["spec"]
    one = next(container for container in spec["containers"] if container["name"] == "notebook")
    assert environment(one)["EDITOR"] == "vi"
    assert environment(one)["LAKE_HOSTS"] == "xcache-cms.facility.svc"
    assert environment(one)["JUPYTERHUB_DEFAULT_URL"] == "/tree"
    assert made["metadata"]["labels"]["a"] == "b"
    assert made["metadata"]["annotations"]["c"] == "d"
    assert spec["nodeSelector"] == {"kind": "user"}
    assert [toleration["key"] for toleration in spec["tolerations"]] == ["u", "t"]
    assert one["resources"]["limits"]["example.org/x"] == "1"
    assert one["lifecycle"]["postStart"]["exec"]["command"] == ["true"]
    assert {"name": "scratch", "mountPath": "/scratch"} in one["volumeMounts"]
    assert [container["name"] for container in spec["initContainers"]] == ["before"]
    assert [container["name"] for container in spec["containers"]] == ["agent", "notebook", "beside"]
    assert spec["dnsConfig"]["options"][0]["value"] == "2"
    assert spec["imagePullSecrets"] == [{"name": "registry"}]
    required = spec["affinity"]["nodeAffinity"]["requiredDuringSchedulingIgnoredDuringExecution"]
    assert required["nodeSelectorTerms"][0]["matchExpressions"][0]["values"] == ["user"]


def test_hub_config_and_extra_config_are_jupyterhubs_own_options(here: Path) -> None:
    config = configured(
        here,
        hub={
            "config": {"JupyterHub": {"log_level": "WARNING"}, "Authenticator": {"admin_users": ["cms-alice"]}},
            "extraConfig": {"2": "c.JupyterHub.template_vars['b'] += 1", "1": "c.JupyterHub.template_vars['b'] = 1"},
            "templateVars": {"announcement": "Hello"},
            "loadRoles": {"metrics": {"scopes": ["read:metrics"]}},
            "redirectToServer": False,
            "concurrentSpawnLimit": 7,
        },
    )
    hub = config.JupyterHub
    assert (hub.log_level, hub.redirect_to_server, hub.concurrent_spawn_limit) == ("WARNING", False, 7)
    assert config.Authenticator.admin_users == ["cms-alice"]
    assert hub.template_vars == {"announcement": "Hello", "b": 2}
    assert {"name": "metrics", "scopes": ["read:metrics"]} in hub.load_roles


def test_a_sites_pages_come_before_the_facilitys_and_not_instead_of_them(here: Path) -> None:
    ours = configured(here).JupyterHub.template_paths
    config = configured(here, hub={"config": {"JupyterHub": {"template_paths": ["/pages"]}}})
    assert ours
    assert config.JupyterHub.template_paths == ["/pages", *ours]


def test_idle_servers_are_stopped_with_the_rights_for_that_and_no_more(here: Path) -> None:
    config = configured(here, cull={"timeout": 60, "every": 5, "maxAge": 100, "concurrency": 2})
    (service,) = config.JupyterHub.services
    (role,) = config.JupyterHub.load_roles
    assert {"--timeout=60", "--cull-every=5", "--max-age=100", "--concurrency=2"} <= set(service["command"])
    assert {"--cull-users=False", "--cull-admin-users=True", "--remove-named-servers=False"} <= set(service["command"])
    assert service.keys() == {"name", "command"}
    assert role["scopes"] == ["list:users", "read:users:activity", "read:servers", "delete:servers"]
    assert "admin:users" in configured(here, cull={"users": True}).JupyterHub.load_roles[0]["scopes"]
    assert "services" not in configured(here, cull={"enabled": False}).JupyterHub
    added = configured(here, hub={"extraConfig": {"1": "c.JupyterHub.services.append({'name': 'metrics'})"}})
    assert [one["name"] for one in added.JupyterHub.services] == ["metrics", "jupyterhub-idle-culler"]


@pytest.mark.parametrize(
    "values",
    [
        {"hub": {"cookieSecret": "x"}},
        {"hub": {"db": {"type": "postgres", "password": "x"}}},
        {"singleuser": {"cloudMetadata": {"blockWithIptables": False}}},
        {"singleuser": {"memory": {"limit": "much"}}},
        {"singleuser": {"extraEnv": {"BEARER_TOKEN_FILE": "/x"}}},
        {"cull": {"timeout": 0}},
        {"proxy": {}},
    ],
)
def test_what_is_unknown_or_impossible_is_an_error_and_not_a_silence(values: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        Values.model_validate(values)


_OPEN = "c.KubeSpawner.volumes['x'] = {'name': 'x', 'projected': {'sources': [{'serviceAccountToken': {'path': 't'}}]}}"


@pytest.mark.parametrize(
    ("snippet", "named"),
    [
        ("c.JupyterHub.authenticator_class = 'dummy'", "JupyterHub.authenticator_class"),
        ("c.JupyterHub.spawner_class = 'simple'", "JupyterHub.spawner_class"),
        ("c.JupyterHub.cookie_secret = b'x' * 32", "JupyterHub.cookie_secret"),
        ("c.CryptKeeper.keys = ['x']", "CryptKeeper.keys"),
        ("c.VOAuthenticator.broker_url = 'https://evil.example'", "VOAuthenticator.broker_url"),
        ("c.Authenticator.username_pattern = '.*'", "Authenticator.username_pattern"),
        ("c.VOAuthenticator.username_pattern = '.*'", "VOAuthenticator.username_pattern"),
        ("c.Authenticator.enable_auth_state = False", "Authenticator.enable_auth_state"),
        ("c.KubeSpawner.automount_service_account_token = True", "KubeSpawner.automount_service_account_token"),
        ("c.Spawner.modify_pod_hook = None or (lambda s, p: p)", "Spawner.modify_pod_hook"),
        ("c.KubeSpawner.modify_pod_hook = lambda s, p: p", "KubeSpawner.modify_pod_hook"),
        ("c.VOSpawner.uid = 0", "VOSpawner.uid"),
        ("c.KubeSpawner.container_security_context = {}", "KubeSpawner.container_security_context"),
        ("c.KubeSpawner.pod_security_context['runAsNonRoot'] = False", "KubeSpawner.pod_security_context"),
        ("c.KubeSpawner.privileged = True", "KubeSpawner.privileged"),
        ("c.KubeSpawner.service_account = 'hub'", "KubeSpawner.service_account"),
        ("c.KubeSpawner.profile_list = []", "KubeSpawner.profile_list"),
        ("c.KubeSpawner.extra_containers = {}", "extra_containers['agent'] is gone"),
        ("c.KubeSpawner.extra_containers['agent']['image'] = 'evil:1'", "extra_containers['agent'] is the facility's"),
        ("c.KubeSpawner.extra_containers['b'] = {'name': 'agent'}", "has the name of one of the facility's"),
        ("c.KubeSpawner.volumes = []", "KubeSpawner.volumes is a dictionary here"),
        (_OPEN, "has a ServiceAccount's token"),
        ("c.KubeSpawner.volumes['x'] = {'name': 'x', 'hostPath': {'path': '/'}}", "is of the node"),
        ("c.KubeSpawner.volume_mounts['x'] = {'name': 'identity', 'mountPath': '/x'}", "mounts volume identity"),
        ("c.KubeSpawner.volume_mounts['token']['readOnly'] = False", "volume_mounts['token'] is the facility's"),
        (
            "c.KubeSpawner.extra_containers = [{'name': 'x', 'volumeMounts': [{'name': 'token', 'mountPath': '/t'}]}]",
            "container x mounts volume token",
        ),
        ("c.KubeSpawner.extra_pod_config['shareProcessNamespace'] = True", "extra_pod_config.shareProcessNamespace"),
        ("c.KubeSpawner.extra_pod_config['containers'] = []", "extra_pod_config.containers"),
    ],
)
def test_what_keeps_tokens_apart_cannot_be_configured_away(here: Path, snippet: str, named: str) -> None:
    with pytest.raises(GuardError) as refused:
        configured(here, hub={"extraConfig": {"bad": snippet}})
    assert named in str(refused.value)
    assert str(refused.value).startswith("The hub does not start with this configuration:\n- ")


def test_the_same_by_hub_config_and_by_values(here: Path) -> None:
    with pytest.raises(GuardError, match=r"KubeSpawner\.uid is the facility's own"):
        configured(here, hub={"config": {"KubeSpawner": {"uid": 0}}})
    with pytest.raises(GuardError, match="automountServiceAccountToken"):
        configured(here, singleuser={"extraPodConfig": {"automountServiceAccountToken": True}})
    with pytest.raises(GuardError, match="volume x is of the node"):
        configured(here, singleuser={"storage": {"extraVolumes": [{"name": "x", "hostPath": {"path": "/"}}]}})


def test_an_error_in_a_snippet_names_the_snippet(here: Path) -> None:
    with pytest.raises(SyntaxError) as error:
        configured(here, hub={"extraConfig": {"typo": "c.JupyterHub."}})
    assert error.value.filename == "hub.extraConfig.typo"


@pytest.mark.parametrize(
    ("url", "meant"),
    [
        (
            "postgresql://hub@db.example:5432/hub",
            "postgresql+psycopg://hub@db.example:5432/hub?sslmode=verify-full&sslrootcert=/etc/facility/trust/ca.crt",
        ),
        ("postgresql+psycopg2://db.example/hub?sslmode=disable", "postgresql+psycopg://db.example/hub?sslmode=disable"),
    ],
)
def test_a_database_is_spoken_to_over_verified_tls(here: Path, url: str, meant: str) -> None:
    hub = configured(here, hub={"db": {"type": "postgres", "url": url}}).JupyterHub
    assert hub.db_url == meant
    assert hub.db_kwargs == {"pool_pre_ping": True}


@pytest.mark.parametrize(
    ("url", "why"),
    [
        ("postgresql://hub:secret@db.example/hub", "holds a password"),
        ("postgresql://hub@db.example/hub?password=secret", "names a password"),
        ("postgresql://hub@db.example/hub?sslmode=require", "does not look whom it talks to"),
        ("mysql://hub@db.example/hub", "write postgresql://"),
    ],
)
def test_a_database_url_that_would_give_secrets_away_is_refused(url: str, why: str) -> None:
    with pytest.raises(ValidationError, match=why) as refused:
        Values.model_validate({"hub": {"db": {"type": "postgres", "url": url}}})
    assert "secret" not in str(refused.value)


def test_postgres_without_a_url_is_said_at_the_start(here: Path) -> None:
    with pytest.raises(ValueError, match=r"hub\.db\.url is needed"):
        configured(here, hub={"db": {"type": "postgres"}})


def test_a_password_is_in_a_file_that_nobody_else_reads(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PGPASSFILE", "")
    (tmp_path / "password").write_text("a:b\\c\n")
    use_password(tmp_path / "password", tmp_path / "pgpass")
    assert (tmp_path / "pgpass").read_text() == "*:*:*:*:a\\:b\\\\c\n"
    assert (tmp_path / "pgpass").stat().st_mode & 0o777 == 0o600
    (tmp_path / "password").write_text("\n")
    with pytest.raises(ValueError, match="holds no password"):
        use_password(tmp_path / "password", tmp_path / "pgpass")
