"""`xrootd.cfg` of a VO's cache, its environment and its probes: XRootD 6.2, root:// and https:// on one port."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from facility import names
from facility.datasets import CachedDataset
from facility.keycache import settings as keycache
from facility.site import Site
from facility.vo import VirtualOrganization
from facility.xcache import datasets, keeping, lakes, places, scitokens
from facility.xcache.text import CacheConfigError, safe, size

#: files that the plug-in reads again while it runs
_KEEPING = f"{places.CONFIG}/{places.KEEPING}"
_WATCHED = f"{places.CONFIG}/{places.LAKES} {_KEEPING} {places.CONFIG}/{places.REPLICAS}"
#: what it is to hold, and where it writes down how far that is
_DATASETS = f"{places.CONFIG}/{places.DATASETS} {places.VOLUME}/{places.ACCOUNTING_FOLDER}/{places.PROGRESS}"
#: files of pinned datasets are compared with their origin so much less often than those that people read
_ROUNDS = 10
#: environment variable: the pod's name
POD = "POD_NAME"
_SERVER = f"""
all.adminpath {places.RUN}
all.pidpath {places.RUN}
xrd.port {names.XROOTD_PORT}
xrd.tls {places.TLS_CERTIFICATE} {places.TLS_KEY}
xrd.tlsca certfile {places.TRUST} refresh 60s
xrootd.tls all
"""
# http.secretkey: with it plain http is refused. Never pfc.httpcc: it writes users' tokens to the log.
_AUTHORIZATION = f"""
xrootd.seclib libXrdSec.so
sec.protocol ztn
ofs.authorize 1
ofs.authlib libXrdAccSciTokens.so config={places.CONFIG}/{places.SCITOKENS_CONFIG}
scitokens.trace error warning
xrd.protocol http libXrdHttp.so
http.header2cgi Authorization authz
http.listingdeny no
http.secretkey {places.HTTP_SECRET}
xrootd.chksum max 2 adler32 crc32c
"""
# A cache that has replicas, or may get some, sends readers on, and XRootD's client comes back when it does not reach
# whom it was sent to.
_LEADING = f"""
all.role manager
ofs.cmslib {places.PLUGIN}
"""
# Ten blocks come ahead of who reads a file, unless the plug-in says none of it. What is held is written down once a
# minute, as deep as a quota may lie for its directory to be told of.
_KEPT = f"""
pfc.prefetch 10
pfc.urlcgi prefetch 0 10
pfc.dirstats interval 60 maxdepth {places.DEPTH} dir /*
pfc.purgelib {places.PLUGIN} {_KEEPING}
"""
# Who reads how much (fstat), and what came from where (pfc), for the container that accounts. No other kind of record:
# some would name paths of all requests, or hosts. xfr: without it XRootD 6.2.0 tells of no file that is closed. async:
# with it XRootD counts no reads over TLS (and they were slower: xrdcp of a warm file 570 MB/s instead of 740).
_MONITORING = f"""
xrootd.monitor all auth flush 5s fstat 10s lfn xfr 6 dest fstat user 127.0.0.1:{places.MONITOR_PORT}
xrootd.async off
xrootd.mongstream pfc use flush 5s send nohdr 127.0.0.1:{places.MONITOR_PORT}
"""


def files(vo: VirtualOrganization, site: Site, wanted: Sequence[CachedDataset] = ()) -> dict[str, str]:
    """The cache's ConfigMap: file name to content. Raises CacheConfigError with what to change in the VO's object."""
    if not vo.spec.lakes:
        raise CacheConfigError(f"VO {vo.name} has no lakes, so it has no cache")
    return {
        places.XROOTD_CONFIG: render(site),
        places.SCITOKENS_CONFIG: scitokens.render(vo),
        places.LAKES: lakes.render(vo),
        places.KEEPING: keeping.render(vo),
        places.REPLICAS: _replicas(vo, site),
        places.DATASETS: datasets.render(vo, wanted),
        keycache.ISSUERS: keycache.lines([safe("issuer", vo.spec.issuer)]),
    } | _vomses(vo)


def render(site: Site) -> str:
    """`xrootd.cfg`, which no VO changes, as XRootD reads it at start only; without `pfc.diskusage`, which the entry
    point adds when it sees how large the volume is."""
    return f"{_SERVER}{_AUTHORIZATION}{_cache(site)}{_LEADING}{_KEPT}{_MONITORING}".lstrip()


def _replicas(vo: VirtualOrganization, site: Site) -> str:
    """A line `host:port` for each of several caches, read again while they run (images/xcache/lakes/replicas.hh)."""
    found = site.xcaches(vo.name, vo.spec.cache.replicas)
    return "".join(f"{one}:{names.XROOTD_PORT}\n" for one in found) if len(found) > 1 else ""


def _vomses(vo: VirtualOrganization) -> dict[str, str]:
    """For voms-proxy-init, a line for each server; the model lets no quote into it."""
    voms = vo.robot.voms if vo.robot else None
    if voms is None:
        return {}
    lines = (f'"{voms.vo}" "{one.host}" "{one.port}" "{one.subject}" "{voms.vo}"\n' for one in voms.servers)
    return {places.VOMSES: "".join(lines)}


def _cache(site: Site) -> str:
    """Everything but who may read is the plug-in's: it maps paths to origins, so `all.export` only says that nothing is
    written. Pages on disk have checksums (libXrdOssCsi); `pfc.cschk cache` does no more than to name that library, as
    the last, where damaged records could not be mended. On the way TLS covers pages already, where checksums (`net`)
    cost the origin three times the CPU."""
    return f"""
all.export / r/o
ofs.osslib libXrdPss.so
ofs.osslib ++ {places.PLUGIN} {_WATCHED} {places.DATA} {site.cache.fresh}
ofs.ckslib * libXrdPss.so
ofs.ckslib ++ {places.PLUGIN}
ofs.preplib {places.PLUGIN} {site.cache.staging} {_DATASETS} {_ROUNDS * site.cache.fresh}
pss.cachelib libXrdPfc.so
pss.origin =https,roots,root
pss.ciosync 10 18
oss.localroot {places.DATA}
pfc.ram {site.cache.ram}
pfc.blocksize 1m
pfc.cschk nonet nocache
pfc.osslib ++ libXrdOssCsi.so space=public nofill
pfc.osslib ++ {places.DISK}
pfc.writequeue 64 8
pfc.trace warning
"""


def environment(vo: VirtualOrganization, site: Site) -> dict[str, str]:
    """Environment of the cache's container; it holds no secret. It refers to the pod's name, POD."""
    return (
        keycache.environment()
        | {
            "BEARER_TOKEN_FILE": places.TOKEN,  # read for each request over https, and for each login over root://
            "X509_CERT_FILE": places.TRUST,  # the origin's certificate is checked against it
            "XRD_PLUGINCONFDIR": places.CLIENT_PLUGINS,  # files come with their first bytes (lakes/beginning.hh)
            "XDG_CACHE_HOME": places.KEYS,
            "XRD_HTTPSLOWRATEBYTESSEC": "0",  # a slow reader of a cold file is not cut off after a minute
            "XRD_STREAMERRORWINDOW": "5",  # seconds after which an origin that was away is tried again
            # a root:// origin that is away fails a read after seconds; XRootD's own wait is five times two minutes
            "XRD_CONNECTIONWINDOW": "10",
            "XRD_CONNECTIONRETRY": "2",
            places.HERE: f"{names.host(f'$({POD})', site.namespaces.facility)}:{names.XROOTD_PORT}",
            places.SIZE: str(size(vo.spec.cache.size)),
        }
        | (_gsi() if vo.robot else {})
    )


def _gsi() -> dict[str, str]:
    """XRootD's X.509 as a client. Not X509_USER_PROXY: what that names is read once, for TLS, and expires there. No
    revocation lists: TLS knows of none here either."""
    return {
        "XrdSecGSIUSERPROXY": places.ROBOT,
        "XrdSecGSICADIR": places.AUTHORITIES,
        "XrdSecGSICRLCHECK": "0",
    }


def probes() -> dict[str, Any]:
    """Probes of the cache's container. They only connect: without a token every request is refused, as it should."""
    connect = {"tcpSocket": {"port": names.XROOTD_PORT}}
    return {
        "startupProbe": {**connect, "periodSeconds": 1, "failureThreshold": 120},
        "readinessProbe": {**connect, "periodSeconds": 10},
        "livenessProbe": {**connect, "periodSeconds": 30, "failureThreshold": 4},
    }
