"""`GET <base>/facility/status`: the person's report (facility.agent.report) as JSON. Never a token."""

from __future__ import annotations

import os
import time

from jupyter_server.base.handlers import APIHandler
from tornado import web

from facility.agent import client
from facility.agent.clock import steady
from facility.agent.main import directory
from facility.agent.report import report
from facility.agent.state import Moment


class StatusHandler(APIHandler):
    """For whoever may use this server; a panel that asks every few seconds is not somebody at work."""

    _track_activity = False

    @web.authenticated
    def get(self) -> None:
        """200 also when there is no status yet: the report says so."""
        found = report(os.environ, client.status(directory(os.environ)), Moment(steady(), time.time()))
        self.set_header("Cache-Control", "no-store")
        self.finish(found.document())
