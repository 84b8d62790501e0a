"""`python3 -m facility.xcache.robot`: keeps the proxy by which a cache is known to storages that take no tokens.

Such a storage wants an X.509 certificate, often with attributes of VOMS. The VO's robot has one, in a Secret that this
container alone mounts; XRootD gets a proxy of it (RFC 3820), made anew when half of its day is over, in memory that the
pod's containers share. A VOMS server that is away leaves the former proxy as it is, and a new cache with a proxy
without attributes, until it is back. XRootD's GSI wants its authorities in a folder of hashed names, which is made of
the facility's bundle.
"""

from __future__ import annotations

import os
import re
import shutil
import ssl
import subprocess
import sys
import time
from collections.abc import Callable
from hashlib import sha256
from pathlib import Path

from facility.secrecy import forbid_core_files
from facility.xcache import pairs, places
from facility.xcache.places import below

PERIOD = 60.0  # seconds between two looks
_HOURS = 24
_PATIENCE = 20  # seconds for a VOMS server
_CERTIFICATE = re.compile(rb"-----BEGIN CERTIFICATE-----.*?-----END CERTIFICATE-----\n?", re.DOTALL)
#: id-pe-proxyCertInfo (RFC 3820, 3.8) as DER has it
_PROXY = bytes.fromhex("06082b0601050507010e")


class RobotError(Exception):
    """There is no proxy to be had of what the Secret holds; the text is a sentence."""


class Robot:
    """Keeps proxy and authorities below `root`. voms: what to ask for, such as cms:/cms/Role=production; or nothing."""

    def __init__(self, root: Path, voms: str, now: Callable[[], float], say: Callable[[str], None]) -> None:
        self._root, self._voms, self._now, self._say = root, voms, now, say
        self._proxy, self._note = below(root, places.ROBOT), below(root, places.ROBOT_OF)
        self._problem = ""

    def look(self) -> None:
        """One look. What fails is said once, and tried again at the next."""
        before, self._problem = self._problem, ""
        try:
            authorities(self._root)
            self._renew()
        except (OSError, ValueError, subprocess.CalledProcessError, RobotError) as error:
            self._problem = str(error)
            if self._problem != before:
                self._say(self._problem)

    def _renew(self) -> None:
        certificate, key = pairs.mounted(self._root, places.ROBOT_SECRET)
        pair, there = sha256(certificate + key).hexdigest(), self._there()
        if there == (pair, self._voms) and not self._due():
            return
        chain = _CERTIFICATE.findall(certificate)
        if not chain:
            raise RobotError("the robot's Secret has no certificate in tls.crt")
        if _PROXY in ssl.PEM_cert_to_DER_cert(chain[0].decode()):
            pairs.write(self._proxy, b"".join([chain[0], key, *chain[1:]]))
            self._took(pair, self._voms, "the proxy that the Secret holds")
            return
        pairs.write(below(self._root, places.ROBOT_CERTIFICATE), certificate)
        pairs.write(below(self._root, places.ROBOT_KEY), key)
        if there[0] != pair or not self._voms or self._age() > _HOURS * 3600:  # at once: a VOMS server may be away
            self._make([])
            self._took(pair, "", "a proxy of the robot's certificate")
        if self._voms:
            servers = below(self._root, places.CONFIG) / places.VOMSES
            self._make(["-voms", self._voms, "-vomses", str(servers), "-dont-verify-ac"])
            self._took(pair, self._voms, f"a proxy with the attributes of {self._voms}")

    def _there(self) -> tuple[str, str]:
        """Of which pair the proxy is, and which attributes it has; also after this container was started anew."""
        told = self._note.read_text().split() if self._note.exists() and self._proxy.exists() else []
        return (told[0], "".join(told[1:])) if told else ("", "")

    def _took(self, pair: str, attributes: str, what: str) -> None:
        pairs.write(self._note, f"{pair} {attributes}".encode())
        self._say(f"the cache has {what}")

    def _due(self) -> bool:
        return self._age() > _HOURS * 1800

    def _age(self) -> float:
        """Seconds since the proxy was made."""
        return self._now() - self._proxy.stat().st_mtime

    def _make(self, more: list[str]) -> None:
        """A new proxy in the place of the former. Raises RobotError with the tool's own words."""
        made = self._proxy.with_name(f".{self._proxy.name}.new")
        made.unlink(missing_ok=True)
        given = {"cert": places.ROBOT_CERTIFICATE, "key": places.ROBOT_KEY, "certdir": places.AUTHORITIES}
        paths = [word for name, path in given.items() for word in (f"-{name}", str(below(self._root, path)))]
        command = ["voms-proxy-init", "-rfc", "-bits", "2048", "-hours", str(_HOURS), "-vomslife", f"{_HOURS}:00"]
        command += ["-timeout", str(_PATIENCE), "-out", str(made), *paths, *more]
        run = subprocess.run(command, capture_output=True, text=True, check=False)  # noqa: S603
        if run.returncode or not made.exists():
            made.unlink(missing_ok=True)
            told = " ".join((run.stdout + run.stderr).split())
            raise RobotError(f"no proxy of the robot's certificate{_with(more)}: {told[-500:]}")
        made.rename(self._proxy)


def _with(more: list[str]) -> str:
    return " with the attributes that VOMS gives" if more else ""


def authorities(root: Path) -> None:
    """The bundle's certificates in a folder that OpenSSL finds them in, made anew when the bundle changes."""
    bundle = below(root, places.TRUST).read_bytes()
    link = below(root, places.AUTHORITIES)
    folder = link.with_name(f"{link.name}.{sha256(bundle).hexdigest()[:16]}")
    if link.is_symlink() and link.resolve() == folder.resolve():
        return
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir()
    for number, one in enumerate(_CERTIFICATE.findall(bundle)):
        (folder / f"{number:04}.pem").write_bytes(one)
    subprocess.run(["openssl", "rehash", str(folder)], check=True, capture_output=True)  # noqa: S603, S607
    former = link.resolve() if link.is_symlink() else None
    turned = link.with_name(f".{link.name}.new")
    turned.unlink(missing_ok=True)
    turned.symlink_to(folder.name)
    turned.rename(link)
    if former:
        shutil.rmtree(former, ignore_errors=True)


def main() -> None:
    """For ever. After the first look, whatever came of it, a file says that the cache may start."""
    forbid_core_files()
    robot = Robot(
        Path("/"), os.environ.get(places.VOMS, ""), time.time, lambda text: print(text, file=sys.stderr, flush=True)
    )
    while True:
        robot.look()
        Path(places.ROBOT_TRIED).touch()
        time.sleep(PERIOD)


if __name__ == "__main__":
    main()
