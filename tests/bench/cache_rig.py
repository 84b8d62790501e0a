"""Servers that a cache is measured beside: containers on this machine's loopback, and what they all need.

The cache has the image and the configuration that the operator gives it; its lake is one XRootD with tokens over https,
as the demo has it. The issuer is a small https server, which publishes the key that signs the readers' tokens.
"""

from __future__ import annotations

import json
import os
import secrets
import subprocess
import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from facility.dev.images import build
from facility.dev.issuer import mint
from facility.dev.lake import analysis, origin
from facility.keycache import settings as keycache
from facility.vo import VirtualOrganization
from facility.xcache import config, keeping, places
from tests.bench import processes
from tests.fakes import https_files
from tests.fakes.authority import Authority
from tests.fakes.operator_world import SITE, vo
from tests.fakes.ports import free_port, listening

UID = 65532
#: of a cache's folder, that with what is cached
VOLUME = "volume"
VO, KID = "cms", "bench"
#: a second lake of the VO, at an origin of its own that is slow
TAPE = "tape"
SIZE = "40Gi"  # more than all that is read
_PLAIN_LINES = ("xrootd.seclib", "sec.protocol", "ofs.authorize", "ofs.authlib", "scitokens.")
_PEER = """FROM debian:forky-slim
RUN apt-get update -q && apt-get install -y -q --no-install-recommends {package}
"""


@dataclass(frozen=True)
class Server:
    """A running container. port: on localhost; prefix: of paths there."""

    name: str
    port: int
    container: str = field(repr=False)

    def url(self, scheme: str, path: str) -> str:
        """Of a file."""
        return f"{scheme}://localhost:{self.port}/{path if scheme == 'root' else path.lstrip('/')}"

    def pids(self) -> list[int]:
        """Of all its processes."""
        told = _docker("top", self.container, "-o", "pid").split()
        return [int(pid) for pid in told[1:]]

    def cpu(self) -> float:
        """Seconds of CPU that it has used."""
        return sum(processes.cpu(pid) for pid in self.pids())

    def mebibytes(self, kind: str = "VmRSS") -> float:
        """Of its memory."""
        return sum(processes.resident(pid, kind) for pid in self.pids())


class Rig:
    """A folder with all files, and the containers."""

    def __init__(self, folder: Path, stack: ExitStack) -> None:
        self.folder, self._stack = folder, stack
        self.images = build.ensure(["xcache", "notebook"])
        self.authority = Authority(folder)
        self.tls = self.authority.write(folder / "tls", "localhost")
        self.lake = folder / "lake"
        self.lake.mkdir()
        self._pem = mint.signing_key()
        self._away = stack.enter_context(ExitStack())
        self.issuer = self._issuer()
        self._ports = {VO: free_port(), TAPE: free_port()}
        self.audience = f"https://localhost:{self._ports[VO]}"  # the lake's
        self.token = _owned(folder / "token", self._minted(self._pem, time.time()))
        self.client = self._run("client", self.images["notebook"], ["sleep", "infinity"], self._reader_mounts())

    def origin(self, lake: str = VO, most: str = "") -> Server:
        """A lake's one storage: https with tokens. most: bytes a second that it gives, such as 8m."""
        run, port = _folder(self.folder / f"origin-{lake}"), self._ports[lake]
        _owned(run / "tls.crt", (self.tls / "tls.crt").read_text())
        _owned(run / "tls.key", (self.tls / "tls.key").read_text())
        _owned(run / "http.key", secrets.token_urlsafe(48))
        _owned(run / "scitokens.cfg", origin.scitokens_cfg(self.audience, {lake: self.issuer}))
        text = origin.xrootd_cfg([lake]).replace(f"xrd.port {origin.PORT}", f"xrd.port {port}")
        text += f"ofs.osslib ++ libXrdThrottle.so\nthrottle.throttle data {most}\n" if most else ""
        _owned(run / "xrootd.cfg", text)
        _owned(run / "srr.json", "{}")
        _folder(run / "admin")
        mounts = {run: origin.RUN, self.lake: origin.DATA, self.authority.bundle: origin.TRUST}
        command = ["xrootd", "-c", f"{origin.RUN}/xrootd.cfg", "-n", "origin"]
        environment = {"XDG_CACHE_HOME": origin.RUN, **keycache.environment()}
        return self._server(f"origin-{lake}", port, "xcache", command, mounts, environment)

    def stored_at(self, port: int, lake: str = VO) -> None:
        """The lake's storage is somebody else's https server, on this port."""
        self._ports[lake] = port

    def cache(
        self,
        name: str,
        *,
        tokens: bool = True,
        port: int = 0,
        volume: Path | None = None,
        scheme: str = "https",
        **settings: Any,
    ) -> Server:
        """A cache as the operator configures it where the VO's object says that of it (`spec.cache`); without tokens:
        the same, but that it asks nobody for one. port: a free one unless given; volume: of one that has ended; scheme:
        of its origins."""
        port, here = port or free_port(), _folder(self.folder / name)
        wanted, configuration = self._wanted(settings, scheme), _folder(here / "config")
        for file, text in config.files(wanted, SITE).items():
            lines = [line for line in text.splitlines() if tokens or not line.startswith(_PLAIN_LINES)]
            _owned(configuration / file, "\n".join([*lines, ""]).replace("xrd.port 1094", f"xrd.port {port}"), 0o644)
        mounts = {
            configuration: places.CONFIG,
            self.tls: places.TLS,
            self.authority.bundle: places.TRUST,
            self.token: places.TOKEN,
            volume or _folder(here / VOLUME): places.VOLUME,
            _folder(here / "run"): places.RUN,
        }
        self._accounted(configuration)
        return self._server(name, port, "xcache", ["facility-xcache"], mounts, config.environment(wanted, SITE))

    def says(self, name: str, **settings: Any) -> None:
        """The VO's object says that of a running cache from now on."""
        file = self.folder / name / "config" / places.KEEPING
        _owned(file.with_suffix(".new"), keeping.render(self._wanted(settings)), 0o644).replace(file)

    def _wanted(self, settings: Mapping[str, Any], scheme: str = "https") -> VirtualOrganization:
        common = {"audience": self.audience, "scopes": ["storage.read:/"]}
        lakes = [
            {"prefix": f"/{one}", "origin": f"{scheme}://localhost:{at}", **common} for one, at in self._ports.items()
        ]
        return VirtualOrganization.parse(vo(VO, self.issuer, lakes=lakes, cache={"size": SIZE, **settings}))

    def _accounted(self, configuration: Path) -> None:
        """What counts reads beside a cache, as in its pod: where nobody listens, caches complain of it all the time."""
        if listening(places.METRICS_PORT):
            return
        here = _folder(self.folder / "accounting")
        mounts = {configuration: places.CONFIG, here: places.ACCOUNTING}
        command = ["/opt/venv/bin/python", "-I", "-m", "facility.xcache.accounting.main"]
        given = {places.VO: VO, places.SIZE: "1"}
        self._server("accounting", places.METRICS_PORT, "xcache", command, mounts, given)

    def bare(self) -> Server:
        """XRootD with nothing before the files: no TLS, no tokens, no cache; by http as by root."""
        port, here = free_port(), _folder(self.folder / "bare")
        text = f"xrd.port {port}\nall.adminpath /run/xrootd\nall.pidpath /run/xrootd\noss.localroot /data\n"
        _owned(here / "xrootd.cfg", f"{text}all.export / r/o\nxrd.protocol http libXrdHttp.so\n")
        mounts = {here: "/run/xrootd", self.lake: "/data"}
        return self._server("bare", port, "xcache", ["xrootd", "-c", "/run/xrootd/xrootd.cfg"], mounts, {})

    def nginx(self) -> Server:
        """nginx over TLS, with as many workers as the machine has cores."""
        port, here = free_port(), _folder(self.folder / "nginx")
        text = f"""worker_processes auto; pid /tmp/nginx.pid; daemon off; error_log stderr;
events {{}}
http {{ access_log off; sendfile on; client_body_temp_path /tmp/b; proxy_temp_path /tmp/p; fastcgi_temp_path /tmp/f;
uwsgi_temp_path /tmp/u; scgi_temp_path /tmp/s;
server {{ listen 127.0.0.1:{port} ssl; ssl_certificate /tls/tls.crt; ssl_certificate_key /tls/tls.key;
add_header Cache-Control "public, max-age=86400"; root /data; keepalive_requests 100000; }} }}
"""
        _owned(here / "nginx.conf", text, 0o644)
        mounts = {here: "/etc/bench", self.lake: "/data", self.tls: "/tls"}
        command = ["nginx", "-c", "/etc/bench/nginx.conf"]
        return self._server("nginx", port, _peer("nginx-light"), command, mounts, {})

    def squid(self, origin: Server) -> Server:
        """squid over TLS before an origin that asks for no token: another cache for the same files."""
        port, here = free_port(), _folder(self.folder / "squid")
        text = f"""https_port 127.0.0.1:{port} accel defaultsite=localhost no-vhost \\
tls-cert=/tls/tls.crt tls-key=/tls/tls.key
cache_peer localhost parent {origin.port} 0 no-query originserver tls tls-cafile=/bench/ca.crt
http_access allow all
never_direct allow all
maximum_object_size 2 GB
cache_dir ufs /spool 20000 16 256
cache_mem 256 MB
max_filedescriptors 4096
access_log none
cache_log stdio:/dev/stderr
cache_store_log none
pid_filename none
coredump_dir /spool
"""
        _owned(here / "squid.conf", text, 0o644)
        mounts = {here: "/etc/bench", self.tls: "/tls", self.authority.bundle: "/bench/ca.crt"}
        mounts[_folder(here / "spool")] = "/spool"
        command = ["sh", "-c", "squid -f /etc/bench/squid.conf -z -N && exec squid -f /etc/bench/squid.conf -N"]
        return self._server("squid", port, _peer("squid-openssl"), command, mounts, {})

    def read(self, program: Path, **how: object) -> dict[str, float]:
        """What the reader says of one measurement (tests.bench.cache_reader)."""
        command = ["docker", "exec", "-i", self.client, "/opt/venv/bin/python", "-c", program.read_text()]
        done = subprocess.run([*command, json.dumps(how)], capture_output=True, text=True, check=False, timeout=900)
        assert done.returncode == 0, f"{how}: {done.stdout[-2000:]}{done.stderr[-2000:]}"
        found: dict[str, float] = json.loads(done.stdout)
        return found

    def _issuer(self) -> str:
        server = self._away.enter_context(https_files.serving(self.authority))
        told = {"issuer": f"{server.url}/", "jwks_uri": f"{server.url}/jwk"}
        server.answers["/.well-known/openid-configuration"] = (200, json.dumps(told).encode())
        server.answers["/jwk"] = (200, json.dumps(mint.public_keys({KID: self._pem})).encode())
        return f"{server.url}/"

    def issuer_goes(self) -> None:
        """Nobody listens there any more."""
        self._away.close()

    def shown(self, at: float, *, forged: bool = False) -> None:
        """Readers have another token from now on, which was made at that time (Unix). forged: by somebody else."""
        self.token.write_text(self._minted(mint.signing_key() if forged else self._pem, at))

    def _minted(self, key: str, at: float) -> str:
        opens = {"audience": self.audience, "scope": "storage.read:/"}
        return mint.token(key, KID, self.issuer, sub="reader", life=36000, now=at, **opens)  # type: ignore[arg-type]

    def _reader_mounts(self) -> dict[Path, str]:
        program = Path(analysis.__file__)
        return {self.token: "/bench/token", self.authority.bundle: "/bench/ca.crt", program: f"/bench/{program.name}"}

    def _server(
        self, name: str, port: int, image: str, command: list[str], mounts: Mapping[Path, str], env: Mapping[str, str]
    ) -> Server:
        reference = self.images.get(image, image)
        server = Server(name, port, self._run(name, reference, command, mounts, env))
        _until_it_listens(server)
        return server

    def _run(
        self,
        name: str,
        image: str,
        command: list[str],
        mounts: Mapping[Path, str],
        env: Mapping[str, str] | None = None,
    ) -> str:
        given = {"SSL_CERT_FILE": "/bench/ca.crt", "HOME": "/tmp", **(env or {})}
        where = [f"--volume={path}:{there}" for path, there in mounts.items()]
        variables = [f"--env={key}={value}" for key, value in given.items()]
        own = f"bench-cache-{name}-{os.getpid()}"
        options = ["--rm", "-d", f"--name={own}", "--network=host", f"--user={UID}:{UID}", "--init"]
        self._stack.callback(
            subprocess.run, ["docker", "rm", "-f", own], stdout=subprocess.PIPE, stderr=subprocess.PIPE
        )
        _docker("run", *options, *where, *variables, "--entrypoint=env", image, *command)
        return own


def _peer(package: str) -> str:
    """An image with a package of Debian's."""
    made = ["docker", "build", "-q", "--network", "host", "-t", f"bench-{package}", "-"]
    subprocess.run(made, input=_PEER.format(package=package).encode(), check=True, stdout=subprocess.PIPE)
    return f"bench-{package}"


@contextmanager
def rig(folder: Path) -> Iterator[Rig]:
    """All of it, until the end; nothing of it stays."""
    with ExitStack() as stack:
        yield Rig(folder, stack)


def _until_it_listens(server: Server) -> None:
    end = time.monotonic() + 60
    while not listening(server.port):
        alive = _docker("ps", "-q", f"--filter=name={server.container}").strip()
        assert alive, f"{server.name} has ended"
        assert time.monotonic() < end, _docker("logs", server.container)[-3000:]
        time.sleep(0.1)


def _docker(*arguments: str) -> str:
    done = subprocess.run(["docker", *arguments], capture_output=True, text=True, check=False)
    assert done.returncode == 0, f"docker {arguments[0]}: {done.stderr[-2000:]}"
    return done.stdout


def _folder(path: Path) -> Path:
    path.mkdir(exist_ok=True)
    os.chown(path, UID, UID)
    path.chmod(0o700)
    return path


def _owned(path: Path, text: str, mode: int = 0o400) -> Path:
    path.write_text(text)
    os.chown(path, UID, UID)
    path.chmod(mode)
    return path
