"""A real JupyterHub in a process of its own, configured as in the cluster, with fakes where its neighbours are."""

from __future__ import annotations

import html
import os
import re
import sqlite3
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import requests

from tests.fakes.authority import Authority
from tests.fakes.hub_neighbours import CLIENT, SECRET, Broker, Issuer, KubernetesApi, Proxy
from tests.fakes.hub_notebooks import Notebooks
from tests.fakes.patience import PATIENCE
from tests.fakes.ports import free_port

PUBLIC = "https://hub.example:31440"
_IDENTITY, _PROXY_TOKEN = "identity-of-the-hub", "proxy-token-text"
_SITE = f"""
publicUrl: {PUBLIC}
images: {{facility: f:1, hub: h:1, notebook: n:1, condor: c:1, xcache: x:1}}
"""
_CONFIG = """
from pathlib import Path
from facility.hub.config import configure
c = get_config()
here = Path({here!r})
configure(c, here / "site.yaml", here / "secrets", here, here / "values.yaml")
c.VOAuthenticator.broker_url = {broker!r}
c.VOAuthenticator.identity = str(here / "identity")
c.VOAuthenticator.service_account = {here!r}
c.JupyterHub.hub_bind_url = "http://127.0.0.1:{port}"
c.JupyterHub.hub_connect_url = "http://127.0.0.1:{port}"
c.ConfigurableHTTPProxy.api_url = {proxy!r}
c.JupyterHub.spawner_class = "tests.fakes.hub_notebooks.NotebookSpawner"
c.NotebookSpawner.port = {notebooks}
c.Authenticator.allow_all = True  # must not let past a VO's allowedGroups
c.Authenticator.auth_refresh_age = {refresh_age}
"""


@dataclass
class World:
    """The hub and what is around it."""

    hub: str
    directory: Path
    authority: Authority
    cms: Issuer
    atlas: Issuer
    broker: Broker
    api: KubernetesApi

    def reset(self) -> None:
        """Two good VOs, nobody signed in."""
        for one in (self.cms, self.atlas, self.broker):
            one.reset()
        for issuer in (self.cms, self.atlas):
            self.api.secrets[f"{issuer.name}-client"] = {"client_id": CLIENT, "client_secret": SECRET}

    def servers(self) -> set[str]:
        """Whose servers the hub has on record as running."""
        with closing(sqlite3.connect(f"file:{self.directory}/jupyterhub.sqlite?mode=ro", uri=True)) as database:
            query = "SELECT name FROM users WHERE id IN (SELECT user_id FROM spawners WHERE server_id IS NOT NULL)"
            return {row[0] for row in database.execute(query)}

    def browser(self) -> Browser:
        return Browser(self)

    @contextmanager
    def running(self) -> Iterator[None]:
        """The hub's process, from when it serves to its end; its database stays for the next one."""
        environment = {
            **os.environ,
            "PYTHONPATH": str(Path(__file__).parents[2]),
            "SSL_CERT_FILE": str(self.authority.bundle),
            "KUBERNETES_SERVICE_HOST": "127.0.0.1",
            "KUBERNETES_SERVICE_PORT": str(self.api.port),
        }
        command = [sys.executable, "-m", "jupyterhub", "-f", str(self.directory / "hub_config.py")]
        with (self.directory / "hub.log").open("w") as log:
            process = subprocess.Popen(command, stdout=log, stderr=log, env=environment, cwd=self.directory)
            try:
                self.wait_for(lambda: process.poll() is not None or _serves(self), "the hub", seconds=3 * PATIENCE)
                assert process.poll() is None, self.log
                yield
            finally:
                process.terminate()
                process.wait(PATIENCE)

    @property
    def log(self) -> str:
        return (self.directory / "hub.log").read_text()

    def wait_for(self, found: Any, what: str, seconds: float = PATIENCE) -> None:
        """Until `found()` is true: the hub has heard of a change."""
        end = time.monotonic() + seconds
        while not found():
            assert time.monotonic() < end, f"waited in vain for {what}\n{self.log[-3000:]}"
            time.sleep(0.05)


class Browser:
    """A person's browser: cookies, no redirects by itself. TLS in front of the hub is the proxy's and not here."""

    def __init__(self, world: World) -> None:
        self._world = world
        self.session = requests.Session()

    def get(self, url: str) -> requests.Response:
        """A page of the hub by path or public URL, or of an issuer."""
        if url.startswith(PUBLIC):
            url = url.removeprefix(PUBLIC)
        full = f"{self._world.hub}{url}" if url.startswith("/") else url
        verify = str(self._world.authority.bundle)
        answer = self.session.get(full, allow_redirects=False, verify=verify, timeout=PATIENCE)
        for cookie in self.session.cookies:
            cookie.secure = False  # or it would not be sent here, where the proxy's TLS is missing
        return answer

    def begin(self, vo: str, query: str = "") -> str:
        """Start signing in; gives the URL at the issuer."""
        answer = self.get(f"/hub/oauth/{vo}/login{query}")
        assert answer.status_code == 302, answer.text
        return answer.headers["Location"]

    def answer_of(self, at_issuer: str) -> str:
        """Sign in at the issuer; gives the URL that leads back to the hub."""
        answer = self.get(at_issuer)
        assert answer.status_code == 303, answer.text
        return answer.headers["Location"]

    def sign_in(self, vo: str, query: str = "") -> requests.Response:
        """All of it; the hub's answer to the callback."""
        return self.get(self.answer_of(self.begin(vo, query)))

    def api(self, method: str, path: str, body: Any = None) -> requests.Response:
        """The hub's API with the cookies of the browser, as the hub's own pages use it."""
        xsrf = {"X-XSRFToken": self.session.cookies.get("_xsrf", path="/hub/") or ""}
        url = f"{self._world.hub}/hub/api/{path}"
        return self.session.request(method, url, headers=xsrf, json=body or {}, timeout=PATIENCE)

    def token(self, user: str) -> dict[str, str]:
        """Headers with a new API token of that user, who is signed in here."""
        return {"Authorization": f"token {self.api('POST', f'users/{user}/tokens').json()['token']}"}


def text(page: requests.Response) -> str:
    """What a person reads on the hub's page, white space made single."""
    plain = re.sub(r"<(script|style)\b.*?</\1>|<[^>]+>", " ", page.text, flags=re.S)
    return re.sub(r"\s+", " ", html.unescape(plain))


def links(page: requests.Response) -> dict[str, tuple[str, str]]:
    """The VOs that the chooser leads to, as (path, title)."""
    found = re.findall(r'<a class="facility-vo" data-vo="(.*?)" href="(.*?)".*?facility-title">(.*?)<', page.text, re.S)
    return {vo: (html.unescape(path), html.unescape(title)) for vo, path, title in found}


def spec(issuer: Issuer, **more: Any) -> dict[str, Any]:
    """A VO at that issuer that admits its own root group."""
    login = {"allowedGroups": [f"/{issuer.name}"]}
    return {
        "displayName": issuer.name.upper(),
        "issuer": issuer.issuer,
        "clientSecret": {"name": f"{issuer.name}-client"},
        "login": login,
        **more,
    }


@contextmanager
def world(directory: Path, refresh_age: int = -1, with_hub: bool = True) -> Iterator[World]:
    """Start everything, and end it. By default every page asks the broker how the session stands."""
    authority = Authority(directory)
    with ExitStack() as stack:
        cms, atlas = (stack.enter_context(Issuer(authority, name)) for name in ("cms", "atlas"))
        broker = stack.enter_context(Broker(authority, _IDENTITY))
        api = stack.enter_context(KubernetesApi(authority))
        proxy = stack.enter_context(Proxy(_PROXY_TOKEN))
        notebooks = stack.enter_context(Notebooks())
        stack.callback(api.stop)
        api.put("cms", spec(cms))
        api.put("atlas", spec(atlas))
        port = free_port()
        values = {"broker": broker.url, "proxy": proxy.url, "notebooks": notebooks.port, "port": port}
        _files(directory, **values, refresh_age=refresh_age)
        made = World(f"http://127.0.0.1:{port}", directory, authority, cms, atlas, broker, api)
        made.reset()
        if with_hub:
            stack.enter_context(made.running())
        yield made


def _files(directory: Path, **values: Any) -> None:
    files = {
        "site.yaml": _SITE,
        "values.yaml": "cull: {enabled: false}",
        "identity": _IDENTITY,
        "token": "hub-account",
        "secrets/proxy-token": _PROXY_TOKEN,
        "secrets/crypt-key": "ab" * 32,
        "secrets/cookie-secret": "any text will do",
        "hub_config.py": _CONFIG.format(here=str(directory), **values),
    }
    (directory / "secrets").mkdir()
    for name, content in files.items():
        (directory / name).write_text(content)


def _serves(made: World) -> bool:
    try:
        return requests.get(f"{made.hub}/hub/health", timeout=PATIENCE).ok and "VOs new" in made.log
    except requests.ConnectionError:
        return False
