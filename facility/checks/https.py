"""`python3 -m facility.checks.https [--refuses] URL...`: whether services prove their names and answer as they should.

Trusts the authorities of $SSL_CERT_FILE. A service answers with 200, or with `--refuses` turns a stranger away.
"""

from __future__ import annotations

import argparse
import ssl
import sys
from collections.abc import Callable, Sequence
from functools import partial
from http.client import HTTPException, HTTPSConnection
from urllib.parse import urlsplit

from facility.checks.report import patiently, report

Trust = Callable[[], ssl.SSLContext]
_TIMEOUT = 10.0  # seconds


def problem(url: str, refuses: bool = False, trust: Trust = ssl.create_default_context) -> str:
    """What is wrong with the answer to a GET without a token; empty when it was the right one."""
    parts = urlsplit(url)
    if parts.scheme != "https" or not parts.hostname:
        return f"{url} is no https URL"
    connection = HTTPSConnection(parts.hostname, parts.port, timeout=_TIMEOUT, context=trust())
    try:
        connection.request("GET", parts.path or "/")
        status = connection.getresponse().status
    except (OSError, HTTPException) as error:
        return f"does not answer: {error or type(error).__name__}"
    finally:
        connection.close()
    if refuses:
        return "" if 400 <= status < 500 else f"answered {status} to a stranger; it should refuse"
    return "" if status == 200 else f"answered {status}"


def main(arguments: Sequence[str] | None = None) -> int:
    """0 when all of them do."""
    parser = argparse.ArgumentParser(prog="facility.checks.https", description="Ask services for their health.")
    parser.add_argument("--refuses", action="store_true", help="the services have to turn a stranger away")
    parser.add_argument("url", nargs="+")
    given = parser.parse_args(arguments)
    found = {url: patiently(partial(problem, url, given.refuses)) for url in given.url}
    return report(found, "answers, and refuses whoever has no token" if given.refuses else "answers")


if __name__ == "__main__":
    sys.exit(main())
