"""The hub's neighbours with the behaviour that sign-in needs of them."""

from __future__ import annotations

import json
import queue
import secrets
import threading
import time
from base64 import b64encode, urlsafe_b64encode
from collections.abc import Callable
from hashlib import sha256
from typing import Any
from urllib.parse import urlencode

from tests.fakes.authority import Authority
from tests.fakes.hub_servers import Reply, Request, Server

CLIENT, SECRET = "the-hub", "not a secret"


def _segment(value: dict[str, Any]) -> str:
    return urlsafe_b64encode(json.dumps(value).encode()).decode().rstrip("=")


class Issuer(Server):
    """An OpenID provider that signs `person` in without asking. It checks client, redirect URI, PKCE and code."""

    def __init__(self, authority: Authority, name: str) -> None:
        super().__init__(authority)
        self.name = name
        self.issuer = f"{self.url}/"
        self.person: dict[str, Any] = {}
        self.userinfo: dict[str, Any] = {}
        self.id_token: dict[str, Any] = {}  # claims that replace what is right
        self.refresh_token: str | None = "set at each sign-in"
        self.metadata: dict[str, Any] = {}
        self.redirect_uris: list[str] = []  # those registered; any if there are none
        self.away = False
        self._codes: dict[str, dict[str, str]] = {}
        self.reset()

    def reset(self) -> None:
        """Back to a good issuer at which alice of the VO signs in."""
        self.person = {"sub": f"{self.name}-1", "preferred_username": "alice", "wlcg.groups": [f"/{self.name}"]}
        self.userinfo, self.id_token, self.metadata, self.redirect_uris = {}, {}, {}, []
        self.refresh_token = f"REFRESH~{secrets.token_urlsafe(12)}"
        self.away = False
        self.requests.clear()

    def answer(self, request: Request) -> Reply:
        if self.away:
            return Reply(502)
        pages: dict[str, Callable[[Request], Reply]] = {
            "/.well-known/openid-configuration": self._metadata,
            "/authorize": self._authorize,
            "/token": self._token,
            "/userinfo": self._userinfo,
        }
        return pages[request.path](request)

    def _metadata(self, _: Request) -> Reply:
        plain = {"issuer": self.issuer, "token_endpoint_auth_methods_supported": ["client_secret_post"]}
        places = {f"{one}_endpoint": f"{self.url}/{path}" for one, path in PLACES.items()}
        return Reply(body={**plain, **places, **self.metadata})

    def _authorize(self, request: Request) -> Reply:
        if self.redirect_uris and request.query["redirect_uri"] not in self.redirect_uris:
            return Reply(400, {"error": "invalid_grant"})
        code = secrets.token_urlsafe(8)
        self._codes[code] = request.query
        back = {"code": code, "state": request.query["state"]}
        if self.metadata.get("authorization_response_iss_parameter_supported"):
            back["iss"] = self.issuer
        return Reply(303, headers={"Location": f"{request.query['redirect_uri']}?{urlencode(back)}"})

    def _token(self, request: Request) -> Reply:
        form, asked = request.form, self._codes.pop(request.form["code"], None)
        if (form["client_id"], form["client_secret"]) != (CLIENT, SECRET):
            return Reply(401, {"error": "unauthorized", "error_description": "Bad credentials"})
        challenge = urlsafe_b64encode(sha256(form["code_verifier"].encode()).digest()).decode().rstrip("=")
        if not asked or asked["redirect_uri"] != form["redirect_uri"] or asked["code_challenge"] != challenge:
            return Reply(400, {"error": "invalid_grant", "error_description": f"no code {form['code']}"})
        claims = {"iss": self.issuer, "aud": CLIENT, "exp": time.time() + 600, "nonce": asked["nonce"]}
        token = f"{_segment({'alg': 'RS256', 'kid': 'k'})}.{_segment({**claims, **self.person, **self.id_token})}.AAAA"
        body = {
            "access_token": f"ACCESS~{secrets.token_urlsafe(8)}",
            "token_type": "Bearer",
            "expires_in": 3599,
            "scope": asked["scope"],
            "id_token": token,
        }
        return Reply(body=body | ({"refresh_token": self.refresh_token} if self.refresh_token else {}))

    def _userinfo(self, request: Request) -> Reply:
        if not request.headers["authorization"].startswith("Bearer ACCESS~"):
            return Reply(401, {"error": "invalid_token"})
        return Reply(body={"sub": self.person["sub"], **self.userinfo})


PLACES = {"authorization": "authorize", "token": "token", "userinfo": "userinfo"}


class Broker(Server):
    """Takes sessions; a name belongs to the first subject that came with it."""

    def __init__(self, authority: Authority, identity: str) -> None:
        super().__init__(authority)
        self._identity = identity
        self.sessions: dict[str, dict[str, Any]] = {}
        self.states: dict[str, Reply] = {}
        self.refusal: Reply | None = None  # the answer to every session that is handed over
        self.away = False

    def reset(self) -> None:
        self.sessions, self.states, self.refusal, self.away = {}, {}, None, False
        self.requests.clear()

    def answer(self, request: Request) -> Reply:
        user = request.path.removeprefix("/sessions/")
        if self.away:
            return Reply(503, {"error": "temporarily_unavailable", "error_description": "store"})
        if request.headers["authorization"] != f"Bearer {self._identity}":
            return Reply(401, {"error": "invalid_client", "error_description": "who are you"})
        if request.method == "GET":
            return self.states.get(user, Reply(body={"state": "good", "reason": "SignedIn"}))
        if request.method == "DELETE":
            self.sessions.pop(user, None)
            return Reply(204)
        session = request.json
        if self.refusal:
            return self.refusal
        if user in self.sessions and self.sessions[user]["sub"] != session["sub"]:
            return Reply(403, {"error": "name_taken", "error_description": f"The name {user} is another person's."})
        self.sessions[user] = session
        return Reply(201, {"user": user})


class KubernetesApi(Server):
    """Lists and watches VirtualOrganization objects, and has Secrets."""

    def __init__(self, authority: Authority) -> None:
        super().__init__(authority)
        self.secrets: dict[str, dict[str, str]] = {}
        self._objects: dict[str, dict[str, Any]] = {}
        self._version = 1
        self._lock = threading.Lock()
        self._events: list[tuple[int, dict[str, Any]]] = []
        self._watches: list[queue.Queue[dict[str, Any] | None]] = []

    def put(
        self,
        name: str,
        spec: dict[str, Any],
        created: str = "2026-01-01T00:00:00Z",
        ready: str = "True",
        deleted: str = "",
    ) -> None:
        """Make or change a VO; who watches is told. `deleted` is the time since when it is being removed."""
        kind = "MODIFIED" if name in self._objects else "ADDED"
        self._version += 1
        meta = {"name": name, "creationTimestamp": created, "resourceVersion": str(self._version), "uid": name}
        if deleted:
            meta["deletionTimestamp"] = deleted
        self._objects[name] = {
            "metadata": meta,
            "spec": spec,
            "status": {"conditions": [{"type": "Ready", "status": ready, "reason": "Told"}]},
        }
        self._tell({"type": kind, "object": self._objects[name]})

    def remove(self, name: str) -> None:
        self._version += 1
        last = self._objects.pop(name)
        last["metadata"]["resourceVersion"] = str(self._version)
        self._tell({"type": "DELETED", "object": last})

    def expire(self) -> None:
        """End all watches as the API server does when a resource version is too old."""
        gone = {"kind": "Status", "code": 410, "reason": "Expired", "message": "too old resource version"}
        self._tell({"type": "ERROR", "object": gone})

    def stop(self) -> None:
        for one in self._watches:
            one.put(None)

    def stream(self, request: Request) -> Callable[[Callable[[bytes], None]], None] | None:
        if request.query.get("watch", "").lower() != "true":
            return None
        events: queue.Queue[dict[str, Any] | None] = queue.Queue()
        with self._lock:
            for version, event in self._events:  # what has happened between list and watch
                if version > int(request.query.get("resourceVersion") or 0):
                    events.put(event)
            self._watches.append(events)

        def writer(write: Callable[[bytes], None]) -> None:
            while event := events.get():
                write(json.dumps(event).encode() + b"\n")

        return writer

    def answer(self, request: Request) -> Reply:
        kind, _, name = request.path.partition("/secrets/")
        if request.headers.get("authorization") != "Bearer hub-account":
            return Reply(401, {"kind": "Status", "code": 401})
        if not name:
            assert kind.endswith("/namespaces/facility/virtualorganizations")
            metadata = {"resourceVersion": str(self._version)}
            return Reply(body={"metadata": metadata, "items": list(self._objects.values())})
        if name not in self.secrets:
            return Reply(404, {"kind": "Status", "code": 404, "reason": "NotFound"})
        data = {key: b64encode(value.encode()).decode() for key, value in self.secrets[name].items()}
        return Reply(body={"kind": "Secret", "apiVersion": "v1", "metadata": {"name": name}, "data": data})

    def _tell(self, event: dict[str, Any]) -> None:
        with self._lock:
            if event["type"] != "ERROR":
                self._events.append((self._version, event))
            for one in self._watches:
                one.put(event)


class Proxy(Server):
    """configurable-http-proxy's API as far as a hub without servers uses it."""

    def __init__(self, token: str) -> None:
        super().__init__()
        self._token = token

    def answer(self, request: Request) -> Reply:
        if request.headers.get("authorization") != f"token {self._token}":
            return Reply(403)
        return Reply(body={}) if request.method == "GET" else Reply(201)
