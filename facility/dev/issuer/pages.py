"""The authorization endpoint: a client's request, the person's approval, and the code that comes of it."""

from __future__ import annotations

import secrets

from flask import Blueprint, Response, request

from facility.dev.issuer import authorization, claims, html
from facility.dev.issuer.authorization import PageError, RedirectError, Request, location
from facility.dev.issuer.browser import Browser, SignIn, page, signed_in, to
from facility.dev.issuer.device import Device
from facility.dev.issuer.settings import Person
from facility.dev.issuer.tokens import Issuer


def blueprint(issuer: Issuer) -> Blueprint:
    """All pages of one issuer."""
    routes = Blueprint("pages", __name__)
    start, code, device = SignIn(issuer), Authorize(issuer), Device(issuer)
    routes.get("/")(start.home)
    routes.get("/login")(start.login)
    routes.post("/login")(start.sign_in)
    routes.route("/logout", methods=["GET", "POST"])(start.logout)
    routes.get("/iam/aup/sign")(start.aup)
    routes.post("/iam/aup/sign")(start.sign_aup)
    routes.get("/authorize")(code.authorize)
    routes.post("/authorize")(code.decide)
    routes.get("/device")(device.device)
    routes.post("/device/verify")(device.verify_device)
    routes.post("/device/approve")(device.approve_device)
    routes.register_error_handler(PageError, code.show_error)
    routes.register_error_handler(RedirectError, code.send_error)
    return routes


class Authorize(Browser):
    """The page /authorize."""

    def authorize(self) -> Response:
        """`prompt=none` is never granted, whoever asks."""
        if request.args.get("prompt") == "none":
            _, uri = authorization.client_and_uri(request.args, self.issuer.directory)
            raise RedirectError(uri, "login_required", status=302)
        return self._ask()

    @signed_in
    def _ask(self, person: Person) -> Response:
        wanted = authorization.read(request.args, self.issuer.directory, self.issuer.settings, person)
        remembered = self.issuer.store.get("consent", _consent(wanted))
        if remembered and set(wanted.grant.scopes) <= set(remembered["scopes"]):
            return self._send_code(wanted)
        key, session = self.session()
        self.keep(key, session | {"pending": wanted.record()})
        grant = wanted.grant
        return page(html.approve(self.title, grant.client_id, person.name, grant.scopes, "/authorize"))

    @signed_in
    def decide(self, person: Person) -> Response:
        """The approval form's answer, for the request that this login session was last asked about."""
        key, session = self.session()
        pending = session.pop("pending", None)
        if pending is None or pending["grant"]["sub"] != person.sub:
            raise PageError(400, "invalid_request", "No authorization request is waiting for an answer")
        self.keep(key, session)
        wanted = Request.read(pending)
        if "deny" in request.form or request.form.get("user_oauth_approval") != "true":
            raise RedirectError(wanted.redirect_uri, "access_denied", "User denied access", state=wanted.state)
        self._remember(wanted, request.form.get("remember", "none"))
        return self._send_code(wanted)

    def _remember(self, wanted: Request, choice: str) -> None:
        until = {"until-revoked": None, "one-hour": self.issuer.now() + 3600}
        if choice in until:
            self.issuer.store.put("consent", _consent(wanted), {"scopes": wanted.grant.scopes}, until[choice])

    def _send_code(self, wanted: Request) -> Response:
        code, life = secrets.token_urlsafe(16), self.issuer.settings.lifetimes.code
        expires = self.issuer.now() + life if life else None
        self.issuer.store.put("code", code, wanted.code_record(), expires)
        iss = self._iss()
        return to(location(wanted.redirect_uri, code=code, state=wanted.state, iss=iss), 303)

    def _iss(self) -> str | None:
        own = self.issuer.settings
        return claims.with_slash(own.issuer) if own.iss_parameter else None

    def show_error(self, error: PageError) -> Response:
        text = f'OAuth Error error="{error.error}", error_description="{error.description}"'
        return page(html.message(self.title, "OAuth Error", text), error.status)

    def send_error(self, error: RedirectError) -> Response:
        state = error.state or request.args.get("state")
        parameters = {"error": error.error, "error_description": error.description, "state": state}
        return to(location(error.uri, **parameters, iss=self._iss()), error.status)


def _consent(wanted: Request) -> str:
    return f"{wanted.grant.client_id} {wanted.grant.sub}"
