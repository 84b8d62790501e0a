"""Why a sign-in ends without a session, in sentences for the person at the browser."""

from __future__ import annotations


class SignInError(Exception):
    """A sign-in that failed. The text goes on the page: it says what to do and holds no secret."""

    status = 500
    title = "Sign-in failed"


class RefusedError(SignInError):
    """The person may not come in as things stand (403)."""

    status = 403
    title = "Not admitted"


class MismatchError(SignInError):
    """The browser's answer does not belong to the sign-in that was started (400)."""

    status = 400
    title = "Start again"


class UnavailableError(SignInError):
    """Something that a sign-in needs does not answer now (503)."""

    status = 503
    title = "Not possible now"
