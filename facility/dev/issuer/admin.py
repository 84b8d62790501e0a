"""A test's hand on people: other groups, an AUP to be signed, an account that is disabled, while the issuer runs.

INDIGO IAM has SCIM and a dashboard for that; here one request does it, for a client that `administers`:

    PATCH /admin/people/<login>  {"groups": ["/cms"], "aup_due": true, "active": false}

What is left out stays as it is. Changes lie in the store, over the mounted file, and so outlive a restart.

    PUT /admin/mood  {"status": 429, "retry_after": 30}

sets how the issuer answers from now until its next start (see `mood`); {} ends all that.
"""

from __future__ import annotations

import json
from typing import Any

from flask import Blueprint, Response, request
from pydantic import ValidationError

from facility.dev.issuer import errors
from facility.dev.issuer.mood import Moody
from facility.dev.issuer.server import Server
from facility.dev.issuer.settings import Change, Mood


def blueprint(server: Server, moody: Moody) -> Blueprint:
    """The endpoints of one issuer."""
    routes = Blueprint("admin", __name__)
    issuer = server.issuer

    def authorize() -> None:
        if not server.authenticate(request).administers:
            raise errors.RefusedError(403, "access_denied", "This client administers nobody")

    def mood() -> Response:
        authorize()
        try:
            moody.mood = Mood.model_validate_json(request.get_data())
        except ValidationError:
            return _json(400, {"error": "invalid_request"})
        return _json(200, moody.mood.model_dump())

    def change(login: str) -> Response:
        authorize()
        person = issuer.account(login)
        if person is None:
            return _json(404, {"error": "not_found"})
        try:
            wish = Change.model_validate_json(request.get_data())
        except ValidationError:
            return _json(400, {"error": "invalid_request"})
        changed = issuer.change(person.sub, wish)
        return _json(200, {name: getattr(changed, name) for name in Change.model_fields})

    routes.patch("/admin/people/<login>")(change)
    routes.put("/admin/mood")(mood)
    routes.register_error_handler(errors.RefusedError, server.refuse)
    return routes


def _json(status: int, body: dict[str, Any]) -> Response:
    return Response(json.dumps(body), status, content_type=errors.JSON)
