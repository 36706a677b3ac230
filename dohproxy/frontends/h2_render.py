"""HTTP/2 responses as the engine takes them, the same for answers given at once and for those that were waited for."""

from aiohttp.helpers import rfc822_formatted_time

from dohproxy.doh.exchange import HttpResponse
from dohproxy.http2.response import Response


def render(response: HttpResponse) -> Response:
    """Return the whole response, made once a second however often it is given.

    Date is required of an origin server (RFC 9110 section 6.6.1); nothing else is said about the server.
    """
    date = rfc822_formatted_time()
    rendered: tuple[str, Response] | None = response.rendered
    if rendered is None or rendered[0] is not date:
        fields = (*response.fields, ("content-length", str(len(response.body))), ("date", date))
        rendered = date, Response(response.status, fields, response.body)
        response.keep_rendered(rendered)
    return rendered[1]
