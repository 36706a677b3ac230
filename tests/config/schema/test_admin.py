"""The socket for commands, and the listener of the operator's page."""

from dohproxy.config import AdminConfig


def test_the_socket_lies_where_only_this_service_writes() -> None:
    assert str(AdminConfig().socket) == "/run/dohproxy/admin.sock"


def test_nobody_listens_for_the_page_unasked() -> None:
    assert AdminConfig().listen is None
