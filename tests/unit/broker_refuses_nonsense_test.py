"""Whatever is sent to the broker: it answers at once or hangs up, asks nobody about nonsense, and logs none of it."""

from __future__ import annotations

import asyncio
import json
import logging
import time
from base64 import urlsafe_b64encode
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlencode, urlsplit

import jwt
import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

from facility.broker import reading
from facility.broker.callers import Callers
from facility.broker.errors import BrokerError
from facility.broker.identity import Identity
from tests.fakes.broker_world import EXCHANGE, JWT, LAKE, SITE, World, facility, identity
from tests.fakes.patience import PATIENCE

KEY = rsa.generate_private_key(public_exponent=65537, key_size=2048)
PUBLIC = KEY.public_key().public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
CLAIMS = {"aud": ["token-broker"], "sub": "system:serviceaccount:facility:hub", "exp": 1 << 40, "jti": "secret-thing"}
GIANT = 1 << 20
HUB = f"Authorization: Bearer {identity('hub')}"
FORM = "application/x-www-form-urlencoded"


@pytest.fixture
async def world(tmp_path: Path) -> AsyncIterator[World]:
    async with facility(tmp_path) as made:
        await made.sign_in()
        made.api.requests.clear()
        yield made


def segment(part: Any) -> str:
    return urlsafe_b64encode(part if isinstance(part, bytes) else json.dumps(part).encode()).rstrip(b"=").decode()


def token(header: Any, claims: Any = CLAIMS, signature: bytes = b"a signature of somebody") -> str:
    return ".".join(map(segment, (header, claims, signature)))


def signed(algorithm: str = "RS256", key: Any = KEY, claims: dict[str, Any] = CLAIMS, **header: Any) -> str:
    return jwt.encode(claims, key, algorithm, headers={"kid": "of-the-cluster", **header})


def confused() -> str:
    """Signed with HMAC, the secret being a public key; PyJWT itself refuses to make such a thing."""
    return token({"alg": "HS256", "kid": "of-the-cluster", "typ": "JWT"}, signature=PUBLIC[:32])


#: visibly no identity tokens
VISIBLE: dict[str, str] = {
    "a word": "no_token",
    "two dots": "..",
    "two parts": "eyJhbGciOiJSUzI1NiJ9.eyJhdWQiOiJ0b2tlbi1icm9rZXIifQ",
    "five parts, as encrypted tokens have": ".".join(
        [segment({"alg": "RSA-OAEP", "enc": "A256GCM"}), *("AAAAAAAA",) * 4]
    ),
    "no signature": token({"alg": "none", "typ": "JWT", "kid": "k"}, signature=b""),
    "alg none, with something as signature": token({"alg": "none", "kid": "k"}),
    "alg NonE": token({"alg": "NonE", "kid": "k"}),
    "alg missing": token({"kid": "k"}),
    "alg a list": token({"alg": ["RS256"], "kid": "k"}),
    "HS256 with a public key": confused(),
    "no kid": token({"alg": "RS256"}),
    "typ of access tokens": signed(typ="at+jwt"),
    "a token in a token": token({"alg": "RS256", "kid": "k", "cty": "JWT"}, signed().encode()),
    "a claim set that is a token": token({"alg": "RS256", "kid": "k"}, signed().encode()),
    "something critical": token({"alg": "RS256", "kid": "k", "crit": ["exp"]}),
    "a key of its own": token({"alg": "RS256", "kid": "k", "jwk": {"kty": "RSA"}}),
    "packed": token({"alg": "RS256", "kid": "k", "zip": "DEF"}),
    "a header that is a list": token([1, 2]),
    "a header that is nested without end": token(b"[" * 4000),
    "claims that are no JSON": token({"alg": "RS256", "kid": "k"}, b"\xff\xfe secret-thing"),
    "claims that are bad UTF-8": token({"alg": "RS256", "kid": "k"}, b'{"aud": "\xff"}'),
    "another audience": signed(claims=CLAIMS | {"aud": "https://kubernetes.default.svc"}),
    "no audience": signed(claims={key: value for key, value in CLAIMS.items() if key != "aud"}),
    "spaces": f"{signed()} {signed()}",
    "other letters": signed().replace(".", ".é", 1),
}


async def raw(world: World, data: bytes, wait: float = 5.0) -> bytes:
    """All that the broker answers to these bytes on one connection, until it hangs up or has answered whole."""
    url = urlsplit(world._broker_url)
    reader, writer = await asyncio.open_connection(url.hostname, url.port, ssl=world._trust)
    try:
        writer.write(data)
        async with asyncio.timeout(wait):
            head = await reader.readuntil(b"\r\n\r\n")
            length = int(head.lower().partition(b"content-length: ")[2].partition(b"\r\n")[0])
            return head + await reader.readexactly(length)
    finally:
        writer.close()
        await asyncio.gather(writer.wait_closed(), return_exceptions=True)


def post(body: bytes, kind: str = FORM, path: str = "/token", **headers: str) -> bytes:
    lines = {"Host": "broker", "Content_Type": kind, "Content_Length": str(len(body)), **headers}
    head = "".join(f"{name.replace('_', '-')}: {value}\r\n" for name, value in lines.items() if value)
    return f"POST {path} HTTP/1.1\r\n{head}\r\n".encode() + body


def form(**changes: str) -> dict[str, str]:
    basis = {
        "grant_type": EXCHANGE,
        "subject_token": identity("alice-pod"),
        "subject_token_type": JWT,
        "audience": LAKE,
    }
    return basis | changes


def encoded(**changes: str) -> bytes:
    return urlencode(form(**changes)).encode()


def chunked(*chunks: bytes, end: bool = True) -> bytes:
    head = post(b"", Content_Length="", Transfer_Encoding="chunked")
    return head + b"".join(b"%x\r\n%s\r\n" % (len(one), one) for one in chunks) + (b"0\r\n\r\n" if end else b"")


#: bytes, and the status that they are answered with
REQUESTS: dict[str, tuple[Callable[[], bytes], int]] = {
    "nothing in it": (lambda: post(b""), 400),
    "an identity token of nothing": (lambda: post(encoded(subject_token="")), 400),
    "an identity token of 60 KiB": (
        lambda: post(encoded(subject_token=token({"alg": "RS256"}, {"x": "y" * 40_000}))),
        400,
    ),
    "a bearer of 7 KiB": (
        lambda: f"GET /wanted HTTP/1.1\r\nHost: b\r\nAuthorization: Bearer {'secret-thing' * 600}\r\n\r\n".encode(),
        401,
    ),
    "a megabyte": (lambda: post(b"a=" + b"x" * GIANT), 413),
    "a megabyte that is only announced": (lambda: post(b"", Content_Length=str(GIANT)), 413),
    "a megabyte in chunks": (lambda: chunked(*[b"x" * 8192] * 128), 413),
    "chunks without end": (lambda: chunked(*[b"x" * 8192] * 64, end=False), 413),
    "chunks that are none": (lambda: chunked(end=False) + b"secret-thing\r\n", 400),
    "a megabyte of scopes": (lambda: post(encoded(scope="storage.read:/secret-thing " * 40_000)), 413),
    "60 KiB of scopes": (lambda: post(encoded(scope="storage.read:/secret-thing " * 1500)), 400),
    "15 KiB of scopes": (lambda: post(encoded(scope="storage.read:/secret-thing " * 500)), 400),
    "a path without end": (lambda: post(encoded(scope="storage.read:" + "/a" * 7000)), 400),
    "an audience of 60 KiB": (lambda: post(encoded(audience="secret-thing" * 5000)), 400),
    "a header of 9 KiB": (lambda: post(encoded(), X_More="secret-thing" * 800), 400),
    "a path of 9 KiB": (lambda: post(encoded(), path="/" + "secret-thing" * 800), 400),
    "a thousand headers": (lambda: post(encoded(), **{f"X_{n}": "secret-thing" for n in range(1000)}), 400),
    "JSON": (lambda: post(json.dumps(form()).encode(), "application/json"), 415),
    "no media type": (lambda: post(encoded(), ""), 415),
    "a multipart form": (lambda: post(encoded(), "multipart/form-data; boundary=x"), 415),
    "packed": (lambda: post(b"\x1f\x8b" + b"x" * 64, Content_Encoding="gzip"), 415),
    "a character set that nobody knows": (lambda: post(encoded(), f"{FORM}; charset=secret-thing"), 200),
    "a parameter twice": (lambda: post(encoded() + b"&audience=other"), 400),
    "a thousand parameters": (lambda: post("&".join(f"a{n}=1" for n in range(1000)).encode()), 400),
    "bad UTF-8": (lambda: post(encoded() + b"&scope=\xff\xfe"), 400),
    "escaped bad UTF-8": (lambda: post(encoded() + b"&scope=%ff%fe"), 400),
    "no pairs": (lambda: post(b"secret-thing"), 400),
    "nulls": (lambda: post(encoded(scope="storage.read:/\0")), 400),
    "a time that is none": (lambda: post(encoded(min_valid="secret-thing")), 400),
    "a time without end": (lambda: post(encoded(min_valid="9" * 5000)), 400),
    "a time before": (lambda: post(encoded(min_valid="-1")), 400),
    "no HTTP": (lambda: b"secret-thing secret-thing\r\n\r\n", 400),
    "two lengths": (lambda: post(encoded(), Content_Length="1\r\nContent-Length: 2"), 400),
    "both a length and chunks": (lambda: post(encoded(), Transfer_Encoding="chunked"), 400),
    "a token as method": (lambda: f"{signed()} /token HTTP/1.1\r\nHost: b\r\n\r\n".encode(), 400),
    "a token as path": (lambda: f"GET /{signed()} HTTP/1.1\r\nHost: b\r\n\r\n".encode(), 404),
    "a token in a query": (lambda: f"GET /wanted?wait=x&t={signed()} HTTP/1.1\r\nHost: b\r\n\r\n".encode(), 400),
    "basic authentication": (
        lambda: b"GET /wanted HTTP/1.1\r\nHost: b\r\nAuthorization: Basic c2VjcmV0LXRoaW5n\r\n\r\n",
        401,
    ),
    "a bearer of nothing": (lambda: b"GET /wanted HTTP/1.1\r\nHost: b\r\nAuthorization: Bearer\r\n\r\n", 401),
    "a session of nobody": (
        lambda: f"GET /sessions/..%2fsecret-thing HTTP/1.1\r\nHost: b\r\n{HUB}\r\n\r\n".encode(),
        404,
    ),
}


def reviews(world: World) -> int:
    return sum(path.endswith("/tokenreviews") for _, path in world.api.requests)


def unspoken(caplog: pytest.LogCaptureFixture, *secrets: str) -> None:
    """Nothing of it is in any log line, nor in the trace of one."""
    told = "\n".join(f"{one.getMessage()} {one.args} {one.exc_info} {one.exc_text}" for one in caplog.records)
    for secret in ("secret-thing", quote("secret-thing"), segment(CLAIMS), *secrets):
        for part in [secret, *secret.split(".")]:
            assert len(part) < 8 or part[:200] not in told


@pytest.mark.parametrize("case", REQUESTS)
async def test_a_request_that_is_none_is_answered_at_once(
    world: World, caplog: pytest.LogCaptureFixture, case: str
) -> None:
    caplog.set_level(logging.DEBUG)
    make, status = REQUESTS[case]
    data = make()
    begun = time.process_time()
    answer = await raw(world, data)
    assert time.process_time() - begun < 1
    head, _, body = answer.partition(b"\r\n\r\n")
    assert head.split()[1] == b"%d" % status, answer[:300]
    if b"application/json" in head and status != 200:
        assert {"error", "error_description"} <= set(json.loads(body))
    unspoken(caplog, identity("alice-pod"), identity("hub"))


@pytest.mark.parametrize("case", VISIBLE)
async def test_what_is_visibly_no_identity_token_is_refused_without_asking_the_api_server(
    world: World, caplog: pytest.LogCaptureFixture, case: str
) -> None:
    caplog.set_level(logging.DEBUG)
    answer = await world.token(VISIBLE[case])
    assert (answer.status, answer.error) == (401, "invalid_client"), answer
    assert reviews(world) == 0
    told = await world.ask("GET", "/wanted", None, headers={"Authorization": f"Bearer {VISIBLE[case].split('é')[0]}"})
    assert told.status == 401
    assert reviews(world) == 0
    assert "secret" not in answer.description
    unspoken(caplog, VISIBLE[case])


@pytest.mark.parametrize("case", ["a key of somebody", "another kid", "that has expired"])
async def test_what_only_the_api_server_can_tell_is_asked_once(
    world: World, caplog: pytest.LogCaptureFixture, case: str
) -> None:
    caplog.set_level(logging.DEBUG)
    made = {
        "a key of somebody": signed(),
        "another kid": signed(kid="secret-thing"),
        "that has expired": signed(claims=CLAIMS | {"exp": 1}),
    }[case]
    answer = await world.token(made)
    assert (answer.status, answer.error) == (401, "invalid_client")
    assert reviews(world) == 1
    unspoken(caplog, made)


async def test_an_address_that_sends_nonsense_waits_and_nobody_who_is_known_waits_with_it(world: World) -> None:
    assert (await world.token()).status == 200
    world.api.requests.clear()
    answers = await asyncio.gather(*(world.token(signed(claims=CLAIMS | {"jti": str(n)})) for n in range(100)))
    assert reviews(world) == 20
    assert sorted(answer.status for answer in answers) == [401] * 20 + [429] * 80
    assert {answer.headers.get("Retry-After") for answer in answers if answer.status == 429} == {"5"}
    assert (await world.token()).status == 200
    world.clock.pass_by(5)
    answers = [await world.token(signed(claims=CLAIMS | {"jti": f"later {n}"})) for n in range(10)]
    assert [answer.status for answer in answers] == [401] * 5 + [429] * 5
    world.clock.pass_by(60)
    assert (await world.ask("GET", "/wanted", "xcache")).status == 200


async def test_what_another_replica_forwards_is_on_nobody_s_account(world: World) -> None:
    callers = Callers(
        Identity(world.broker._around.kubernetes, SITE.namespaces), world.clock, lambda one: one == "peer"
    )
    made = [signed(claims=CLAIMS | {"jti": str(number)}) for number in range(60)]

    async def told(address: str) -> list[int]:
        found = await asyncio.gather(*(callers.of(one, address) for one in made), return_exceptions=True)
        return sorted(one.status for one in found if isinstance(one, BrokerError))

    assert await told("peer") == [401] * 60
    assert await told("a pod") == [401] * 20 + [429] * 40


async def test_an_api_server_in_trouble_is_on_nobody_s_account(world: World) -> None:
    world.api.fault = lambda _method, path: 500 if "tokenreviews" in path else None
    for number in range(30):
        assert (await world.token(signed(claims=CLAIMS | {"jti": str(number)}))).status == 503
    world.api.fault = lambda _method, _path: None
    assert (await world.token()).status == 200


async def test_many_requests_at_once_on_one_connection_are_all_answered_at_once(world: World) -> None:
    url = urlsplit(world._broker_url)
    reader, writer = await asyncio.open_connection(url.hostname, url.port, ssl=world._trust)
    begun = time.process_time()
    writer.write(post(urlencode(form(subject_token="a.b.c")).encode()) * 200)
    async with asyncio.timeout(PATIENCE):
        for _ in range(200):
            head = await reader.readuntil(b"\r\n\r\n")
            assert head.startswith(b"HTTP/1.1 401 ")
            await reader.readexactly(int(head.lower().partition(b"content-length: ")[2].partition(b"\r\n")[0]))
    assert time.process_time() - begun < 1
    assert reviews(world) == 0
    writer.close()


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reading, "BODY", 0.3)
    monkeypatch.setitem(reading.LIMITS, "keepalive_timeout", 0.4)
    monkeypatch.setitem(reading.LIMITS, "lingering_time", 0.1)


@pytest.mark.usefixtures("impatient")
@pytest.mark.parametrize(
    ("begin", "drop", "answered"),
    [
        (b"", b"", b""),
        (b"", b"G", b""),
        (b"POST /token HTTP/1.1\r\nHost: b\r\nX: ", b"y", b""),
        (post(b"", Content_Length="5000"), b"x", b"408"),
        (chunked(b"abc", end=False), b"1\r\nx\r\n", b"408"),
        (chunked(b"abc", end=False), b"", b"408"),
    ],
    ids=["silence", "a request line", "a header", "a body", "chunks", "a body that stops"],
)
async def test_who_sends_drop_by_drop_is_cut(world: World, begin: bytes, drop: bytes, answered: bytes) -> None:
    url = urlsplit(world._broker_url)
    reader, writer = await asyncio.open_connection(url.hostname, url.port, ssl=world._trust)
    begun = time.perf_counter()
    writer.write(begin)
    received = asyncio.create_task(reader.read())
    while not received.done() and time.perf_counter() - begun < PATIENCE:
        await asyncio.wait({received}, timeout=0.05)
        writer.write(drop)
    found = b"" if received.exception() else received.result()
    assert answered in found[:20]
    writer.close()
