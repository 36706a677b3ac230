"""[alerts]: who is told when something begins to be wrong, and when it is over."""

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Final

from dohproxy.config.addresses import Unusable, parse_argument, parse_webhook
from dohproxy.config.keys import Integer, Text, TextList, find_nearest, show

MAX_ARGUMENTS: Final = 16
ALERT_KINDS: Final = (
    "listed", "request_flood", "connection_flood", "handshake_flood", "malformed_flood", "random_names",
    "budget_exhausted", "failing", "members_suffer", "bound_full", "upstream", "way_out", "certificate", "disk",
)  # fmt: skip
"""What there can be alerts about: one detector each (`observability.detectors.judgement`)."""


def parse_alert_kind(text: str, _: Path) -> str:
    """Return the name of a kind of alert; raise `Unusable` for any other word."""
    if text not in ALERT_KINDS:
        nearest = find_nearest(text.replace("-", "_"), ALERT_KINDS)
        meant = "" if nearest is None else f", perhaps {show(nearest)}"
        raise Unusable(f"must be a kind of alert{meant}: {', '.join(ALERT_KINDS)}.")
    return text


@dataclass(frozen=True, slots=True)
class AlertsConfig:
    """Who is told, besides the log, the metrics and the command status, when something begins to be wrong and when it
    is over.

    docs/alerts.md has every alert and the message; conf/alerts has commands for ntfy, Matrix and mail.
    """

    command: Annotated[
        tuple[str, ...],
        TextList(
            Text(parse_argument, "text", "/etc/dohproxy/alerts/mail", ""),
            0,
            MAX_ARGUMENTS,
            "A program and its arguments, started for each message, which it reads from its standard input: one JSON"
            " object. It is started as it stands here, by no shell, with the service's rights, and is killed after"
            " message_seconds. Empty by default: nobody is told.",
        ),
    ] = ()
    webhook: Annotated[
        str | None,
        Text(
            parse_webhook,
            "http:// or https:// URL",
            "https://alerts.example.net/dohproxy",
            "Where the same JSON object is sent by POST; a status from 200 to 299 means that it has arrived. Absent by"
            " default: nobody is told. Name an address that this service is not needed for to be found.",
        ),
    ] = None
    message_seconds: Annotated[
        int,
        Integer(
            1,
            300,
            "seconds",
            "How long a message may take, by either way; then it is lost, and that is counted. Messages go one after"
            " the other.",
        ),
    ] = 20
    repeat_seconds: Annotated[
        int,
        Integer(
            0,
            86_400,
            "seconds",
            "Between two messages about the same thing; what begins and ends more often is told in the log alone. A"
            " quarter of an hour keeps a telephone usable in a bad night.",
        ),
    ] = 900
    messages_per_hour: Annotated[
        int,
        Integer(
            1,
            3_600,
            "messages",
            "All together; a message more is counted and not sent. Each kind of alert once an hour makes 28.",
        ),
    ] = 30
    detectors_off: Annotated[
        tuple[str, ...],
        TextList(
            Text(parse_alert_kind, "kind of alert", "request_flood", ""),
            0,
            len(ALERT_KINDS),
            "Kinds that are not looked for, so that there is no line, figure or message of them; docs/alerts.md has"
            " all. What is wrong with an upstream stands in `status` and in the log all the same. Without listed, what"
            " listed.reaction says never comes.",
        ),
    ] = ()
