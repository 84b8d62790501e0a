"""Whether a hub answers: `python3 -m facility.hub.health https://HOST/hub/health`, for `helm test`.

Trusts the authorities of $SSL_CERT_FILE. Exit status 0 when the answer was 200, else 1 with the reason.
"""

from __future__ import annotations

import sys
import urllib.error
import urllib.request

_SECONDS = 10


def problem(url: str) -> str | None:
    """What is wrong with the answer to an https URL; None when it was 200."""
    if not url.startswith("https://"):
        return f"{url} is no https URL"
    try:
        with urllib.request.urlopen(url, timeout=_SECONDS) as answer:  # noqa: S310 - https, as was just checked
            return None if answer.status == 200 else f"{url} answered {answer.status}"
    except urllib.error.HTTPError as error:
        return f"{url} answered {error.code}"
    except OSError as error:
        return f"{url} does not answer: {error}"


def main() -> int:
    """The command."""
    wrong = problem(sys.argv[1])
    sys.stdout.write(f"{wrong or 'the hub is well'}\n")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
