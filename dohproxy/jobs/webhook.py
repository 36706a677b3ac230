"""Sends what it reads from standard input to a URL by POST: run as a program of its own for each message.

It needs nothing but the standard library and is run by its file, so that it starts in the time of a bare interpreter.
It follows no redirect and asks no proxy of the environment: the message goes where the configuration says, or nowhere.
"""

import http.client
import os
import sys
import urllib.error
import urllib.request
from collections.abc import Mapping
from typing import IO, Any, Final

URL: Final = "DOHPROXY_WEBHOOK"
"""The environment's variable that has the URL."""
SECONDS: Final = "DOHPROXY_WEBHOOK_SECONDS"
"""That which has how long to wait for the server."""
MOST_BYTES: Final = 65_536
"""Of a message; ours have some hundred."""


class _NoRedirect(urllib.request.HTTPRedirectHandler):
    def redirect_request(
        self, req: urllib.request.Request, fp: IO[bytes], code: int, msg: str, headers: Any, newurl: str
    ) -> None:
        """Follow none: a POST would become a GET, and go to somebody else."""


def send(url: str, message: bytes, seconds: float) -> str:
    """Send a message; return "" if it has arrived, else why not."""
    if not url.startswith(("http://", "https://")):
        return "the URL is neither http:// nor https://"
    request = urllib.request.Request(  # noqa: S310 - the scheme has just been looked at
        url, message, {"Content-Type": "application/json", "User-Agent": "dohproxy"}, method="POST"
    )
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}), _NoRedirect())
    try:
        with opener.open(request, timeout=seconds) as response:
            return "" if 200 <= response.status < 300 else f"the server says {response.status}"
    except urllib.error.HTTPError as error:
        with error:
            return f"the server says {error.code}"
    except http.client.InvalidURL:
        return "the URL is none"  # It may hold a secret path, so it is not said again.
    except http.client.HTTPException:
        return "the server answers with what is no HTTP"
    except (OSError, ValueError) as error:
        return f"the server cannot be reached: {getattr(error, 'reason', error)}"


def main(environment: Mapping[str, str], message: bytes) -> int:
    """Send a message as the environment says; return the exit code."""
    why = send(environment.get(URL, ""), message, float(environment.get(SECONDS, "10")))
    if why:
        sys.stderr.write(f"{why}\n")
    return 1 if why else 0


if __name__ == "__main__":
    sys.exit(main(os.environ, sys.stdin.buffer.read(MOST_BYTES)))
