"""`GET <base>/facility/status`: the person's report (facility.agent.report) as JSON. Never a token."""

from __future__ import annotations

import os
from datetime import UTC, datetime

from jupyter_server.base.handlers import APIHandler
from tornado import web

from facility.agent import files
from facility.agent.main import directory
from facility.agent.report import report


class StatusHandler(APIHandler):
    """For whoever may use this server; a panel that asks every few seconds is not somebody at work."""

    _track_activity = False

    @web.authenticated
    def get(self) -> None:
        """200 also when there is no status yet: the report says so."""
        found = report(os.environ, files.read_status(directory(os.environ)), datetime.now(UTC))
        self.set_header("Cache-Control", "no-store")
        self.finish(found.document())
