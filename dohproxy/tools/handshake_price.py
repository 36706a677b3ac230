"""What `check` says of a certificate with which handshakes are dear."""

from dohproxy.config import ConnectionsConfig, Problem
from dohproxy.config.keys import show
from dohproxy.policy.connection_limiter import affordable


def price_warnings(connections: ConnectionsConfig, seconds: float) -> tuple[Problem, ...]:
    """Return what an operator should know of handshakes that cost so many seconds of one core."""
    allowance = affordable(
        connections.new_per_second, connections.new_burst, seconds, connections.stranger_handshake_percent
    )
    if allowance is None:
        return ()
    return (
        Problem(
            "connections.new_per_second",
            f"is {show(connections.new_per_second)}, and a handshake with this certificate costs this machine"
            f" {seconds * 1000:.1f} ms: strangers will get {allowance.per_second:.0f} connections a second, which take"
            f" {show(connections.stranger_handshake_percent)} % of one core (stranger_handshake_percent). With an ECDSA"
            " key on P-256 a handshake costs a fraction of a millisecond (certbot: --key-type ecdsa).",
        ),
    )
