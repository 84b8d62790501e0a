"""A browser at the issuer: its login session, the sign-in form, and the way back to where it wanted to go."""

from __future__ import annotations

import hmac
import secrets
from collections.abc import Callable
from functools import wraps
from typing import Any, TypeVar

from flask import Response, make_response, redirect, request

from facility.dev.issuer import html
from facility.dev.issuer.settings import Change, Person
from facility.dev.issuer.tokens import Issuer

_COOKIE = "JSESSIONID"


class Browser:
    """What all pages stand on."""

    def __init__(self, issuer: Issuer) -> None:
        self.issuer = issuer
        self.title = issuer.settings.organisation

    def session(self) -> tuple[str, dict[str, Any]]:
        """The login session's key and content, both empty for a browser that has none."""
        key = request.cookies.get(_COOKIE, "")
        record = self.issuer.store.get("session", key) if key else None
        return (key, record) if record is not None else ("", {})

    def keep(self, key: str, session: dict[str, Any]) -> None:
        """Keep a login session for as long as the settings say from now on."""
        self.issuer.store.put("session", key, session, self.issuer.now() + self.issuer.settings.lifetimes.session)


Pages = TypeVar("Pages", bound=Browser)


def signed_in(view: Callable[[Pages, Person], Response]) -> Callable[[Pages], Response]:
    """The view with the person in front; whoever is nobody yet goes to the form first and comes back."""

    @wraps(view)
    def guarded(self: Pages) -> Response:
        key, session = self.session()
        person = self.issuer.known(session.get("sub"))
        if person is not None and not person.aup_due:
            return view(self, person)
        key = key or secrets.token_hex(16)
        self.keep(key, session | ({"saved": request.full_path} if request.method == "GET" else {}))
        return _with_cookie(to("/iam/aup/sign" if person else "/login"), key)

    return guarded


class SignIn(Browser):
    """The pages /, /login and /logout."""

    @signed_in
    def home(self, person: Person) -> Response:
        return page(html.message(self.title, "Signed in", f"You are {person.name}."))

    def login(self) -> Response:
        return page(html.login(self.title, failed=request.args.get("error") == "failure"))

    def sign_in(self) -> Response:
        """No CSRF token and no new cookie, as with IAM: a client has to bind the answer to its browser by `state`."""
        person = self.issuer.account(request.form.get("username", ""))
        given = request.form.get("password", "").encode()
        if person is None or not person.active or not hmac.compare_digest(given, person.password.encode()):
            return to("/login?error=failure")
        key, session = self.session()
        key = key or secrets.token_hex(16)
        saved = session.pop("saved", "/")
        self.keep(key, session | {"sub": person.sub})
        return _with_cookie(to(saved), key)

    def aup(self) -> Response:
        """The acceptable use policy, shown to somebody who has to sign it."""
        return page(html.aup(self.title))

    def sign_aup(self) -> Response:
        """Signed: on to where the browser wanted to go."""
        key, session = self.session()
        person = self.issuer.known(session.get("sub"))
        if person is None:
            return to("/login")
        self.issuer.change(person.sub, Change(aup_due=False))
        saved = session.pop("saved", "/")
        self.keep(key, session)
        return to(saved)

    def logout(self) -> Response:
        self.issuer.store.drop("session", request.cookies.get(_COOKIE, ""))
        return to("/login")


def page(text: str, status: int = 200) -> Response:
    """A page as the answer."""
    return make_response(text, status)


def to(where: str, status: int = 302) -> Response:
    """A redirect as the answer."""
    return make_response(redirect(where, status))


def _with_cookie(response: Response, key: str) -> Response:
    response.set_cookie(_COOKIE, key, path="/", secure=True, httponly=True)
    return response
