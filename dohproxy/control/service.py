"""The running service as the commands see it: what they may look at and do."""

from collections.abc import Sequence
from typing import Any, Protocol

from dohproxy.adoption import Changes
from dohproxy.config import Config
from dohproxy.observability.upstream_alerts import Alert


class Service(Protocol):
    """What a handler is given; the runtime is one."""

    config: Config
    """What holds now."""

    async def reload(self) -> Changes:
        """Read the configuration again and adopt it, wholly or not at all. Raises ConfigError."""

    def snapshot(self) -> dict[str, Any]:
        """Return all figures, nearly ready for JSON."""

    def alerts(self) -> Sequence[Alert]:
        """Return what is wrong with the upstreams."""
