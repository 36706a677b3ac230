"""Where a worker answers its supervisor, beside the commands that it carries out (`control/worker_desk.py`)."""

from typing import Final

LOOK: Final = "/worker/look"
STATE: Final = "/worker/state"
VIEW: Final = "/worker/view"
BANS: Final = "/worker/bans"
