"""Where the store is that several nodes share, as the configuration writes it."""

from dataclasses import dataclass
from ipaddress import ip_address
from pathlib import Path
from typing import Final, Literal
from urllib.parse import urlsplit

from dohproxy.config.addresses import Unusable, bracketed, parse_socket

DEFAULT_PORT: Final = 6379
"""Of Valkey and of Redis, with TLS and without."""
_SCHEMES: Final = {"valkey": False, "redis": False, "valkeys": True, "rediss": True}
"""Each scheme, and whether TLS is spoken."""


@dataclass(frozen=True, slots=True)
class StoreAddress:
    """How to reach the store: a Unix socket (`kind` "unix", `path`), or an IP literal without brackets and a port, by
    TCP or by TLS. `verify_name` is the name its certificate must bear, None means the address itself."""

    kind: Literal["unix", "tcp", "tls"]
    host: str = ""
    port: int = 0
    path: str = ""
    verify_name: str | None = None

    @property
    def is_open_path(self) -> bool:
        """Whether somebody on the way could read and change what passes."""
        return self.kind == "tcp" and not ip_address(self.host).is_loopback

    def __str__(self) -> str:
        if self.kind == "unix":
            return f"unix:{self.path}"
        name = "" if self.verify_name is None else f"#{self.verify_name}"
        return f"{'valkeys' if self.kind == 'tls' else 'valkey'}://{bracketed(self.host)}:{self.port}{name}"


def parse_store(text: str, directory: Path) -> StoreAddress:
    """Read "unix:/run/valkey/valkey.sock", "valkey://127.0.0.1:6379" or "valkeys://192.0.2.7#store.example.net"; raise
    `Unusable` for anything else."""
    if text.startswith("unix:"):
        return StoreAddress("unix", path=str(parse_socket(text.removeprefix("unix:"), directory)))
    scheme, separator, rest = text.partition("://")
    if not separator or scheme not in _SCHEMES:
        raise Unusable(
            "is no store; write unix:/run/valkey/valkey.sock, valkey://127.0.0.1:6379, or valkeys:// for TLS."
        )
    place, hash_sign, name = rest.partition("#")
    if any(character in place for character in "/?@"):
        raise Unusable(
            "holds more than an address, a port and #name; the user stands in nodes.user, the password in the file"
            " nodes.password_file."
        )
    try:
        parts = urlsplit(f"//{place}")
        host, port = parts.hostname or "", parts.port
        ip_address(host)
    except ValueError:
        raise Unusable(
            f"names {place!r}, which is no IP address with a port; names are not looked up here, as the service may"
            " be what answers them. For TLS write the name to verify after #."
        ) from None
    if port == 0:
        raise Unusable("has port 0, where nothing listens; leave it out for 6379.")
    is_tls = _SCHEMES[scheme]
    if hash_sign and not is_tls:
        raise Unusable(f"has a #name, but {scheme} shows no certificate to verify; drop it or use valkeys://.")
    if hash_sign and not name:
        raise Unusable("has nothing after #; write the name that the store's certificate bears, or drop the #.")
    return StoreAddress("tls" if is_tls else "tcp", host, port or DEFAULT_PORT, verify_name=name or None)
