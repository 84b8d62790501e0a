"""`python -m facility.dev.lake.voms`: tells what the demo's robot is in its VO, as a VOMS server does.

VOMS' own tool makes the attribute certificates (`voms-proxy-fake`). It needs the key of whom it speaks of, so this
server knows one robot only.
"""

from __future__ import annotations

import os
import shutil
import socket
import ssl
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

from facility.dev.lake import grid

PORT = 15000
_HOURS = "24"
_LONGEST = 8192  # bytes of a request
_PATIENCE = 10.0  # seconds


def main() -> None:
    """Serves for ever. VOMS_FILES has the PEM texts (facility.dev.demo.grid), X509_CERT_DIR their authority by its
    hashed name, VOMS_ATTRIBUTE what the robot is told."""
    files, attribute = Path(os.environ["VOMS_FILES"]), os.environ["VOMS_ATTRIBUTE"]
    context, robot = _context(files), _robot(files)
    with socket.create_server(("", PORT), family=socket.AF_INET) as server:
        while True:
            connection, _ = server.accept()
            with connection:
                _serve(context, connection, robot, files, attribute)


def _serve(context: ssl.SSLContext, connection: socket.socket, robot: list[str], files: Path, attribute: str) -> None:
    """One connection; what goes wrong with it is told and ends no other."""
    connection.settimeout(_PATIENCE)
    try:
        with context.wrap_socket(connection, server_side=True) as client:
            _answer(client, robot, files, attribute)
    except subprocess.CalledProcessError as error:
        _say(f"no attribute certificate: {error.stderr.decode(errors='replace').strip()}")
    except ssl.SSLEOFError:
        return  # the kubelet's probe
    except OSError as error:
        _say(f"{type(error).__name__}: {error}")


def _context(files: Path) -> ssl.SSLContext:
    """Clients show a proxy of their certificate."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(files / "voms.crt", files / "voms.key")
    context.load_verify_locations(files / "ca.crt")
    context.verify_mode = ssl.CERT_REQUIRED
    context.verify_flags |= ssl.VERIFY_ALLOW_PROXY_CERTS
    return context


def _robot(files: Path) -> list[str]:
    told = ["openssl", "x509", "-noout", "-subject", "-nameopt", "multiline,-esc_msb", "-in", str(files / "robot.crt")]
    lines = subprocess.run(told, check=True, capture_output=True, text=True).stdout.splitlines()[1:]
    return [line.partition("=")[2].strip() for line in lines]


def _answer(client: ssl.SSLSocket, robot: list[str], files: Path, attribute: str) -> None:
    """One request. The client says first, in a byte by itself, that it does not hand its credential on (GSI)."""
    shown: Any = client.getpeercert() or {}
    subject = [value for part in shown.get("subject", ()) for _, value in part]
    client.recv(1)
    request = client.recv(_LONGEST).decode(errors="replace").partition("\r\n")[0].partition("\n")[0]
    known = subject[: len(robot)] == robot and request.startswith("GET /generate-ac?")
    _say(f"{'/'.join(subject)}: {request} {200 if known else 403}")
    body = f"<ac>{_certificate(files, attribute)}</ac>" if known else "<error>no member</error>"
    text = f'<?xml version="1.0" encoding="UTF-8"?><voms>{body}</voms>'.encode()
    status = "200 OK" if known else "403 Forbidden"
    client.sendall(
        f"HTTP/1.1 {status}\r\nContent-Type: text/xml\r\nContent-Length: {len(text)}\r\n\r\n".encode() + text
    )


def _certificate(files: Path, attribute: str) -> str:
    """An attribute certificate, base64 in lines."""
    with tempfile.TemporaryDirectory() as folder:
        key, made = Path(folder) / "robot.key", Path(folder) / "attributes"
        shutil.copyfile(files / "robot.key", key)
        key.chmod(0o400)
        given = {"cert": files / "robot.crt", "key": key, "hostcert": files / "voms.crt", "hostkey": files / "voms.key"}
        paths = [word for name, path in given.items() for word in (f"-{name}", str(path))]
        life = ["-hours", _HOURS, "-vomslife", _HOURS, "-out", f"{folder}/proxy", "-separate", str(made)]
        life += ["-certdir", os.environ["X509_CERT_DIR"]]
        what = ["-voms", grid.VO, "-fqan", f"{attribute}/Capability=NULL", "-uri", f"{grid.SERVER}:{PORT}"]
        subprocess.run(["voms-proxy-fake", "-rfc", "-quiet", *paths, *life, *what], check=True, capture_output=True)
        return made.read_text().split("-----")[2].strip() + "\n"


def _say(text: str) -> None:
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    main()
