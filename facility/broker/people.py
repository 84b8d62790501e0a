"""People as FacilityUser objects: made at the first sign-in, and told whether they have a token.

An object's name is the person's name, and creating it is atomic: of two people with one name the first gets it.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from typing import Any

from pydantic import ValidationError

from facility import names
from facility.broker import errors
from facility.broker.errors import BrokerError
from facility.kubernetes import ApiError, Json, Kubernetes
from facility.users import FacilityUserSpec

log = logging.getLogger(__name__)
CONDITION = "TokenReady"
_MOST, _LONGEST = 256, 255  # groups of a person in their object, and characters of one
_STATUS = {"good": "True", "dead": "False", "unknown": "Unknown"}
#: what is told of a session, by reason
MESSAGES = {
    "SignedIn": "Signed in; tokens are renewed.",
    "SignInAgain": "The session has ended: sign in again at the hub.",
    "NotInGroup": "In none of the groups that the VO lets in: its managers give membership, then sign in again.",
    "VOClosed": "The VO is suspended or being removed: nobody of it gets tokens.",
    "IssuerUnavailable": "The issuer gives no answer; tokens at hand are used until they expire.",
    "ClientRefused": "The issuer refuses this facility's client: see the Secret that the VO names.",
    "AnswerRefused": "The issuer answers with tokens that were not asked for; the broker's log says what is wrong.",
}


class NameTakenError(Exception):
    """The name belongs to another person of the VO."""


class People:
    """Writes FacilityUser objects. Conditions are written by `run`, in the background, latest state only."""

    def __init__(
        self,
        kubernetes: Kubernetes,
        namespace: str,
        now: Callable[[], float],
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        self.path = f"/apis/{names.API_GROUP}/{names.API_VERSION}/namespaces/{namespace}/facilityusers"
        self._kubernetes = kubernetes
        self._now = now
        self._sleep = sleep
        self._pending: dict[str, tuple[str, str]] = {}
        self._signed_in: dict[str, str] = {}
        #: a person's groups as the issuer asserted them last, None when they are not known
        self.groups: Callable[[str], tuple[str, ...] | None] = lambda _user: None
        self._wake = asyncio.Event()
        self._writing = asyncio.Lock()

    async def register(self, vo: str, claim: str, sub: str) -> tuple[str, str]:
        """(hub user, uid of the object) of a person, made when new.

        Raises:
            NameTakenError: the name is that of another `sub`.
            BrokerError: 400 when name or sub cannot be used, 503 when the API server is away.
        """
        spec = _spec(vo, claim, sub)
        user = names.hub_user(vo, spec.name)
        try:
            found = await self._create(user, spec)
        except ApiError as error:
            raise errors.unavailable(f"the person's object cannot be written now: {error}") from None
        if (found.get("spec") or {}).get("sub") != sub:
            raise NameTakenError(
                f"The name {user} belongs to somebody else of {vo}, who came first. Ask the facility's admins, or have "
                "your name at your VO changed."
            )
        return user, str(found["metadata"]["uid"])

    async def known(self, user: str) -> bool:
        """Whether there is an object of that person. Raises BrokerError 503 when the API server is away."""
        try:
            await self._kubernetes.get(f"{self.path}/{user}")
        except ApiError as error:
            if error.status == 404:
                return False
            raise errors.unavailable(f"the person's object cannot be read now: {error}") from None
        return True

    def signed_in(self, user: str) -> None:
        """Notes that a person has just signed in."""
        self._signed_in[user] = self._moment()

    def report(self, user: str, state: str, reason: str) -> None:
        """Notes a session's state for the person's object."""
        self._pending[user] = (state, reason)
        self._wake.set()

    async def run(self) -> None:
        """Writes what was reported, until cancelled."""
        while True:
            await self._wake.wait()
            self._wake.clear()
            if not await self.write_pending():
                await self._sleep(errors.unavailable("").retry_after or 0)
                self._wake.set()

    async def write_pending(self) -> bool:
        """Writes all that was reported; False when some of it has to be tried again."""
        async with self._writing:
            # what is reported meanwhile has woken `run` and is no failure
            return all([await self._write_one(user, *self._pending.pop(user)) for user in list(self._pending)])

    async def _create(self, user: str, spec: FacilityUserSpec) -> Json:
        body = {
            "apiVersion": f"{names.API_GROUP}/{names.API_VERSION}",
            "kind": "FacilityUser",
            "metadata": {"name": user, "labels": {names.LABEL_VO: spec.vo}},
            "spec": spec.model_dump(by_alias=True, exclude_none=True),
        }
        try:
            return await self._kubernetes.post(self.path, body)
        except ApiError as error:
            if error.status != 409:
                raise
        return await self._kubernetes.get(f"{self.path}/{user}")

    async def _write_one(self, user: str, state: str, reason: str) -> bool:
        """Whether it is written, or nobody is left to be told."""
        try:
            await self._write(user, state, reason)
        except ApiError as error:
            log.warning("condition of %s not written: %s", user, error)
            if error.status != 404:  # the person's object has gone
                self._pending.setdefault(user, (state, reason))
                return False
        return True

    async def _write(self, user: str, state: str, reason: str) -> None:
        item = await self._kubernetes.get(f"{self.path}/{user}")
        status = item.get("status") or {}
        before = status.get("conditions") or []
        change: dict[str, Any] = {"conditions": conditions(before, state, reason, self._moment())}
        change |= self._asserted(user, status.get("groups") or [])
        if user in self._signed_in:
            change["lastSignIn"] = self._signed_in[user]
        elif change == {"conditions": before}:
            return
        version = {"resourceVersion": item["metadata"].get("resourceVersion")}
        await self._kubernetes.patch(f"{self.path}/{user}/status", {"metadata": version, "status": change})
        self._signed_in.pop(user, None)

    def _asserted(self, user: str, before: list[str]) -> Json:
        """Groups, by which the VO shares cores out; what the object could not hold is left out."""
        known = self.groups(user)
        groups = before if known is None else sorted({one for one in known if 0 < len(one) <= _LONGEST})[:_MOST]
        return {"groups": groups} if groups != before else {}

    def _moment(self) -> str:
        return datetime.fromtimestamp(self._now(), UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def conditions(before: list[Json], state: str, reason: str, moment: str) -> list[Json]:
    """The conditions with TokenReady set; its transition time stays while its status does."""
    mine = {
        "type": CONDITION,
        "status": _STATUS[state],
        "reason": reason,
        "message": MESSAGES[reason],
        "lastTransitionTime": moment,
    }
    for old in before:
        if old.get("type") == CONDITION and old.get("status") == mine["status"]:
            mine["lastTransitionTime"] = old.get("lastTransitionTime", moment)
    return [*(one for one in before if one.get("type") != CONDITION), mine]


def _spec(vo: str, claim: str, sub: str) -> FacilityUserSpec:
    try:
        return FacilityUserSpec(vo=names.check_vo(vo), sub=sub, name=names.person(claim))
    except (names.BadNameError, ValidationError) as error:
        raise _unusable(error) from None


def _unusable(error: Exception) -> BrokerError:
    what = error.errors()[0]["msg"] if isinstance(error, ValidationError) else str(error)
    return errors.invalid_request(f"this person cannot be named here: {what}")
