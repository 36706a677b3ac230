"""[alerts]: who is told when something begins to be wrong, and when it is over."""

from dataclasses import dataclass
from typing import Annotated, Final

from dohproxy.config.addresses import parse_argument, parse_webhook
from dohproxy.config.keys import Integer, Text, TextList

MAX_ARGUMENTS: Final = 16


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
