"""The demo's storage of the time before tokens: the same files, for who shows X.509 with the VO's attribute of VOMS.

It answers `root://` by GSI and `https://` by client certificates, on a port of its own, and takes no token at all.
"""

from __future__ import annotations

import secrets
import shutil
import subprocess
from pathlib import Path

from facility.dev.lake import origin, private

PORT = 1095
RUN = f"{origin.RUN}/grid"
#: the VO that it serves, as VOMS calls it
VO = "escape"
#: the VOMS server's host in its attribute certificates, by which VOMS finds what it knows of the server
SERVER = "voms"


def xrootd_cfg() -> str:
    """xrootd.cfg. Its files lie in RUN."""
    gsi = f"-certdir:{RUN}/authorities -cert:{RUN}/host.crt -key:{RUN}/host.key -crl:0 -gmapopt:10"
    return f"""all.role server
all.adminpath {RUN}/admin
all.pidpath {RUN}/admin
oss.localroot {origin.DATA}
all.export /{VO} r/o
xrd.port {PORT}
xrd.tls {RUN}/host.crt {RUN}/host.key
xrd.tlsca certdir {RUN}/authorities
xrootd.tls all
xrootd.seclib libXrdSec.so
sec.protocol gsi {gsi} -vomsat:require -vomsfun:libXrdVoms.so
ofs.authorize 1
acc.authdb {RUN}/authdb
xrd.protocol http libXrdHttp.so
http.secretkey {RUN}/http.key
http.secxtractor libXrdVoms.so
http.listingdeny no
xrootd.chksum max 2 adler32 crc32c
"""


def prepare(grid: Path, run: Path, voms: tuple[str, str]) -> None:
    """Fills `run`, again without harm. `grid`: PEM texts (facility.dev.demo.grid); voms: subjects of the VOMS server's
    certificate and of its authority. Raises OSError, CalledProcessError."""
    shutil.rmtree(run, ignore_errors=True)
    for folder in (run / "admin", run / "authorities", run / "vomsdir" / VO):
        folder.mkdir(parents=True)
    for name in ("host.crt", "host.key"):
        private.write(run / name, (grid / name).read_bytes())
    private.write(run / "http.key", secrets.token_urlsafe(48).encode())
    (run / "authorities" / "ca.pem").write_bytes((grid / "ca.crt").read_bytes())
    subprocess.run(["openssl", "rehash", str(run / "authorities")], check=True, capture_output=True)
    (run / "vomsdir" / VO / f"{SERVER}.lsc").write_text("".join(f"{one}\n" for one in voms))
    (run / "authdb").write_text(f"o {VO} /{VO} rl\n")
    (run / "xrootd.cfg").write_text(xrootd_cfg())
