"""A real JupyterHub with its real spawner, an API server that runs pods as fast as it hears of them, and no issuer.

Who people are is told by a file, as sign-in has worlds of its own (tests.fakes.hub_world).
"""

from __future__ import annotations

import json
import os
import queue
import re
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import requests
import yaml
from jupyterhub.auth import Authenticator
from traitlets import Unicode

from facility.vo import VirtualOrganization
from tests.fakes.hub_neighbours import Proxy
from tests.fakes.hub_notebooks import Notebooks
from tests.fakes.hub_servers import Reply, Request, Server
from tests.fakes.patience import PATIENCE
from tests.fakes.ports import free_port

PROXY_TOKEN, TOKEN = "proxy-token-text", "token-of-the-test"
_SITE = """
publicUrl: https://hub.example:31440
images: {facility: f:1, hub: h:1, notebook: n:1, condor: c:1, xcache: x:1}
"""
_CONFIG = """
from pathlib import Path
from facility.hub import config, culling, values
c = get_config()
here = Path({here!r})
config.configure(c, here / "site.yaml", here / "secrets", here, here / "values.yaml")
cull = values.load(here / "values.yaml").cull
c.JupyterHub.services = []
c.JupyterHub.load_roles = []
culling.configure(c, cull, "http://127.0.0.1:{port}/hub/api")
c.JupyterHub.services += [{{"name": "test", "api_token": {token!r}}}]
scopes = ["admin:users", "admin:servers", "list:users", "read:users", "admin:groups"]
c.JupyterHub.load_roles += [{{"name": "test", "scopes": scopes, "services": ["test"]}}]
c.JupyterHub.authenticator_class = "tests.fakes.hub_pods.People"
c.People.file = str(here / "vos.json")
c.Authenticator.allow_all = True
c.Authenticator.manage_groups = False
c.Authenticator.enable_auth_state = False
c.JupyterHub.hub_bind_url = c.JupyterHub.hub_connect_url = "http://127.0.0.1:{port}"
c.ConfigurableHTTPProxy.api_url = {proxy!r}
c.KubeSpawner.port = {notebooks}
c.JupyterHub.tornado_settings = {{"slow_spawn_timeout": 20}}
"""


class People(Authenticator):  # type: ignore[misc]
    """Everybody is who they say; VOs come from a file, as they are at the moment."""

    file = Unicode().tag(config=True)

    async def authenticate(self, handler: Any, data: dict[str, str]) -> str:
        return data["username"]

    async def virtual_organization(self, name: str) -> VirtualOrganization | None:
        spec = _specs(self.file).get(name)
        return VirtualOrganization.parse({"metadata": {"name": name}, "spec": spec}) if spec else None


def _specs(file: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(Path(file).read_text())
    return found


class Pods(Server):
    """The API server of people's pods and homes. `refusal` answers the creation of pods while it is set."""

    def __init__(self) -> None:
        super().__init__()
        self.pods: dict[str, dict[str, Any]] = {}
        self.claims: dict[str, dict[str, Any]] = {}
        self.refusal: Reply | None = None
        self._version = 1
        self._watches: list[queue.Queue[dict[str, Any] | None]] = []

    def answer(self, request: Request) -> Reply:
        _, kind, name = _PATH.fullmatch(request.path).groups()  # type: ignore[union-attr]
        held = {"pods": self.pods, "persistentvolumeclaims": self.claims}.get(kind, {})
        if request.method == "POST":
            return self._create(kind, held, request.json)
        if name is None:
            return Reply(body={"metadata": {"resourceVersion": str(self._version)}, "items": list(held.values())})
        if name not in held:
            return Reply(404, {"kind": "Status", "code": 404, "message": "not found"})
        if request.method == "DELETE":
            self._tell("DELETED", held.pop(name))
        return Reply(body={"kind": "Status", "code": 200})

    def _create(self, kind: str, held: dict[str, Any], one: dict[str, Any]) -> Reply:
        name = one["metadata"]["name"]
        if kind == "pods" and self.refusal:
            return self.refusal
        if name in held:
            return Reply(409, {"kind": "Status", "code": 409, "message": "exists"})
        self._version += 1
        one["metadata"] |= {"namespace": "facility-users", "uid": name, "resourceVersion": str(self._version)}
        ready = [{"name": "notebook", "ready": True, "state": {"running": {}}}]
        one["status"] = {"phase": "Running", "podIP": "127.0.0.1", "containerStatuses": ready}
        held[name] = one
        if kind == "pods":
            self._tell("ADDED", one)
        return Reply(201, {**one, "status": {"phase": "Pending"}})

    def stream(self, request: Request) -> Callable[[Callable[[bytes], None]], None] | None:
        if request.query.get("watch", "").lower() != "true":
            return None
        events: queue.Queue[dict[str, Any] | None] = queue.Queue()
        if request.path.endswith("/pods"):
            self._watches.append(events)
            for one in list(self.pods.values()):  # those that came after the list
                if int(one["metadata"]["resourceVersion"]) > int(request.query["resourceVersion"]):
                    events.put({"type": "ADDED", "object": one})

        def writer(write: Callable[[bytes], None]) -> None:
            while event := events.get():
                write(json.dumps(event).encode() + b"\n")

        return writer

    def _tell(self, kind: str, one: dict[str, Any]) -> None:
        for watch in self._watches:
            watch.put({"type": kind, "object": one})


_PATH = re.compile(r"/api/v1/namespaces/([^/]+)/([a-z]+)(?:/([^/]+))?")


@dataclass
class World:
    """The hub, its cluster, and what is told to it."""

    directory: Path
    hub: str
    cluster: Pods
    environment: dict[str, str] = field(repr=False)

    def tell(self, **vos: dict[str, Any]) -> None:
        """Which VOs there are, by name, with what their spec says beyond what it must."""
        specs = {
            name: {"issuer": f"https://{name}.example/", "clientSecret": {"name": "s"}, **more}
            for name, more in vos.items()
        }
        (self.directory / "vos.json").write_text(json.dumps(specs))

    @property
    def log(self) -> str:
        return (self.directory / "hub.log").read_text()

    def ask(self, method: str, path: str, body: Any = None) -> requests.Response:
        """The hub's API, as a service with the right to start everybody's servers."""
        headers = {"Authorization": f"token {TOKEN}"}
        return requests.request(method, f"{self.hub}/hub/api{path}", headers=headers, json=body, timeout=PATIENCE)

    def start(self, user: str, name: str = "", **options: Any) -> requests.Response:
        """A server by the API; the person is made if need be."""
        self.ask("POST", f"/users/{user}")
        return self.ask("POST", f"/users/{user}/servers/{name}", options)

    def stop_all(self) -> None:
        """Ends all servers and removes all people."""
        for user in self.ask("GET", "/users").json():
            for name in user["servers"]:
                assert self.ask("DELETE", f"/users/{user['name']}/servers/{name}").ok
            assert self.ask("DELETE", f"/users/{user['name']}").ok
        assert not self.cluster.pods

    def page(self, user: str) -> Pages:
        return Pages(self.hub, user)

    def until(self, found: Callable[[], Any], what: str, seconds: float = PATIENCE) -> None:
        end = time.monotonic() + seconds
        while not found():
            assert time.monotonic() < end, f"waited in vain for {what}\n{self.log[-3000:]}"
            time.sleep(0.05)

    @contextmanager
    def running(self) -> Iterator[None]:
        """The hub's process, from when it serves to its end."""
        command = [sys.executable, "-m", "jupyterhub", "-f", str(self.directory / "hub_config.py")]
        with (self.directory / "hub.log").open("a") as log:
            process = subprocess.Popen(command, stdout=log, stderr=log, env=self.environment, cwd=self.directory)
            try:
                self.until(lambda: process.poll() is not None or self._serves(), "the hub", 3 * PATIENCE)
                assert process.poll() is None, self.log
                yield
            finally:
                process.terminate()
                process.wait(PATIENCE)

    def _serves(self) -> bool:
        try:
            return requests.get(f"{self.hub}/hub/health", timeout=PATIENCE).ok
        except requests.ConnectionError:
            return False


class Pages:
    """A person at the hub's pages."""

    def __init__(self, hub: str, user: str) -> None:
        self._hub = hub
        self._session = requests.Session()
        self.get("/hub/login")
        self.post("/hub/login", username=user, password="any")

    def get(self, path: str) -> requests.Response:
        """The page of that path itself, wherever it would lead."""
        return self._kept(self._session.get(f"{self._hub}{path}", allow_redirects=False, timeout=PATIENCE))

    def post(self, path: str, **form: str) -> requests.Response:
        """Send a form, with the token that came with the last page."""
        token = next(one.value for one in self._session.cookies if (one.name, one.path) == ("_xsrf", "/hub/"))
        url = f"{self._hub}{path}"
        return self._kept(
            self._session.post(url, params={"_xsrf": token}, data=form, allow_redirects=False, timeout=PATIENCE)
        )

    def _kept(self, answer: requests.Response) -> requests.Response:
        for cookie in self._session.cookies:
            cookie.secure = False  # or it would not be sent here, where the proxy's TLS is missing
        return answer


@contextmanager
def world(directory: Path, **values: Any) -> Iterator[World]:
    """Everything around a hub with these values, and its files; the hub itself runs within `running`."""
    with ExitStack() as stack:
        cluster, notebooks = stack.enter_context(Pods()), stack.enter_context(Notebooks())
        proxy = stack.enter_context(Proxy(PROXY_TOKEN))
        port = free_port()
        config = _CONFIG.format(here=str(directory), port=port, proxy=proxy.url, notebooks=notebooks.port, token=TOKEN)
        _files(directory, cluster, {"hub_config.py": config, "values.yaml": yaml.safe_dump(values)})
        environment = {
            **{key: value for key, value in os.environ.items() if not key.startswith(("KUBERNETES_", "PG"))},
            "PYTHONPATH": str(Path(__file__).parents[2]),
            "KUBECONFIG": str(directory / "kubeconfig"),
            "TMPDIR": str(directory),
        }
        made = World(directory, f"http://127.0.0.1:{port}", cluster, environment)
        made.tell(cms={})
        yield made


def _files(directory: Path, cluster: Pods, more: dict[str, str]) -> None:
    kubeconfig = {
        "clusters": [{"name": "c", "cluster": {"server": cluster.url}}],
        "contexts": [{"name": "x", "context": {"cluster": "c", "user": "u"}}],
        "users": [{"name": "u", "user": {"username": "hub"}}],
        "current-context": "x",
    }
    (directory / "secrets").mkdir()
    files = {
        "site.yaml": _SITE,
        "kubeconfig": yaml.safe_dump(kubeconfig),
        "secrets/proxy-token": PROXY_TOKEN,
        "secrets/crypt-key": "ab" * 32,
        "secrets/cookie-secret": "any text will do",
        **more,
    }
    for name, content in files.items():
        (directory / name).write_text(content)
