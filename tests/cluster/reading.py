"""Reads tried from inside a user's pod with any token, over both protocols, and what came of them.

What runs in the pod is `ATTEMPTS`: it gets tokens on standard input only, keeps each in a file of mode 0600 for the
time of one try, and answers in JSON.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field

from facility.dev.demo.kube import Cluster

ATTEMPTS = r"""
import http.client, json, os, ssl, subprocess, sys, tempfile
from urllib.parse import urlsplit

def root(host, path, token, write):
    env = {k: v for k, v in os.environ.items() if not k.startswith("BEARER_TOKEN")}
    env["XDG_RUNTIME_DIR"] = "/nonexistent"
    with tempfile.TemporaryDirectory() as there:
        if token:
            name = f"{there}/token"
            with open(os.open(name, os.O_CREAT | os.O_WRONLY, 0o600), "w") as file:
                file.write(token)
            env["BEARER_TOKEN_FILE"] = name
        copy = f"{there}/copy"
        url = f"root://{host}:1094/{path}"
        if write:
            open(copy, "w").write("x" * 100)
        ends = (copy, url) if write else (url, copy)
        done = subprocess.run(["xrdcp", "-f", "-N", *ends], env=env, capture_output=True, text=True, timeout=90)
        size = os.path.getsize(copy) if not write and os.path.exists(copy) else 0
        return {"ok": done.returncode == 0, "code": done.returncode, "bytes": size, "text": done.stderr[-400:]}

def https(host, path, token, write):
    where = http.client.HTTPSConnection(host, 1094, timeout=60, context=ssl.create_default_context())
    headers = {"Authorization": f"Bearer {token}"} if token else {}
    where.request("PUT" if write else "GET", path, b"x" * 100 if write else None, headers)
    answer = where.getresponse()
    body = answer.read()
    ok = answer.status in (200, 201)
    text = "" if ok else body[:400].decode(errors="replace")
    return {"ok": ok, "code": answer.status, "bytes": len(body) if ok else 0, "text": text}

answers = []
for one in json.load(sys.stdin):
    way = root if one["protocol"] == "root" else https
    try:
        answers.append(way(one["host"], one["path"], one["token"], one["write"]))
    except Exception as error:
        answers.append({"ok": False, "code": -1, "bytes": 0, "text": f"{type(error).__name__}: {error}"})
print(json.dumps(answers))
"""


@dataclass(frozen=True)
class Attempt:
    """One try: `path` is a lake path as it goes onto the wire."""

    protocol: str
    host: str
    path: str
    token: str | None = field(default=None, repr=False)
    write: bool = False


@dataclass(frozen=True)
class Answer:
    """What came of it: exit status of xrdcp or HTTP status, and the words a person would see."""

    ok: bool
    code: int
    bytes: int
    text: str


def attempt(cluster: Cluster, pod: str, attempts: list[Attempt]) -> list[Answer]:
    """Try all from inside a user's pod."""
    asked = json.dumps([vars(one) for one in attempts])
    told = cluster.execute("facility-users", pod, "notebook", ["python3", "-c", ATTEMPTS], stdin=asked, timeout=600)
    return [Answer(**one) for one in json.loads(told)]
