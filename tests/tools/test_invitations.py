"""What a member is told: a URL, and stamps that say the same."""

from dataclasses import replace

import pytest

from dohproxy.config import Config, ListenAddress, ServerConfig, UpstreamAddress, UpstreamConfig
from dohproxy.doh.stamp_codec import decode_route
from dohproxy.member_token import TOKEN_BYTES, token_of
from dohproxy.tools.invitations import invitation_for

TOKEN = token_of(bytes(range(TOKEN_BYTES)))
UPSTREAM = UpstreamConfig("ns0", UpstreamAddress("udp", "192.0.2.53", 53))
SERVER = ServerConfig((ListenAddress("tcp", host="192.0.2.1", port=443),), host="doh.example.net")


def test_the_url_and_the_stamps_have_the_token_in_the_path() -> None:
    invitation = invitation_for(Config((UPSTREAM,), SERVER), TOKEN)
    assert invitation.url == f"https://doh.example.net/dns-query/{TOKEN}"
    (stamp,) = decode_route(invitation.stamps[0])
    assert (stamp.host, stamp.path, stamp.address) == ("doh.example.net", f"/dns-query/{TOKEN}", "192.0.2.1")
    assert invitation.remarks == ()


def test_another_port_stands_in_both() -> None:
    listen = (ListenAddress("tcp", host="192.0.2.1", port=8_443),)
    invitation = invitation_for(Config((UPSTREAM,), replace(SERVER, listen=listen)), TOKEN)
    assert invitation.url.startswith("https://doh.example.net:8443/")
    assert decode_route(invitation.stamps[0])[0].host == "doh.example.net:8443"


def test_a_path_that_is_too_long_for_a_stamp_has_a_url_alone() -> None:
    invitation = invitation_for(Config((UPSTREAM,), replace(SERVER, path="/" + "p" * 250)), TOKEN)
    assert invitation.url.endswith(TOKEN)
    assert invitation.stamps == ()
    assert len(invitation.remarks) == 1


@pytest.mark.parametrize("path", ["/", "/dns-query"])
def test_the_path_is_the_services_with_one_segment_more(path: str) -> None:
    invitation = invitation_for(Config((UPSTREAM,), replace(SERVER, path=path)), TOKEN)
    assert invitation.url.removeprefix("https://doh.example.net") == f"{path.rstrip('/')}/{TOKEN}"
