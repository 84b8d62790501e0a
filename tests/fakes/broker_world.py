"""The broker with everything around it: its real https server, an API server, an issuer, and its callers."""

from __future__ import annotations

import asyncio
import json
import re
from base64 import b64encode, urlsafe_b64encode
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import aiohttp
from aiohttp import web
from aiohttp.test_utils import TestServer
from cryptography.fernet import Fernet
from kubernetes_asyncio.client import ApiClient, Configuration

from facility.broker import reading
from facility.broker.access_log import AccessLog
from facility.broker.leases import Terms
from facility.broker.metrics import Metrics
from facility.broker.parts import Broker, Surroundings
from facility.broker.shards import SHARDS
from facility.kubernetes import Kubernetes
from facility.site import Images, Site
from tests.fakes.authority import Authority
from tests.fakes.clock import Clock
from tests.fakes.kubernetes_api import Json, KubernetesApi
from tests.fakes.patience import PATIENCE
from tests.fakes.token_issuer import TokenIssuer

LAKE = "https://origin.test:1094"
EMBARGOED, OPEN = "storage.read:/embargoed", "storage.read:/open"
COMPUTE = ("compute.read", "compute.create", "compute.modify", "compute.cancel")
HUB_URL = "https://hub.test"
SECRETS = "/api/v1/namespaces/facility/secrets"
PODS = "/api/v1/namespaces/facility-users/pods"
VOS = "/apis/analysis-facility.io/v1alpha1/namespaces/facility/virtualorganizations"
USERS = "/apis/analysis-facility.io/v1alpha1/namespaces/facility/facilityusers"
EXCHANGE = "urn:ietf:params:oauth:grant-type:token-exchange"
JWT = "urn:ietf:params:oauth:token-type:jwt"
IMAGE = "registry.test/image:1"
LASTING = Terms(deadline=600, life=720)  # leases of a broker that is alone, however slow the machine is
CONNECTIONS = 8  # to the API server: each costs a handshake, and a broker that ends would begin 16 at once
SITE = Site(images=Images(facility=IMAGE, hub=IMAGE, notebook=IMAGE, condor=IMAGE, xcache=IMAGE), public_url=HUB_URL)


@dataclass
class Answer:
    """What the broker answered."""

    status: int
    body: dict[str, Any]
    headers: Any

    @property
    def error(self) -> str:
        """OAuth's error code."""
        return str(self.body.get("error"))

    @property
    def description(self) -> str:
        """The sentence beside it."""
        return str(self.body.get("error_description"))


def identity(name: str) -> str:
    """The identity token of a pod; anything that is no plain name stays as it is."""
    if not re.fullmatch(r"[A-Za-z0-9-]{1,64}", name):
        return name
    header, claims = {"alg": "RS256", "kid": "of-the-cluster"}, {"aud": ["token-broker"], "jti": name, "exp": 1 << 40}
    parts = [*(json.dumps(part).encode() for part in (header, claims)), b"signature"]
    return ".".join(urlsafe_b64encode(part).rstrip(b"=").decode() for part in parts)


class World:
    """Facility, VO `cms` and its people; callers are named by what is in their identity tokens."""

    def __init__(self, authority: Authority, directory: Path) -> None:
        self.authority = authority
        self._trust = authority.client()
        self.clock = Clock()
        self.api = KubernetesApi()
        self.issuer = TokenIssuer(self.clock)
        self.keys = directory / "broker-key"
        self.keys.mkdir()
        (self.keys / "current").write_bytes(Fernet.generate_key())
        self.issuer_timeout = 10.0
        self.broker: Broker
        self.metrics: Metrics
        self._api_url = self._broker_url = ""
        self._http: aiohttp.ClientSession

    def trust(self, bundle: Path) -> None:
        """Has everybody trust a further authority."""
        self._trust.load_verify_locations(bundle)

    @property
    def compute(self) -> str:
        """The audience for submitting."""
        return SITE.compute_audience

    def add_vo(self, name: str = "cms", **changes: Any) -> None:
        """A VO object and its client's Secret."""
        lake = {"prefix": f"/{name}", "origin": LAKE, "audience": LAKE, "scopes": [EMBARGOED, OPEN]}
        spec = {"issuer": self.issuer.url, "clientSecret": {"name": f"{name}-client"}, "lakes": [lake]}
        spec |= {"tokens": {"requestsPerSecond": 1000}} | changes  # the clock stands still: nobody is to wait
        self.set_client(name, self.issuer.clients["facility"])
        self.api.put(f"{VOS}/{name}", {"metadata": {"name": name}, "spec": spec})

    def change_vo(self, name: str = "cms", **changes: Any) -> None:
        """Changes fields of a VO's spec, as an admin does."""
        item = self.api.objects[f"{VOS}/{name}"]
        self.api.put(f"{VOS}/{name}", {**item, "spec": {**item["spec"], **changes}})

    def begin_removal(self, name: str = "cms") -> None:
        """`kubectl delete vo`, the operator's finalizer holding the object."""
        item = self.api.objects[f"{VOS}/{name}"]
        self.api.put(f"{VOS}/{name}", {**item, "metadata": {**item["metadata"], "deletionTimestamp": "now"}})

    def set_client(self, vo: str, secret: str, identifier: str = "facility") -> None:
        """Writes a VO's client Secret."""
        data = {"client_id": _base64(identifier), "client_secret": _base64(secret)}
        self.api.put(f"{SECRETS}/{vo}-client", {"metadata": {"name": f"{vo}-client"}, "data": data})

    def add_account(self, token: str, namespace: str, account: str) -> None:
        """An identity token of a pod of this ServiceAccount."""
        self.api.identities[identity(token)] = {"username": f"system:serviceaccount:{namespace}:{account}", "extra": {}}

    def add_pod(self, token: str, user: str, **extra: Any) -> None:
        """A person's pod and its identity token."""
        name = f"jupyter-{user}"
        pod = {"metadata": {"name": name, "uid": f"uid-{name}", "annotations": {"hub.jupyter.org/username": user}}}
        self.api.put(f"{PODS}/{name}", pod)
        bound = {"pod-name": [name], "pod-uid": [f"uid-{name}"]} | extra
        self.api.identities[identity(token)] = {
            "username": "system:serviceaccount:facility-users:default",
            "extra": {f"authentication.kubernetes.io/{key}": value for key, value in bound.items()},
        }

    async def sign_in(
        self,
        name: str = "alice",
        *scopes: str,
        vo: str = "cms",
        sub: str | None = None,
        groups: tuple[str, ...] | None = None,
    ) -> str:
        """Has a person sign in, with all scopes unless some are named; returns their refresh token.

        With `groups` they are also granted what shows these at the issuer.
        """
        granted = scopes or ("openid", "offline_access", EMBARGOED, OPEN, *COMPUTE)
        if groups is not None:
            granted = (*granted, "profile", "wlcg.groups")
            self.issuer.groups[sub or f"sub-{name}"] = list(groups)
        token = self.issuer.grant(sub or f"sub-{name}", *granted)
        answer = await self.hand_over(name, token, granted, vo=vo, sub=sub, groups=groups or ())
        assert answer.status in (200, 201), answer
        return token

    async def hand_over(
        self,
        name: str,
        token: str,
        scopes: tuple[str, ...],
        vo: str = "cms",
        sub: str | None = None,
        groups: tuple[str, ...] = (),
    ) -> Answer:
        """PUT /sessions/<user> by the hub."""
        body: dict[str, Any] = {"vo": vo, "sub": sub or f"sub-{name}", "claim": name, "refresh_token": token}
        body |= {"scopes": list(scopes), "groups": list(groups)}
        return await self.ask("PUT", f"/sessions/{vo}-{name}", "hub", json=body)

    async def token(self, caller: str = "alice-pod", audience: str = LAKE, **form: str) -> Answer:
        """POST /token."""
        basis = {
            "grant_type": EXCHANGE,
            "subject_token": identity(caller),
            "subject_token_type": JWT,
            "audience": audience,
        }
        return await self.ask("POST", "/token", None, data=basis | form)

    async def state(self, user: str = "cms-alice") -> dict[str, Any]:
        """State and reason of GET /sessions/<user> by the hub."""
        return {key: value for key, value in (await self.standing(user)).items() if key != "groups"}

    async def standing(self, user: str = "cms-alice") -> dict[str, Any]:
        """GET /sessions/<user> by the hub, whole."""
        answer = await self.ask("GET", f"/sessions/{user}", "hub")
        assert answer.status == 200
        return answer.body

    async def ask(self, method: str, path: str, caller: str | None, **more: Any) -> Answer:
        """Any request to the broker."""
        headers = more.pop("headers", {}) | ({"Authorization": f"Bearer {identity(caller)}"} if caller else {})
        async with self._http.request(method, self._broker_url + path, headers=headers, **more) as answer:
            body = await answer.json() if answer.content_type == "application/json" else {}
            return Answer(answer.status, body, answer.headers)

    async def condition(self, user: str = "cms-alice") -> Json:
        """TokenReady of a person, once all reports are written."""
        await self.broker.people.write_pending()
        found = self.api.objects[f"{USERS}/{user}"]["status"]["conditions"]
        return next(one for one in found if one["type"] == "TokenReady")

    def connect(self) -> Kubernetes:
        """The broker's way to the API server."""
        return Kubernetes(self.client())

    def client(self) -> ApiClient:
        """A client of the API server, for whoever has a way of its own."""
        configuration = Configuration(host=self._api_url, ssl_ca_cert=str(self.authority.bundle))
        configuration.connection_pool_maxsize = CONNECTIONS
        return ApiClient(configuration)

    @asynccontextmanager
    async def running_broker(self) -> AsyncIterator[None]:
        """A broker with nothing in memory, serving https until left."""
        async with AsyncExitStack() as stack:
            kubernetes = self.connect()
            stack.push_async_callback(kubernetes.close)
            around = Surroundings(
                SITE,
                kubernetes,
                lambda: self._trust,
                self.keys,
                self.clock,
                self.issuer_timeout,
                pulse=self.clock,
                terms=LASTING,
            )
            self.broker = Broker(around)
            await stack.enter_async_context(self.broker.run())
            self.metrics, app = Metrics(self.broker), self.broker.application()
            app.middlewares.append(self.metrics.counting)
            self._broker_url = await _serve(stack, self.authority, app, access_log_class=AccessLog, **reading.LIMITS)
            await asyncio.wait_for(self.broker.vo_mirror.synced.wait(), PATIENCE)
            await eventually(lambda: len(self.broker.holding.shards) == SHARDS)
            yield

    @asynccontextmanager
    async def neighbours(self) -> AsyncIterator[None]:
        """API server and issuer, with the VO `cms`, the pods of alice, its access point, its cache, and the hub."""
        async with AsyncExitStack() as stack:
            self._http = await stack.enter_async_context(
                aiohttp.ClientSession(connector=aiohttp.TCPConnector(ssl=self._trust, limit=0))
            )
            self._api_url = await _serve(stack, self.authority, self.api.application())
            self.issuer.url = await _serve(stack, self.authority, self.issuer.application()) + "/"
            self.add_vo()
            self.add_account("hub", "facility", "hub")
            self.add_account("ap", "facility-batch", "ap-cms")
            self.add_account("xcache", "facility", "xcache-cms")
            self.add_pod("alice-pod", "cms-alice")
            yield


@asynccontextmanager
async def facility(directory: Path) -> AsyncIterator[World]:
    """All of it, running."""
    world = World(Authority(directory), directory)
    async with world.neighbours(), world.running_broker():
        yield world


@asynccontextmanager
async def facility_of_two(directory: Path) -> AsyncIterator[World]:
    """All of it, running, with alice and bob signed in and a pod each."""
    async with facility(directory) as world:
        world.add_pod("bob-pod", "cms-bob")
        await world.sign_in()
        await world.sign_in("bob")
        yield world


async def goes_away(world: World, asking: Awaitable[Answer]) -> None:
    """Somebody asks and goes away before the issuer, which holds its answer back until then, has answered."""
    world.issuer.gate = asyncio.Event()
    impatient = asyncio.ensure_future(asking)
    await eventually(lambda: len(world.issuer.forms) == 1)
    impatient.cancel()
    await asyncio.gather(impatient, return_exceptions=True)
    world.issuer.gate.set()


async def eventually(holds: Callable[[], bool]) -> None:
    """Returns once `holds`, which something under way in the background brings about."""
    async with asyncio.timeout(PATIENCE):
        while not holds():  # noqa: ASYNC110 - over real sockets there is no event to wait for
            await asyncio.sleep(0.002)


async def _serve(stack: AsyncExitStack, authority: Authority, app: web.Application, **options: Any) -> str:
    server = TestServer(app, scheme="https")
    await server.start_server(ssl=authority.server("127.0.0.1"), **options)
    stack.push_async_callback(server.close)
    return str(server.make_url("")).rstrip("/")


def _base64(text: str) -> str:
    return b64encode(text.encode()).decode()
