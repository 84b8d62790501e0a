"""What callers are told when they get no token: the errors of RFC 6749 (5.2), RFC 8693 (2.2.2) and RFC 8707.

Every error of the broker is one of these when it reaches a caller; nothing else of an exception ever does.
"""

from __future__ import annotations

from collections.abc import Mapping


class BrokerError(Exception):
    """An answer that is no token. `status` is HTTP's, `error` OAuth's, `retry_after` in seconds.

    allowed: audience to scopes, where more was asked for than policy allows.
    """

    def __init__(
        self,
        status: int,
        error: str,
        description: str,
        retry_after: int | None = None,
        allowed: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(description)
        self.status = status
        self.error = error
        self.description = description
        self.retry_after = retry_after
        self.allowed = allowed


def invalid_request(description: str) -> BrokerError:
    """The request itself is malformed."""
    return BrokerError(400, "invalid_request", description)


def unsupported_grant_type(description: str) -> BrokerError:
    """Another grant than the one that there is."""
    return BrokerError(400, "unsupported_grant_type", description)


def too_slow() -> BrokerError:
    """The request's body has not come in time."""
    return BrokerError(408, "invalid_request", "the request took too long to come")


def too_large(most: int) -> BrokerError:
    """The request's body is too large."""
    return BrokerError(413, "invalid_request", f"a request has {most} bytes at most")


def wrong_type(description: str) -> BrokerError:
    """The request's body is of another media type, or packed."""
    return BrokerError(415, "invalid_request", description)


def too_many(description: str, retry_after: int) -> BrokerError:
    """The caller has to leave the broker alone for a while."""
    return BrokerError(429, "temporarily_unavailable", description, retry_after)


def invalid_client(description: str) -> BrokerError:
    """The identity token is not accepted."""
    return BrokerError(401, "invalid_client", description)


def access_denied(description: str) -> BrokerError:
    """The caller is known, and may not have this."""
    return BrokerError(403, "access_denied", description)


def interaction_required(hub_url: str, why: str = "The session has ended.") -> BrokerError:
    """Only the person can help: by signing in again."""
    return BrokerError(403, "interaction_required", f"{why} Sign in again at {hub_url}")


def not_in_group(hub_url: str, vo: str) -> BrokerError:
    """The person is in none of the groups that the VO lets in any more; a sign-in tells them which these are."""
    why = f"You are in none of the groups that may work here for {vo}. Ask the managers of {vo} for membership."
    return interaction_required(hub_url, why)


SOON = 5  # seconds


def unavailable(description: str, retry_after: int = SOON) -> BrokerError:
    """Something behind the broker is away, and nothing cached will do instead."""
    return BrokerError(503, "temporarily_unavailable", description, retry_after)


def name_taken(description: str) -> BrokerError:
    """A sign-in with a name that belongs to somebody else."""
    return BrokerError(403, "name_taken", description)


def not_found(description: str) -> BrokerError:
    """No such path, or no name of a person in it."""
    return BrokerError(404, "invalid_request", description)


def not_allowed() -> BrokerError:
    """A path without this method."""
    return BrokerError(405, "invalid_request", "no such method here")


def unforeseen() -> BrokerError:
    """A defect: the log says where."""
    return BrokerError(500, "server_error", "the broker's log says where this failed")
