"""The demo's lake: one XRootD that serves every demo VO's files to that VO's tokens only, rendered as two files.

The same server answers `root(s)://` and `https://` on one port; plain http is refused by `http.secretkey`. Pure
functions.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

PORT = 1094
DATA = "/data"
RUN = "/run/xrootd"
TRUST = "/etc/facility/trust/ca.crt"


def xrootd_cfg(vos: Sequence[str]) -> str:
    """xrootd.cfg of the origin. TLS key and http key lie in RUN, owned by the server's uid with mode 0400."""
    exports = "\n".join(f"all.export /{vo} r/o" for vo in vos)
    return f"""all.role server
all.adminpath {RUN}/admin
all.pidpath {RUN}/admin
oss.localroot {DATA}
{exports}
xrd.port {PORT}
xrd.tls {RUN}/tls.crt {RUN}/tls.key
xrd.tlsca certfile {TRUST} refresh 60s
xrootd.tls all
xrootd.seclib libXrdSec.so
sec.protocol ztn
ofs.authorize 1
ofs.authlib libXrdAccSciTokens.so config={RUN}/scitokens.cfg
scitokens.trace error warning
xrd.protocol http libXrdHttp.so
http.header2cgi Authorization authz
http.secretkey {RUN}/http.key
http.listingdeny no
xrootd.chksum max 2 adler32 crc32c
http.staticpreload /static/srr.json {RUN}/srr.json
"""


def scitokens_cfg(audience: str, issuers: Mapping[str, str]) -> str:
    """scitokens.cfg: VO name -> issuer, each VO's token paths being relative to `/<vo>`.

    Raises ValueError when two VOs have one issuer: XRootD would then let the last section win in silence.
    """
    if len(set(issuers.values())) != len(issuers):
        raise ValueError("two VOs of one issuer: the origin could not tell them apart")
    parts = [f"[Global]\naudience = {audience}\nonmissing = deny\n"]
    for vo, issuer in issuers.items():
        parts.append(
            f"[Issuer {vo}]\nissuer = {issuer}\nbase_path = /{vo}\nmap_subject = false\n"
            f"default_user = {vo}\nauthorization_strategy = capability\n"
        )
    return "\n".join(parts)
