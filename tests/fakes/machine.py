"""A person's own machine beside a hub and the development issuer, with a browser in which its codes are approved."""

from __future__ import annotations

import json
import os
import ssl
import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from facility.hub.outside import document
from facility.laptop.access import Access, Wish
from facility.laptop.device import Begun
from facility.laptop.keeping import InFile, Keeping
from facility.laptop.login import Clocks, SignIn
from facility.laptop.sessions import Record, Sessions
from facility.laptop.web import Web
from facility.vo import VirtualOrganization
from tests.fakes import https_files, issuer
from tests.fakes.authority import Authority
from tests.fakes.https_files import HttpsFiles
from tests.fakes.operator_world import SITE, vo

LAKE = "https://lake.test:1094"
LAPTOPS = issuer.Client(
    client_id="laptops",
    grant_types=(issuer.DEVICE, issuer.REFRESH),
    scopes=issuer.SCOPES,
    reuse_refresh_token=False,
    clear_access_tokens_on_refresh=False,
)


@dataclass
class Machine:
    """Its home is `directory`. Its clocks are the issuer's; whatever sleeps makes time pass, and does `meanwhile`."""

    directory: Path
    iam: issuer.Running
    hub: HttpsFiles
    bundle: Path
    shown: list[Begun] = field(default_factory=list)
    slept: list[float] = field(default_factory=list)
    meanwhile: dict[int, Any] = field(default_factory=dict)
    places: dict[str, Keeping] | None = None

    @property
    def environment(self) -> dict[str, str]:
        """Of its programs; nothing of the facility is in it."""
        kept = {key: value for key, value in os.environ.items() if key in ("PATH", "HOME", "PYTHONPATH")}
        own = {"XDG_STATE_HOME": str(self.directory), "SSL_CERT_FILE": str(self.bundle)}
        null = {"PYTHON_KEYRING_BACKEND": "keyring.backends.null.Keyring"}
        return {**kept, **own, **null, "AGENT_DIRECTORY_UNUSED": "", "XDG_RUNTIME_DIR": str(self.directory)}

    @property
    def web(self) -> Web:
        """Its https."""
        return Web(lambda: ssl.create_default_context(cafile=str(self.bundle)))

    @property
    def sessions(self) -> Sessions:
        """What it keeps."""
        home = self.directory / "facility"
        return Sessions(home, {"file": InFile(home)} if self.places is None else self.places)

    @property
    def access(self) -> Access:
        """Its way to tokens, as a new process has it."""
        return Access(self.sessions, self.web, self.iam.clock)

    def token(self, **wish: Any) -> str:
        """An access token."""
        return self.access.token("iam", Wish(**wish))[1].value

    def sleep(self, seconds: float) -> None:
        """Time passes for everybody; what a person does before the n-th question is done now."""
        self.slept.append(seconds)
        self.iam.clock.pass_by(seconds)
        if len(self.slept) in self.meanwhile:
            self.meanwhile[len(self.slept)]()

    def sign_in(self, approve: bool = True, **more: Any) -> Record:
        """`facility login`, approved by alice before the first question."""
        if approve:
            self.meanwhile.setdefault(1, lambda: self.answer("Authorize"))
        clocks = Clocks(self.iam.clock, self.iam.clock, self.sleep)
        self.slept.clear()
        return SignIn(self.sessions, self.web, self.shown.append, clocks).run(self.hub.url, "iam", **more)

    def answer(self, button: str, person: issuer.Person = issuer.ALICE, user_code: str = "") -> None:
        """What a person does in a browser with the code shown last: Authorize, or Deny."""
        code = user_code or self.shown[-1].user_code
        with self.iam.browser() as browser:
            issuer.log_in(browser, browser.get(f"/device?user_code={code}"), person)
            page = browser.post("/device/verify", data={"user_code": code})
            pressed = {"authorize": button} if button == "Authorize" else {"deny": button}
            assert browser.post("/device/approve", data=issuer.form(page.text) | pressed).status_code == 200


def offer(url: str, **login: Any) -> bytes:
    """What the hub tells of the VO `iam`."""
    lake = {"prefix": "/iam", "origin": LAKE, "audience": LAKE, "scopes": ["storage.read:/"]}
    batch = {"scopes": ["compute.read", "compute.create"]}
    made = vo("iam", f"{url}/", lakes=[lake], batch=batch, login={"deviceClient": "laptops", **login})
    ready = {"conditions": [{"type": "Ready", "status": "True", "reason": "Ready"}]}
    return json.dumps(document([VirtualOrganization.parse(made | {"status": ready})], SITE)).encode()


@contextmanager
def machine(directory: Path, **settings: Any) -> Iterator[Machine]:
    """A machine, a hub, an issuer with `settings`, and a bundle of both their authorities."""
    for name in ("iam", "hub", "state"):
        (directory / name).mkdir()
    with ExitStack() as stack:
        clients = settings.pop("clients", (LAPTOPS,))
        iam = stack.enter_context(issuer.serving(directory / "iam", clients=clients, **settings))
        authority = Authority(directory / "hub")
        hub = stack.enter_context(https_files.serving(authority))
        bundle = directory / "bundle.pem"
        bundle.write_text(iam.bundle.read_text() + authority.bundle.read_text())
        hub.answers["/hub/facility/vos.json"] = 200, offer(iam.url)
        yield Machine(directory / "state", iam, hub, bundle)


def at_once(*work: Any) -> None:
    """All of it in threads of their own."""
    threads = [threading.Thread(target=one) for one in work]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
