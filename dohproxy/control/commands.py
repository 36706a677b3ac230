"""The table of commands: what the person on duty may ask of the running service, and tell it.

The admin socket serves it and the command line's verbs are made from it: to add a command is to add a row here.
"""

from typing import Final

from dohproxy.control import lifecycle
from dohproxy.control.command import Command
from dohproxy.control.service import Service
from dohproxy.control.status import status

COMMANDS: Final[tuple[Command[Service], ...]] = (
    Command(
        "status",
        "Tell how the service is: the state in one sentence, then figures.\n\nExit code 1 if something is not well.",
        "",
        status,
    ),
    Command(
        "reload",
        "Read the configuration again and hold to it from now on, on open connections too.\n\nIt is adopted as a whole"
        " or, if anything is wrong with it, not at all. SIGHUP does the same.",
        "every rule that the configuration has; what has to wait for a restart is told",
        lifecycle.reload,
    ),
)
