"""Which names of handshakes are kept: those that may be members'."""

import contextlib
import ssl

import pytest

from dohproxy.tls.asked_name import asked_name, note_members_names
from tests.frontends.served import Certificate

MEMBERS = "abcdefghijklmnopqrstuvwxyz"


@pytest.mark.parametrize(
    ("name", "is_kept"),
    [(f"{MEMBERS}.localhost", True), ("localhost", False), ("www.localhost", False), (MEMBERS, False), (None, False)],
)
def test_a_name_is_kept_if_it_may_be_a_members(certificate: Certificate, name: str | None, is_kept: bool) -> None:
    context = certificate.server_context()
    note_members_names(context)
    client_context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    client_context.check_hostname, client_context.verify_mode = False, ssl.CERT_NONE
    to_client, to_server = ssl.MemoryBIO(), ssl.MemoryBIO()
    client = client_context.wrap_bio(to_client, to_server, server_hostname=name)
    server = context.wrap_bio(to_server, to_client, server_side=True)
    for side in (client, server, client):
        with contextlib.suppress(ssl.SSLWantReadError):
            side.do_handshake()
    assert asked_name(server) == (name if is_kept else None)
    assert asked_name(None) is None
