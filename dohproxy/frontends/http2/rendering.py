"""HTTP/2 responses as the engine takes them, the same for answers given at once and for those that were waited for."""

import time
from typing import Final

from dohproxy.doh.exchange import HttpResponse
from dohproxy.frontends.http_date import DATE_BYTES, http_date
from dohproxy.http2.hpack import before_value
from dohproxy.http2.response import Response

WITHOUT_LENGTH: Final = (204, 304)
"""The first must not say any (RFC 9110 section 8.6). The second has no body, and would have to say the length of one
that is not sent, which some clients then wait for."""
_BEFORE_DATE: Final = before_value(b"date", DATE_BYTES)


def render(response: HttpResponse, now: float) -> Response:
    """Return the whole response, made once a second however often it is given. `now`: monotonic seconds.

    Date is required of an origin server (RFC 9110 section 6.6.1); nothing else is said about the server.
    """
    rendered: tuple[float, Response] | None = response.rendered
    if rendered is None or now >= rendered[0]:
        until = now + 1.0 - time.time() % 1.0  # Read before the date, which thus holds until then at least.
        date = _BEFORE_DATE + http_date().encode("ascii")
        body = response.body
        fields = response.fields
        if response.status not in WITHOUT_LENGTH:
            fields = (*fields, ("content-length", str(len(body) + response.omitted_bytes)))
        rendered = until, Response(response.status, fields, body, last_field=date)
        response.keep_rendered(rendered)
    return rendered[1]
