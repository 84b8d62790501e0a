"""Reads a facility: lists of objects, certificates' ends, what issuers answer here. Nothing is ever written.

What may not be read is noted and passed over, so that the check tells what it can to whoever asks.
"""

from __future__ import annotations

import asyncio
import base64
import ssl
from collections.abc import Callable, Iterable
from pathlib import Path

import yaml
from cryptography import x509
from kubernetes_asyncio import config
from kubernetes_asyncio.client import ApiClient, Configuration
from pydantic import ValidationError

from facility import names
from facility.inspection.facts import Certificate, Facts, Json, labels, name, vo_of
from facility.kubernetes import SERVICE_ACCOUNT, ApiError, Kubernetes
from facility.operator import leader
from facility.operator.discovery import Discovery
from facility.operator.facts import Issuer, issuer_of
from facility.operator.objects import TLS
from facility.site import Namespaces, Site

_CUSTOM = f"/apis/{names.API_GROUP}/{names.API_VERSION}"
_CORE, _APPS, _LEASES = "/api/v1", "/apis/apps/v1", "/apis/coordination.k8s.io/v1"
_TLS = "kubernetes.io/tls"  # type of Secrets, the site's own for the public name among them
_PAGE = 500  # objects of one answer
_FORBIDDEN, _NOT_FOUND = 403, 404
#: what is looked at, in which namespace: plural and the root of its path
_EVERYWHERE = (("pods", _CORE), ("persistentvolumeclaims", _CORE), ("resourcequotas", _CORE), ("events", _CORE))
_OWN = (("virtualorganizations", _CUSTOM), ("facilityusers", _CUSTOM), ("deployments", _APPS))
_SETS = (("statefulsets", _APPS),)


async def connect(account: Path = SERVICE_ACCOUNT) -> Kubernetes:
    """As the pod's ServiceAccount, or with the kubeconfig of whoever asks. Raises ConfigException without either."""
    try:
        return Kubernetes.in_cluster(account)
    except config.ConfigException:
        settings = Configuration()
        await config.load_kube_config(client_configuration=settings)
        return Kubernetes(ApiClient(settings))


class Reader:
    """Collects the facts of the facility in one namespace. `now`: seconds since the epoch."""

    def __init__(self, kubernetes: Kubernetes, namespace: str, now: Callable[[], float]) -> None:
        self._kubernetes, self._namespace, self._now = kubernetes, namespace, now
        self._objects: dict[tuple[str, str], tuple[Json, ...]] = {}
        self._unread: list[str] = []
        self._known = True

    async def facts(self) -> Facts:
        """All of them. Raises ApiError when the API server does not answer, or does not know who asks."""
        installed, site = await self._settings()
        spaces = site.namespaces if site else Namespaces(facility=self._namespace)
        for plural, root, space in _lists(spaces):
            await self._list(plural, root, space)
        await self._lease(spaces.facility)
        certificates = [await self._certificates(space) for space in dict.fromkeys((spaces.facility, spaces.batch))]
        issuers = await self._issuers(self._objects.get(("virtualorganizations", spaces.facility), ()))
        return Facts(
            now=self._now(),
            spaces=spaces,
            installed=installed,
            known=self._known,
            deadline=site.removal_deadline if site else 60,
            objects=self._objects,
            certificates=tuple(one for found in certificates for one in found),
            issuers=issuers,
            unread=tuple(self._unread),
        )

    async def _settings(self) -> tuple[bool, Site | None]:
        """(whether there are any, the settings as far as they can be read)."""
        before = len(self._unread)
        found = await self._get(f"{_CORE}/namespaces/{self._namespace}/configmaps/facility-site", "the settings")
        if found is None:
            return len(self._unread) > before, None
        try:
            return True, Site.model_validate(yaml.safe_load(found["data"]["site.yaml"]))
        except (KeyError, yaml.YAMLError, ValidationError):
            self._unread.append("the settings: ConfigMap facility-site is of another version than this command")
            return True, None

    async def _list(self, plural: str, root: str, space: str) -> None:
        path, items = f"{root}/namespaces/{space}/{plural}", list[Json]()
        query = {"limit": str(_PAGE)} | ({"fieldSelector": "type=Warning"} if plural == "events" else {})
        while True:
            answer = await self._get(path, f"{plural} in {space}", query)
            if answer is None:
                return
            items += answer.get("items") or []
            query["continue"] = (answer.get("metadata") or {}).get("continue") or ""
            if not query["continue"]:
                self._objects[plural, space] = tuple(items)
                return

    async def _lease(self, space: str) -> None:
        before = len(self._unread)
        path = f"{_LEASES}/namespaces/{space}/leases/{leader.NAME}"
        found = await self._get(path, f"the operator's lease in {space}")
        if found or len(self._unread) == before:
            self._objects["leases", space] = (found,) if found else ()

    async def _get(self, path: str, what: str, query: dict[str, str] | None = None) -> Json | None:
        """None, and a note of it, for what may not be read or is not there. Raises ApiError without an answer."""
        try:
            return await self._kubernetes.get(path, list((query or {}).items()))
        except ApiError as error:
            if error.status not in (_FORBIDDEN, _NOT_FOUND):
                raise
            if error.status == _FORBIDDEN:
                self._unread.append(f"{what}: not allowed to read")
            elif path.startswith(_CUSTOM):
                self._known = False
            return None

    async def _certificates(self, space: str) -> list[Certificate]:
        """Only the certificates are looked at; the keys beside them go with the answer."""
        query = {"fieldSelector": f"type={_TLS}"}
        found = await self._get(f"{_CORE}/namespaces/{space}/secrets", f"certificates in {space}", query)
        secrets = (found or {}).get("items") or []
        return [_certificate(one, space) for one in secrets if one.get("type") == _TLS]

    async def _issuers(self, vos: Iterable[Json]) -> dict[str, Issuer]:
        path = f"{_CORE}/namespaces/{self._namespace}/configmaps/facility-trust"
        found = await self._get(path, "the trusted authorities")
        urls = sorted({url for vo in vos if (url := issuer_of(vo))})
        try:
            context = ssl.create_default_context(cadata=(found or {})["data"]["ca.crt"])
        except (KeyError, ssl.SSLError):
            self._unread.append("issuers: the bundle of trusted authorities, ConfigMap facility-trust, is not there")
            return {}
        discovery = Discovery(context)
        try:
            return dict(zip(urls, await asyncio.gather(*map(discovery.ask, urls)), strict=True))
        finally:
            await discovery.close()


def _lists(spaces: Namespaces) -> list[tuple[str, str, str]]:
    """(plural, root, namespace) of each list; a namespace that serves two purposes is read once."""
    found = [(plural, root, spaces.facility) for plural, root in (*_OWN, *_SETS)]
    found += [(plural, root, spaces.batch) for plural, root in _SETS]
    for space in (spaces.facility, spaces.batch, spaces.users):
        found += [(plural, root, space) for plural, root in _EVERYWHERE]
    return list(dict.fromkeys(found))


def _certificate(secret: Json, space: str) -> Certificate:
    try:
        pem = base64.b64decode(secret["data"]["tls.crt"])
        ends = x509.load_pem_x509_certificate(pem).not_valid_after_utc.timestamp()
    except (KeyError, TypeError, ValueError):
        ends = 0.0
    ours = labels(secret).get(names.LABEL_COMPONENT) == TLS
    return Certificate(space, name(secret), vo_of(secret), ends, ours)
