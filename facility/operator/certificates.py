"""TLS certificates of the facility's services: Secrets `tls-<service>`, renewed after two thirds of their 90 days."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from urllib.parse import urlsplit

from facility import names
from facility.operator.cluster import Cluster, ConflictError
from facility.operator.entries import Held
from facility.operator.objects import SECRET, TLS, Manifest, Reference
from facility.operator.pki import Pair, issue, serves
from facility.operator.secrets import manifest
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
    spaces = site.namespaces
    cache, queue = names.xcache(vo.name), names.access_point(vo.name)
    found = []
    if vo.spec.lakes:
        replicas = site.xcaches(vo.name, vo.spec.cache.replicas) if vo.spec.cache.replicas > 1 else []
        more = (*replicas, *site.outside_hosts(cache))
        found.append(_server(cache, spaces.facility, vo.name, more))
    if vo.spec.batch.enabled:
        found.append(_server(queue, spaces.batch, vo.name, site.outside_hosts(queue)))
    return found


class Certificates:
    """Issues what is missing, due, or for other names; leaves a Secret that somebody else made to them.

    present: a Secret as it is known; written: told of what is made.
    """

    def __init__(
        self,
        cluster: Cluster,
        now: Callable[[], float],
        present: Callable[[Reference], Held | None],
        written: Callable[[Manifest], None],
    ) -> None:
        self._cluster, self._now, self._present, self._written = cluster, now, present, written

    async def ensure(self, ca: Pair, servers: Iterable[Server]) -> None:
        """See to the certificates of these servers. Raises ClusterError."""
        for server in servers:
            live = self._present(server.secret)
            if live is None:
                await self._make(server, ca)
            elif live.ours and not serves(live.certificate, ca, server.hosts, self._now()):
                self._written(await self._cluster.apply(self._manifest(server, ca)))
                _LOG.info("renewed %s", server.secret)

    async def prune(self, found: Iterable[Reference]) -> None:
        """Delete the certificates of a VO that is not any more."""
        for ref in found:
            await self._cluster.delete(ref)

    async def _make(self, server: Server, ca: Pair) -> None:
        try:
            self._written(await self._cluster.create(self._manifest(server, ca)))
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
