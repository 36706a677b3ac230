"""Media types: what a request carries and what it would take (RFC 9110 sections 8.3 and 12.5.1)."""

from typing import Final

DNS_MESSAGE: Final = "application/dns-message"
_ACCEPTED_RANGES: Final = (DNS_MESSAGE, "application/*", "*/*")
"""Most specific first: the most specific range that matches decides."""
LONGEST_JUDGED: Final = 512
MOST_JUDGED: Final = 16
"""Bytes of an Accept value, its elements, and the parameters of all of them: beyond any of these it is not judged, for
it is looked at before any limit is, and a list of thousands costs hundreds of times what an answer does. Browsers send
eight elements, and four parameters, in some 140 bytes."""


def is_dns_message(content_type: str | None) -> bool:
    """Tell whether a Content-Type names a DNS message; parameters after ";" do not matter."""
    if content_type is None:
        return False
    return content_type == DNS_MESSAGE or content_type.partition(";")[0].strip().lower() == DNS_MESSAGE


def accepts_dns_message(accept: str | None) -> bool:
    """Tell whether an Accept field, or its absence, leaves room for a DNS message.

    One that goes on and on is disregarded, as every Accept may be (RFC 9110 section 12.5.1).
    """
    if accept is None or accept == DNS_MESSAGE or accept == "*/*":
        return True
    if len(accept) > LONGEST_JUDGED or accept.count(",") >= MOST_JUDGED or accept.count(";") > MOST_JUDGED:
        return True
    return _judge(accept)


def _judge(accept: str) -> bool:
    weights: dict[str, float] = {}
    for element in accept.split(","):
        media_range, *parameters = element.split(";")
        weights[media_range.strip().lower()] = _weight(parameters)
    for media_range in _ACCEPTED_RANGES:
        if media_range in weights:
            return weights[media_range] > 0
    return not any(weights)


def _weight(parameters: list[str]) -> float:
    """Return the q value among a range's parameters; what cannot be read counts as 1, as if it were not there."""
    for parameter in parameters:
        name, _, value = parameter.partition("=")
        if name.strip().lower() == "q":
            try:
                return float(value)
            except ValueError:
                return 1.0
    return 1.0
