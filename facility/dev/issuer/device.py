"""The device flow's pages: a person types the code that a device shows, and approves it (RFC 8628, section 3.3)."""

from __future__ import annotations

from urllib.parse import quote

from flask import Response, request

from facility.dev.issuer import html, scopes
from facility.dev.issuer.browser import Browser, page, signed_in, to
from facility.dev.issuer.settings import Person


class Device(Browser):
    """The pages under /device."""

    @signed_in
    def device(self, person: Person) -> Response:
        return page(html.device(self.title, request.args.get("user_code", ""), failed="error" in request.args))

    @signed_in
    def verify_device(self, person: Person) -> Response:
        user_code = request.form.get("user_code", "").strip().upper()
        known = self.issuer.store.get("user_code", user_code)
        record = self.issuer.store.get("device", known["device_code"]) if known else None
        if record is None:
            return to(f"/device?error=noUserCode&user_code={quote(user_code)}")
        asked = scopes.permitted(record["scopes"], person, self.issuer.settings)
        text = html.approve(self.title, record["client_id"], person.name, asked, "/device/approve", user_code)
        return page(text)

    @signed_in
    def approve_device(self, person: Person) -> Response:
        """A code is good for one answer; after a denial the device hears nothing, as with IAM."""
        store, user_code = self.issuer.store, request.form.get("user_code", "")
        with store.transaction():
            known = store.get("user_code", user_code)
            record = store.get("device", known["device_code"]) if known else None
            if known is None or record is None:
                return to("/device?error=noUserCode")
            store.drop("user_code", user_code)
            if "deny" in request.form or request.form.get("user_oauth_approval") != "true":
                return page(html.message(self.title, "Access denied", "The device gets no access."))
            granted = scopes.permitted(record["scopes"], person, self.issuer.settings)
            approved = record | {"sub": person.sub, "scopes": granted}
            store.put("device", known["device_code"], approved, record["expires"])
        return page(html.message(self.title, "Device connected", "You can close this page."))
