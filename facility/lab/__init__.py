"""A Jupyter server extension: what `facility status` prints, for JupyterLab's panel (`panel/`), and what dask needs.

`panel/` is a prebuilt extension as JupyterLab loads it, written as it is served: nothing builds it.
"""

from __future__ import annotations

import os
import threading
from typing import Any

from jupyter_server.utils import url_path_join

from facility.lab import dask
from facility.lab.status import StatusHandler


def _jupyter_server_extension_points() -> list[dict[str, str]]:
    return [{"module": "facility.lab"}]


def _load_jupyter_server_extension(server: Any) -> None:
    base = server.web_app.settings["base_url"]
    server.web_app.add_handlers(".*$", [(url_path_join(base, "facility", "status"), StatusHandler)])
    if os.environ.get("DASK_CONFIG") == str(dask.DIRECTORY):
        # beside the server's start: kernels read it when they import dask
        threading.Thread(target=_prepare_dask, args=(server, base), daemon=True).start()


def _prepare_dask(server: Any, base: str) -> None:
    try:
        dask.prepare(base, dask.DIRECTORY)
    except OSError as error:
        server.log.warning("dask's clusters are not encrypted: %s", error)
