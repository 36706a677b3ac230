"""Commands about the service as a whole."""

from collections.abc import Mapping
from typing import Any

from dohproxy.config import ConfigError
from dohproxy.control.command import Refused, Result
from dohproxy.control.limit import held_limits
from dohproxy.control.service import Service


async def reload(service: Service, _: Mapping[str, Any]) -> Result:
    """Read the configuration again."""
    try:
        changes = await service.reload()
    except ConfigError as error:
        told = [str(problem) for problem in error.problems]
        raise Refused("The configuration is refused, and nothing has changed. To be put right:", told) from None
    changed, waiting = changes.changed, changes.waiting
    sentence = "The configuration was read again: " + (
        f"{_keys(len(changed))} changed." if changed else "nothing in it has changed."
    )
    if waiting:
        sentence += f" {', '.join(waiting)} will change with the next restart."
    lines = [f"changed: {path}" for path in changed]
    # Who has written one of these into the file wonders why it does not hold.
    lines += [f"by hand, whatever the file says: {one.words}" for one in held_limits(service)]
    return Result(sentence, {"changed": list(changed), "waiting_for_restart": list(waiting)}, lines)


async def drain(service: Service, _: Mapping[str, Any]) -> Result:
    """End the service as SIGTERM does."""
    connections = service.drain()
    seconds = service.config.connections.drain_seconds
    clients = "1 client is" if connections == 1 else f"{connections} clients are"
    return Result(
        f"The service takes no new connections, and ends when what is under way is finished, within {seconds:g} s;"
        f" {clients} connected. To have it back, start it.",
        {"connections": connections, "drain_seconds": seconds},
    )


def _keys(count: int) -> str:
    return "1 key has" if count == 1 else f"{count} keys have"
