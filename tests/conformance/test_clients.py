"""Every real client gets its answer: its exact method, parameters, fields and message, in the clear and over TLS.

The clients whose requests are refused on purpose (JSON, and media types of drafts) are in `test_dialects`.
"""

import dns.flags
import dns.message
import pytest

from tests.conformance.conftest import Connect
from tests.conformance.exchange import MEDIA_TYPE, assert_echoes
from tests.conformance.queries import CLIENT_SUBNET, PADDING, options_of
from tests.conformance.real_clients import FORMS, Form
from tests.fakes.conformance import RunningServer

LARGEST_FOR_DNSCRYPT_PROXY = 4096
BLOCK = 468


@pytest.mark.parametrize("over_tls", [False, True], ids=["in the clear", "over TLS"])
@pytest.mark.parametrize("form", FORMS, ids=lambda form: f"{form.client}: {form.what}")
def test_a_real_client_gets_its_answer(
    server: RunningServer,
    connect: Connect,
    form: Form,
    over_tls: bool,
) -> None:
    response = connect(server, over_tls=over_tls).exchange(form.request)
    reply = response.message()
    assert response.field("content-type") == MEDIA_TYPE
    assert_echoes(response.body, form.wire)
    assert reply.rcode() == form.rcode
    assert reply.flags & dns.flags.RA
    assert bool(reply.answer) == (form.rcode == 0)
    assert len(response.body) <= LARGEST_FOR_DNSCRYPT_PROXY
    _check_edns(options_of(form.wire), reply, len(response.body))


def _check_edns(sent: set[int] | None, reply: dns.message.Message, size: int) -> None:
    """An OPT if and only if there was one; padded to 468 if the query was padded (RFC 7830, RFC 8467)."""
    assert (reply.edns == 0) == (sent is not None)
    codes = {int(option.otype) for option in reply.options}
    # What the proxy does not speak itself is never echoed: an OPT is hop by hop (RFC 6891 section 6.2.6).
    assert codes == (sent or set()) & {PADDING, CLIENT_SUBNET}
    if PADDING in codes:
        assert size % BLOCK == 0
