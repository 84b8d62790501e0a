"""Codes of refusals (RFC 6749, 5.2; OpenID Connect Core, 3.1.2.6) on which programs of the facility act."""

from __future__ import annotations

#: the session is dead and only its person can mend that
SIGN_IN = "interaction_required"
UNAVAILABLE = "temporarily_unavailable"
#: codes of refusals by which a token at hand is forfeit, too
FORFEIT = frozenset({SIGN_IN, "access_denied"})
