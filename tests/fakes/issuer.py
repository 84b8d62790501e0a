"""A development issuer on the loopback address: the real program's application behind real TLS, its clock a test's."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from functools import cache
from html.parser import HTMLParser
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urljoin, urlsplit

import requests
from authlib.oauth2.rfc7636 import create_s256_code_challenge
from werkzeug.serving import WSGIRequestHandler, make_server

from facility.dev.issuer import mint
from facility.dev.issuer.app import Files, assemble, create
from facility.dev.issuer.settings import CLIENT, CODE, DEVICE, EXCHANGE, REFRESH, Client, Person, Settings
from facility.dev.issuer.tokens import Issuer
from tests.fakes import threaded
from tests.fakes.authority import Authority
from tests.fakes.clock import Clock
from tests.fakes.patience import PATIENCE

SCOPES = (
    "openid",
    "profile",
    "offline_access",
    "wlcg.groups",
    "storage.read:/",
    "storage.modify:/",
    "compute.read",
    "compute.create",
    "compute.cancel",
)
CALLBACK = "https://hub.test/callback"
VERIFIER = "v" * 43
ALICE = Person(
    login="alice",
    password="alice's own words",
    sub="11111111-aaaa-4aaa-8aaa-111111111111",
    given_name="Alice",
    family_name="Anders",
    email="alice@example.org",
    groups=("/Production", "/Analysis", "/zeta", "/zeta/child", "/aaa"),
    optional_groups=("/optional",),
)
GUEST = Person(login="guest", password="guest's own words", sub="22222222-bbbb-4bbb-8bbb-222222222222")
PEOPLE = (ALICE, GUEST)
HUB = Client(
    client_id="hub",
    client_secret="hub's secret",
    redirect_uris=(CALLBACK,),
    grant_types=(CODE, REFRESH, CLIENT, DEVICE, EXCHANGE),
    scopes=SCOPES,
)
ROTATING = HUB.model_copy(
    update={"client_id": "rotating", "reuse_refresh_token": False, "clear_access_tokens_on_refresh": False}
)
OTHER = Client(
    client_id="other",
    client_secret="other's secret",
    redirect_uris=(CALLBACK,),
    scopes=("openid", "offline_access", "storage.read:/"),
    allow_introspection=False,
)
PUBLIC = Client(client_id="public", redirect_uris=(CALLBACK,), scopes=("openid", "profile"))
ADMIN = Client(client_id="admin", client_secret="admin's secret", grant_types=(CLIENT,), administers=True)
CLIENTS = (HUB, ROTATING, OTHER, PUBLIC, ADMIN)
GROUP_SCOPES = {"/Analysis": ("storage.read:/", "storage.modify:/")}


class Browser(requests.Session):
    """A client with a cookie jar that follows no redirect by itself and trusts one authority alone."""

    def __init__(self, url: str, bundle: Path) -> None:
        super().__init__()
        self._url, self.verify, self.trust_env = url, str(bundle), False

    def request(self, method: str, url: str, **options: Any) -> requests.Response:  # type: ignore[override]
        """A request to a path of the issuer."""
        options["allow_redirects"] = False
        return super().request(method, urljoin(self._url, url), timeout=PATIENCE, **options)


@dataclass
class Running:
    """An issuer that answers, and a client to ask it with."""

    url: str
    http: Browser = field(repr=False)
    files: Files
    clock: Clock
    issuer: Issuer = field(repr=False)
    bundle: Path

    def token(self, client: Client = HUB, **form: Any) -> requests.Response:
        """POST /token with Basic authentication."""
        return self.http.post("/token", data=form, auth=(client.client_id, client.client_secret or ""))

    def post(self, path: str, client: Client = HUB, **form: Any) -> requests.Response:
        """POST with Basic authentication."""
        return self.http.post(path, data=form, auth=(client.client_id, client.client_secret or ""))

    def sign_in(self, person: Person = ALICE, client: Client = HUB, **change: Any) -> dict[str, Any]:
        """From nothing to a token response, as hub and browser do it together."""
        code = self.code(person, client, **change)
        answer = self.token(
            client,
            grant_type=CODE,
            code=code,
            redirect_uri=CALLBACK,
            code_verifier=VERIFIER,
            client_id=client.client_id,
        )
        assert answer.status_code == 200, answer.text
        found: dict[str, Any] = answer.json()
        return found

    def change(self, person: Person = ALICE, client: Client = ADMIN, **change: Any) -> requests.Response:
        """PATCH /admin/people/<login>."""
        auth = (client.client_id, client.client_secret or "")
        return self.http.patch(f"/admin/people/{person.login}", json=change, auth=auth)

    def mood(self, **mood: Any) -> None:
        """PUT /admin/mood."""
        answer = self.http.put("/admin/mood", json=mood, auth=(ADMIN.client_id, ADMIN.client_secret or ""))
        assert answer.status_code == 200, answer.text

    def code(self, person: Person = ALICE, client: Client = HUB, **change: Any) -> str:
        """A code for one new login, everything approved."""
        with self.browser() as browser:
            answer = browser.get("/authorize", params=authorization(client, **change))
            answer = log_in(browser, answer, person)
            answer = browser.post("/authorize", data=form(answer.text) | {"remember": "none"})
        return query(answer)["code"]

    def browser(self) -> Browser:
        """A new browser: a cookie jar of its own."""
        return Browser(self.url, self.bundle)


def authorization(client: Client = HUB, **change: Any) -> dict[str, Any]:
    """Parameters of an authorization request with PKCE; None leaves one out."""
    usual = {
        "response_type": "code",
        "client_id": client.client_id,
        "redirect_uri": CALLBACK,
        "scope": " ".join(s for s in client.scopes if s not in ("storage.modify:/", "compute.cancel")),
        "state": "the state",
        "nonce": "the nonce",
        "code_challenge": create_s256_code_challenge(VERIFIER),
        "code_challenge_method": "S256",
    }
    return {name: value for name, value in (usual | change).items() if value is not None}


def log_in(browser: Browser, answer: requests.Response, person: Person) -> requests.Response:
    """Through the login form, back to the page that was asked for."""
    assert answer.status_code == 302
    assert answer.headers["location"] == "/login"
    page = browser.get("/login")
    fields = form(page.text) | {"username": person.login, "password": person.password}
    answer = browser.post("/login", data=fields)
    return browser.get(answer.headers["location"])


def query(answer: requests.Response) -> dict[str, str]:
    """Parameters of the redirect that an answer is."""
    return {name: values[0] for name, values in parse_qs(urlsplit(answer.headers["location"]).query).items()}


class _Form(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.fields: dict[str, str] = {}

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        found = dict(attrs)
        if tag == "input" and found.get("name") and found.get("type") == "hidden":
            self.fields[str(found["name"])] = found.get("value") or ""


def form(page: str) -> dict[str, str]:
    """The hidden fields of a page's form."""
    parser = _Form()
    parser.feed(page)
    return parser.fields


def write(directory: Path, url: str, clients: tuple[Client, ...] = (), **change: Any) -> Files:
    """All files of an issuer, as the demo's Secrets and ConfigMap hold them; `clients` take the place of namesakes."""
    files = Files(
        directory / "issuer.yaml",
        directory / "people.yaml",
        directory / "clients.yaml",
        directory / "keys",
        directory / "tls",
        directory / "issuer.sqlite",
    )
    settings = Settings.model_validate(
        {"issuer": f"{url}/", "system_scopes": SCOPES, "group_scopes": GROUP_SCOPES, **change}
    )
    files.settings.write_text(mint.settings_text(settings))
    files.keys.mkdir(exist_ok=True)
    content = mint.people_secret(PEOPLE) | mint.clients_secret(
        {one.client_id: one for one in (*CLIENTS, *clients)}.values()
    )
    for name, text in content.items():
        (directory / name).write_text(text)
    return files


@cache
def signing_key() -> str:
    """The key of all these issuers, PEM: made once, as looking for primes takes a moment."""
    return mint.signing_key()


@contextmanager
def serving(directory: Path, slash: bool = True, **change: Any) -> Iterator[Running]:
    """An issuer with one signing key, `rsa1`, and settings changed as told, until the block ends.

    `slash`: whether the issuer's name ends in one.
    """
    authority = Authority(directory)
    clock = Clock()
    server = make_server(
        "127.0.0.1", 0, _Late(), threaded=True, request_handler=_Quiet, ssl_context=authority.server("localhost")
    )
    url = f"https://localhost:{server.server_port}"
    files = write(directory, url, **{"issuer": f"{url}{'/' if slash else ''}", **change})
    (files.keys / "rsa1.pem").write_text(signing_key())
    issuer = assemble(files, clock)
    server.app.target = create(issuer)
    with closing(issuer.store), threaded.running(server), Browser(url, authority.bundle) as http:
        yield Running(url, http, files, clock, issuer, authority.bundle)


class _Late:
    """The application, which needs the port before it can be made."""

    target: Any = None

    def __call__(self, environ: Any, start: Any) -> Any:
        return self.target(environ, start)


class _Quiet(WSGIRequestHandler):
    def log(self, type: str, message: str, *args: Any) -> None:
        """Say nothing: paths hold codes."""


def claims(token: str) -> dict[str, Any]:
    """The claims of a JWT, unverified."""
    return _part(token, 1)


def header(token: str) -> dict[str, Any]:
    """The header of a JWT."""
    return _part(token, 0)


def _part(token: str, index: int) -> dict[str, Any]:
    text = token.split(".")[index]
    found: dict[str, Any] = json.loads(base64.urlsafe_b64decode(text + "=" * (-len(text) % 4)))
    return found
