"""What a node needs to be allowed at the store: a user who may do this and nothing else, on keys of one prefix.

Scripts are held to it as well: each command that one calls needs the right to it.
"""

from typing import Final

COMMANDS: Final = (
    *("ping", "hello", "time", "info"),
    *("get", "set", "del", "expire", "pexpire", "pttl"),
    *("hget", "hgetall", "hset", "hdel"),
    *("rpush", "lpop"),
    *("xadd", "xread", "xrange", "xrevrange"),
    *("eval", "evalsha"),
)
"""All that is asked of a store, by nodes and by the doctor; none looks into other keys, other users or settings."""


def acl_rules(prefix: str) -> str:
    """Return the rules of the user, as an ACL file has them behind the name and the password."""
    return " ".join(("resetkeys", f"~{prefix}:*", "resetchannels", "-@all", *(f"+{one}" for one in COMMANDS)))
