"""TLS certificates of the facility's services: Secrets `tls-<service>`, renewed after two thirds of their 90 days."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from urllib.parse import urlsplit

from facility import names
from facility.operator.cluster import Cluster, ConflictError
from facility.operator.objects import SECRET, TLS, Manifest, Reference, labels
from facility.operator.pki import Pair, issue, serves
from facility.operator.secrets import content, manifest
from facility.site import Site
from facility.vo import VirtualOrganization

_LOG = logging.getLogger(__name__)


@dataclass(frozen=True)
class Server:
    """A service that needs a certificate, and the hosts it must name."""

    service: str
    namespace: str
    hosts: tuple[str, ...]
    vo: str = ""

    @property
    def secret(self) -> Reference:
        """Its Secret."""
        return Reference(SECRET, self.namespace, names.tls_secret(self.service))


def _server(service: str, namespace: str, vo: str = "", more: tuple[str, ...] = ()) -> Server:
    return Server(service, namespace, (names.host(service, namespace), service, *more), vo)


def of_site(site: Site) -> list[Server]:
    """The servers of which a facility has one; the hub's proxy also answers under the public name."""
    spaces = site.namespaces
    public = urlsplit(site.public_url).hostname or ""
    own = (names.host("proxy-public", spaces.facility), "proxy-public")
    proxy = _server("proxy-public", spaces.facility, more=(public,) if public not in own else ())
    return [_server("broker", spaces.facility), proxy, _server("cm", spaces.batch)]


def of_vo(vo: VirtualOrganization, site: Site) -> list[Server]:
    """A VO's own servers."""
    cache = [_server(names.xcache(vo.name), site.namespaces.facility, vo.name)] if vo.spec.lakes else []
    queue = [_server(names.access_point(vo.name), site.namespaces.batch, vo.name)] if vo.spec.batch.enabled else []
    return cache + queue


class Certificates:
    """Issues what is missing, due, or for other names; leaves a Secret that somebody else made to them."""

    def __init__(self, cluster: Cluster, site: Site, now: Callable[[], float]) -> None:
        self._cluster = cluster
        self._spaces = site.namespaces
        self._now = now

    async def ensure(self, ca: Pair, servers: Iterable[Server]) -> None:
        """See to the certificates of these servers. Raises ClusterError."""
        present = await self._present()
        for server in servers:
            live = present.get(server.secret)
            if live is None:
                await self._make(server, ca)
            elif not serves(content(live).get("tls.crt", b""), ca, server.hosts, self._now()):
                await self._cluster.apply(self._manifest(server, ca))
                _LOG.info("renewed %s", server.secret)

    async def prune(self, vos: Iterable[str]) -> None:
        """Delete the certificates of VOs that are not any more."""
        known = set(vos)
        for ref, live in (await self._present()).items():
            vo = labels(live).get(names.LABEL_VO)
            if vo is not None and vo not in known:
                await self._cluster.delete(ref)

    async def _present(self) -> dict[Reference, Manifest]:
        found: dict[Reference, Manifest] = {}
        for space in dict.fromkeys((self._spaces.facility, self._spaces.batch)):
            for one in await self._cluster.list(SECRET, space, f"{names.LABEL_COMPONENT}={TLS}"):
                found[Reference(SECRET, space, one["metadata"]["name"])] = one
        return found

    async def _make(self, server: Server, ca: Pair) -> None:
        try:
            await self._cluster.create(self._manifest(server, ca))
            _LOG.info("made %s", server.secret)
        except ConflictError:
            # A site may bring a certificate of its own for a name: it has no label of ours, and is theirs to renew.
            _LOG.debug("%s is somebody else's", server.secret)

    def _manifest(self, server: Server, ca: Pair) -> Manifest:
        pair = issue(ca, server.hosts, self._now())
        data = {"tls.crt": pair.certificate, "tls.key": pair.key, "ca.crt": ca.certificate}
        result = manifest(server.namespace, server.secret.name, data, "kubernetes.io/tls")
        result["metadata"]["labels"][names.LABEL_COMPONENT] = TLS
        if server.vo:
            result["metadata"]["labels"][names.LABEL_VO] = server.vo
        return result
