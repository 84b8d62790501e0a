"""What becomes of an issuer's failure: what the caller is told, and what is said of the session. Pure."""

from __future__ import annotations

import math

from facility.broker import errors
from facility.broker.errors import BrokerError
from facility.broker.sessions import ANSWER_REFUSED, CLIENT_REFUSED, ISSUER_UNAVAILABLE
from facility.tokens import scopes as algebra
from facility.tokens.claims import ClaimsError, NothingGrantedError
from facility.tokens.requests import ClientRefusedError, RequestRefusedError
from facility.tokens.scopes import Scope
from facility.tokens.wire import UnavailableError
from facility.vo import VirtualOrganization

#: nothing is known about the session by these
Trouble = UnavailableError | ClientRefusedError | ClaimsError
TROUBLE = (UnavailableError, ClientRefusedError, ClaimsError)
#: the issuer says no to this audience or these scopes
Refusal = RequestRefusedError | NothingGrantedError
REFUSAL = (RequestRefusedError, NothingGrantedError)


def reason(error: Trouble) -> str:
    """The reason that the session's state has."""
    if isinstance(error, ClientRefusedError):
        return CLIENT_REFUSED
    return ANSWER_REFUSED if isinstance(error, ClaimsError) else ISSUER_UNAVAILABLE


def unavailable(vo: VirtualOrganization, error: Trouble) -> BrokerError:
    """503 with a sentence, and when to come back."""
    wait = math.ceil(error.retry_after) if isinstance(error, UnavailableError) else 0
    return errors.unavailable(_sentence(vo, error), wait or errors.SOON)


def refused(error: Refusal, audience: str, scopes: tuple[Scope, ...]) -> BrokerError:
    """The issuer's refusal in our words: its own text may quote tokens."""
    if isinstance(error, NothingGrantedError):
        return errors.access_denied(f"the issuer grants none of the scopes {algebra.text(scopes)!r}; ask the VO")
    what = f"audience {audience}" if error.error == "invalid_target" else f"scope {algebra.text(scopes)!r}"
    status = 403 if error.error == "access_denied" else 400
    return BrokerError(status, error.error, f"the issuer refuses {what}")


def _sentence(vo: VirtualOrganization, error: Trouble) -> str:
    if isinstance(error, ClientRefusedError):
        return f"the issuer of {vo.name} refuses this facility's client; its admins must mend that"
    if isinstance(error, ClaimsError):
        return f"the issuer of {vo.name} does not answer with the token that was asked for: {error}"
    return f"the issuer of {vo.name} gives no answer"
