"""`python -m tests.bench.token_bare DIRECTORY PORT`: the broker's web server without the broker.

It reads the form and answers with as much JSON as a token needs: the most that this server library gives on this
machine, whatever the broker does in between.
"""

from __future__ import annotations

import asyncio
import json
import ssl
import sys
from pathlib import Path

from aiohttp import web

#: as long as an access token of a development issuer
_ANSWER = json.dumps({"access_token": "x" * 900, "token_type": "Bearer", "expires_in": 3600, "scope": "storage.read:/"})


async def answer(request: web.Request) -> web.Response:
    """The same each time."""
    await request.post()
    return web.Response(text=_ANSWER, content_type="application/json")


async def serve(directory: Path, port: int) -> None:
    """Until the process is ended."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(directory / "tls" / "tls.crt", directory / "tls" / "tls.key")
    app = web.Application()
    app.router.add_post("/token", answer)
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", port, ssl_context=context).start()
    print(f"serving on port {port}", flush=True)
    await asyncio.Event().wait()


if __name__ == "__main__":
    asyncio.run(serve(Path(sys.argv[1]), int(sys.argv[2])))
