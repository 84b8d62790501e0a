"""The demo's outside world as Kubernetes Secrets: issuers' people, clients, keys and TLS. Pure functions."""

from __future__ import annotations

from typing import Any

from facility.dev.demo import world
from facility.dev.demo.material import Material, administrator
from facility.dev.issuer import mint
from facility.dev.issuer.settings import CLIENT, CODE, DEVICE, EXCHANGE, REFRESH, Client, Person

Manifest = dict[str, Any]
#: key id of the issuers' first signing key
KID = "key-2026-01"
#: the issuers' client that may change people while they run: of tests, never of the facility
ADMINISTRATOR = "administrator"
#: the Secret of ESCAPE's robot, for the storage that takes no tokens
ROBOT = "escape-robot"
_SCOPES = ("openid", "profile", "email", "offline_access", "wlcg.groups")
_STORAGE = ("storage.read:/",)
_COMPUTE = ("compute.read", "compute.create", "compute.modify", "compute.cancel")


def all_secrets(material: Material) -> list[Manifest]:
    """Everything that charts/demo and the VO objects name."""
    made = [tls(material, name) for name in material.certificates]
    made.append(secret(world.NAMESPACE, "origin-grid", material.grid))
    made.append(secret("facility", ROBOT, {f"tls.{end}": material.grid[f"robot.{end}"] for end in ("crt", "key")}))
    for vo in world.VOS.values():
        client = client_of(vo, material.clients[vo.name])
        changer = Client(
            client_id=ADMINISTRATOR,
            client_secret=material.clients[administrator(vo.name)],
            grant_types=(CLIENT,),
            administers=True,
        )
        made += [
            secret(world.NAMESPACE, f"iam-{vo.name}-people", mint.people_secret(people_of(vo, material.passwords))),
            secret(
                world.NAMESPACE, f"iam-{vo.name}-clients", mint.clients_secret([client, machines_of(client), changer])
            ),
            secret(world.NAMESPACE, f"iam-{vo.name}-keys", mint.keys_secret({KID: material.signing[vo.name]})),
            secret("facility", world.client_secret(vo), mint.client_secret(client)),
        ]
    return made


def secret(namespace: str, name: str, content: dict[str, str], kind: str = "Opaque") -> Manifest:
    """A Secret of text values."""
    meta = {"name": name, "namespace": namespace}
    return {"apiVersion": "v1", "kind": "Secret", "metadata": meta, "type": kind, "stringData": content}


def tls(material: Material, name: str) -> Manifest:
    """The kubernetes.io/tls Secret of a service of the demo."""
    content = {"tls.crt": material.certificates[name], "tls.key": material.keys[name], "ca.crt": material.ca}
    return secret(world.NAMESPACE, f"tls-{name}", content, "kubernetes.io/tls")


def client_of(vo: world.DemoVO, password: str) -> Client:
    """The facility as a client of a VO's issuer, registered as docs/how-to/install-at-a-site.md says."""
    return Client(
        client_id="facility",
        client_secret=password,
        redirect_uris=(f"{world.HUB}/hub/oauth/{vo.name}/callback",),
        grant_types=(CODE, REFRESH, CLIENT, DEVICE, EXCHANGE),
        scopes=(*_SCOPES, *_STORAGE, "storage.read:/embargoed", "storage.read:/open", *_COMPUTE),
        reuse_refresh_token=not vo.rotates,
    )


def machines_of(facility: Client) -> Client:
    """The public client of people's own machines: no secret, the device flow, the facility's scopes, rotation on."""
    change = {"client_id": world.MACHINES, "client_secret": None, "redirect_uris": (), "grant_types": (DEVICE, REFRESH)}
    return facility.model_copy(update=change | {"reuse_refresh_token": False})


def people_of(vo: world.DemoVO, passwords: dict[str, str]) -> list[Person]:
    """The VO's accounts."""
    return [
        Person(
            login=account.name,
            password=passwords[account.name],
            sub=account.subject,
            given_name=account.name.title(),
            family_name=vo.name.upper(),
            email=f"{account.name}@{vo.name}.example",
            preferred_username=account.preferred,
            groups=account.groups,
        )
        for account in vo.people
    ]
