"""A Jupyter server extension: what `facility status` prints, for the panel in JupyterLab (`panel/`).

`panel/` is a prebuilt extension as JupyterLab loads it, written as it is served: nothing builds it.
"""

from __future__ import annotations

from typing import Any

from jupyter_server.utils import url_path_join

from facility.lab.status import StatusHandler


def _jupyter_server_extension_points() -> list[dict[str, str]]:
    return [{"module": "facility.lab"}]


def _load_jupyter_server_extension(server: Any) -> None:
    path = url_path_join(server.web_app.settings["base_url"], "facility", "status")
    server.web_app.add_handlers(".*$", [(path, StatusHandler)])
