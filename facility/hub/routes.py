"""The hub's pages that are the facility's."""

from __future__ import annotations

from typing import Any

from tornado.web import StaticFileHandler

from facility.hub.entry import EntryHandler
from facility.hub.handlers import CallbackHandler, LoginHandler
from facility.hub.outside import OutsideHandler
from facility.hub.own_page import LogoHandler, OwnPageHandler
from facility.hub.pages import FOLDER
from facility.hub.storage import StorageHandler

_VO = r"(?P<vo>[a-z][a-z0-9]{0,14})"


def routes() -> list[tuple[Any, ...]]:
    """Paths below /hub and their handlers; JupyterHub asks them before its own."""
    return [
        (r"/login", EntryHandler),
        (rf"/oauth/{_VO}/login", LoginHandler),
        (rf"/oauth/{_VO}/callback", CallbackHandler),
        (r"/facility", OwnPageHandler),
        (r"/facility/vos\.json", OutsideHandler),
        (rf"/facility/storage/{_VO}\.json", StorageHandler),
        (rf"/facility/logo/{_VO}", LogoHandler),
        (r"/facility/static/(.+\.(?:js|css))", StaticFileHandler, {"path": str(FOLDER)}),
    ]
