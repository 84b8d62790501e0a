"""Where things lie in a cache's pod: shared by the rendered configuration, the pod and its entry point.

No model is imported here, so that the entry point needs the standard library only.
"""

from __future__ import annotations

from pathlib import Path

#: ConfigMap with `xrootd.cfg` and `scitokens.cfg`, mounted as a directory so that changes arrive
CONFIG = "/etc/facility/xcache"
#: Secret with `tls.crt` and `tls.key`
TLS = "/etc/facility/tls"
#: the bundle of internal and public CAs
TRUST = "/etc/facility/trust/ca.crt"
#: emptyDir; what is made at start: TLS key, http secret, the final configuration, sockets
RUN = "/run/xrootd"
#: the cache's volume
VOLUME = "/var/lib/xcache"
#: cached files, on the volume
DATA = f"{VOLUME}/data"
#: folder of the volume with issuers' public keys: a restart while an issuer is down denies nobody
KEYS_FOLDER = "keys"
KEYS = f"{VOLUME}/{KEYS_FOLDER}"
#: folder of the volume in which XRootD writes down what it holds, for the container that accounts; there ACCOUNTING
ACCOUNTING_FOLDER = "accounting"
ACCOUNTING = "/var/lib/accounting"
#: where XRootD itself looks for that folder
STATISTICS = f"{DATA}/pfc-stats"
#: Secret of the VO's robot, mounted in one container alone (facility.xcache.robot), which makes of it: its proxy, the
#: authorities as GSI wants them, of what the proxy is, and a file that says that it has tried
ROBOT_SECRET = "/etc/facility/robot"  # noqa: S105 - a path
ROBOT = f"{RUN}/robot.pem"
ROBOT_CERTIFICATE, ROBOT_KEY = f"{RUN}/robot.crt", f"{RUN}/robot.key"
ROBOT_OF, ROBOT_TRIED = f"{RUN}/robot.of", f"{RUN}/robot.tried"
AUTHORITIES = f"{RUN}/authorities"
#: which packages the image has
PACKAGES = "/usr/share/facility/packages.txt"
#: the cache's own token, kept by the agent beside it
TOKEN = "/run/token/lake"  # noqa: S105 - a path

#: the image's own plug-in, which gives paths their origins and keeps what is cached fresh (images/xcache/lakes)
PLUGIN = "/usr/lib/facility/liblakes.so"
#: another, between XRootD's cache and its volume (images/xcache/disk)
DISK = "/usr/lib/facility/libdisk.so"
#: where XRootD's client of this process looks for plug-ins first
CLIENT_PLUGINS = "/usr/lib/facility/client.plugins.d"

XROOTD_CONFIG = "xrootd.cfg"
SCITOKENS_CONFIG = "scitokens.cfg"
LAKES = "lakes"
REPLICAS = "replicas"
#: what comes into the cache, and what goes
KEEPING = "keeping"
#: how deep a directory with a quota may lie for what is held of it to be told
DEPTH = 4
VOMSES = "vomses"
DATASETS = "datasets"
#: how far those are, in ACCOUNTING
PROGRESS = "datasets.json"
#: copies, because xrootd takes no key that others may read
TLS_CERTIFICATE = f"{RUN}/tls.crt"
TLS_KEY = f"{RUN}/tls.key"
#: with it XrdHttp refuses plain http, and with it bearer tokens in clear
HTTP_SECRET = f"{RUN}/http.secret"
#: on the pod's loopback: where XRootD tells what is read (facility.xcache.accounting)
MONITOR_PORT = 9931
#: where the sums of that are read
METRICS_PORT = 9090
#: environment variable: whose cache this is
VO = "XCACHE_VO"
#: environment variable: host and port of this one of the VO's caches, as the others know it
HERE = "XCACHE_HERE"
#: environment variable: how many bytes of the volume the cache may fill
SIZE = "XCACHE_SIZE"
#: environment variable: what the robot asks VOMS for, such as cms:/cms/Role=production; empty: nothing
VOMS = "XCACHE_VOMS"
#: environment variables: the proxy for XRootD's https client, which fails all requests if there is no such file
HTTPS_PROXY_FILES = ("XRD_HTTPCLIENTCERTFILE", "XRD_HTTPCLIENTKEYFILE")


def below(root: Path, path: str) -> Path:
    """A path of the pod, where `root` stands for the pod's `/`."""
    return root / path.lstrip("/")
