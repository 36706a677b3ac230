"""[metrics]: the listener for Prometheus."""

from dataclasses import dataclass
from typing import Annotated, Final

from dohproxy.config.addresses import ListenAddress, parse_listen
from dohproxy.config.keys import Number, Text

LOOPBACK_9153: Final = ListenAddress("tcp", host="127.0.0.1", port=9153)


@dataclass(frozen=True, slots=True)
class MetricsConfig:
    """Figures for Prometheus on a listener of their own. Without this section there are none."""

    listen: Annotated[
        ListenAddress,
        Text(
            parse_listen,
            "address:port or unix:path",
            "127.0.0.1:9153",
            "Where /metrics is read; loopback, as it is nobody else's business. 9153 is CoreDNS's port, which"
            " dashboards know.",
        ),
    ] = LOOPBACK_9153
    pages_per_second: Annotated[
        float,
        Number(
            0.1,
            1000,
            "pages a second",
            "How often the figures are put together, which takes some milliseconds; whoever reads more often gets the"
            " last page again. Prometheus reads every 15 to 60 seconds.",
        ),
    ] = 1.0
