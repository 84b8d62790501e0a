"""`/hub/facility`: who a person is here, and how their session stands. Besides, the facility's files for browsers."""

from __future__ import annotations

from typing import Any

from jupyterhub.handlers import BaseHandler
from tornado import web

from facility.hub import chooser, groups, pages
from facility.hub.closing import vo_of
from facility.hub.public import PublicHandler


class OwnPageHandler(BaseHandler):  # type: ignore[misc]
    """The page of the person who is signed in."""

    @web.authenticated
    async def get(self) -> None:
        user, vo = self.current_user, vo_of(self.current_user.name)
        standing = await self.authenticator.standing(user.name)
        found = chooser.choices(self.authenticator.choices, self.hub.base_url)
        values = {
            "title": vo,
            **self._of_vo(vo),
            "groups": groups.paths(vo, [group.name for group in user.orm_user.groups]),
            "state": self.authenticator.sentence(user.name, standing),
            "admin": "admin-ui" in self.parsed_scopes,
            "others": [one for one in found if one.name != vo and not one.closed],
        }
        namespace = {**self.template_namespace, "xsrf_token": self.xsrf_token.decode("ascii")}
        self.finish(pages.render(self.settings, "own.html", **{**namespace, **values}))

    def _of_vo(self, vo: str) -> dict[str, Any]:
        provider = self.authenticator.providers.get(vo)
        if provider is None:
            return {}
        return {
            "title": provider.login_service,
            "issuer": provider.vo.spec.issuer,
            "lakes": [lake.prefix for lake in provider.vo.spec.lakes],
            "again": "" if provider.vo.closed else provider.login_url(self.hub.base_url),
        }


class LogoHandler(PublicHandler):
    """The logo of a VO that has it written in its object."""

    async def get(self, vo: str) -> None:
        provider = self.authenticator.providers.get(vo)
        image = pages.inline_image(provider.vo.spec.logo) if provider else None
        if image is None:
            raise web.HTTPError(404)
        self.set_header("Content-Type", image[0])
        self.set_header("X-Content-Type-Options", "nosniff")
        # an SVG that is opened by itself must not be a page of the hub
        self.set_header("Content-Security-Policy", "default-src 'none'; style-src 'unsafe-inline'; sandbox")
        self.set_header("Cache-Control", "public, max-age=86400")
        self.finish(image[1])
