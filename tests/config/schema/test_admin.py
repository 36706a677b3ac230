"""The socket for commands."""

from dohproxy.config import AdminConfig


def test_the_socket_lies_where_only_this_service_writes() -> None:
    assert str(AdminConfig().socket) == "/run/dohproxy/admin.sock"
