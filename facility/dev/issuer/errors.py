"""Refusals with the status and the words of INDIGO IAM 1.12 (RFC 6749, section 5.2, where IAM follows it)."""

from __future__ import annotations

from typing import Any

from authlib.oauth2 import OAuth2Error

_ALLOWED = {chr(n) for n in (0x20, 0x21, *range(0x23, 0x5C), *range(0x5D, 0x7F))}


class RefusedError(OAuth2Error):  # type: ignore[misc]
    """An OAuth error answer; 401 carries a WWW-Authenticate header, which IAM fills by the kind of error."""

    def __init__(self, status: int, error: str, description: str, realm: str = "") -> None:
        text = "".join(c for c in description if c in _ALLOWED)
        super().__init__(description=text, status_code=status, error=error)
        self.realm = realm

    def get_headers(self) -> list[tuple[str, str]]:
        """As RFC 6749, section 5.1 has them, with the challenge of RFC 6750, section 3 for status 401."""
        headers = [("Content-Type", JSON), ("Cache-Control", "no-store"), ("Pragma", "no-cache")]
        if self.status_code == 401:
            realm = f'realm="{self.realm}", ' if self.realm else ""
            headers.append(
                ("WWW-Authenticate", f'Bearer {realm}error="{self.error}", error_description="{self.description}"')
            )
        return headers

    def get_body(self) -> list[tuple[str, Any]]:
        """The two keys that IAM's errors have."""
        return [("error", self.error), ("error_description", self.description)]


JSON = "application/json;charset=UTF-8"
REALM = "openidconnect"


def bad_credentials() -> RefusedError:
    """A client secret that is wrong, or a client nobody knows."""
    return RefusedError(401, "unauthorized", "Bad credentials", REALM)


def no_credentials() -> RefusedError:
    """Neither client nor token was presented."""
    return RefusedError(401, "unauthorized", "Full authentication is required to access this resource", REALM)


def wrong_grant() -> RefusedError:
    """The client may not use this grant type."""
    return RefusedError(401, "invalid_client", "Unauthorized grant type")


def unknown_refresh_token(value: str) -> RefusedError:
    """Unknown, revoked or rotated away: 401 invalid_token, where RFC 6749 would have 400 invalid_grant."""
    return RefusedError(401, "invalid_token", f"Refresh token for value {value} was not found")


def expired_refresh_token(value: str) -> RefusedError:
    """Its thirty days are over."""
    return RefusedError(401, "invalid_token", f"Invalid refresh token: {value}")


def aup_due(username: str) -> RefusedError:
    """The person has to sign the acceptable use policy first; the refresh token stays good."""
    text = f"User {username} needs to sign AUP for this organization in order to proceed."
    return RefusedError(400, "invalid_grant", text)


def bad_access_token(value: str) -> RefusedError:
    """Not an access token of this issuer, or not one any more."""
    return RefusedError(401, "invalid_token", f"Invalid access token: {value}")


def scope_not_allowed(scope: str, client_id: str) -> RefusedError:
    """The client is not registered for it."""
    return RefusedError(400, "invalid_scope", f"Scope '{scope}' not allowed for client '{client_id}'")


def up_scoping() -> RefusedError:
    """More was asked for at a refresh than was granted at the sign-in."""
    return RefusedError(400, "invalid_scope", "Up-scoping is not allowed.")


def invalid_target() -> RefusedError:
    """A resource that was not named at the authorization (RFC 8707)."""
    return RefusedError(400, "invalid_target", "The requested resource was not originally granted")


def invalid_code(code: str) -> RefusedError:
    """A code that was used, never given, or for another."""
    text = f"JpaAuthorizationCodeRepository: no authorization code found for value {code}"
    return RefusedError(400, "invalid_grant", text)


def internal() -> RefusedError:
    """IAM answers some malformed requests like this; a client must not take it for an outage of its making."""
    return RefusedError(500, "server_error", "Internal Server Error")
