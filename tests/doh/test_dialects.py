"""Every dialect by its real requests, and the names that operators configure and read in metrics."""

import pytest

from dohproxy.config import DIALECTS
from dohproxy.doh.dialects import CONFIGURABLE, Dialect, dialect_of
from dohproxy.doh.exchange import HttpRequest
from dohproxy.doh.media import DNS_MESSAGE

PATH = "/dns-query"
Q = "AAABAAABAAAAAAAAA3d3dwdleGFtcGxlA2NvbQAAAQAB"
M13253 = "application/dns-message, application/dns-udpwireformat, application/json"
UDPWIREFORMAT = "application/dns-udpwireformat"


def _get(parameters: dict[str, str], accept: str | None = DNS_MESSAGE, path: str = PATH) -> Dialect:
    return dialect_of(HttpRequest("GET", path, accept=accept), path, parameters)


def _post(
    parameters: dict[str, str], content_type: str | None = DNS_MESSAGE, *, accept: str | None = None, pad: bool = False
) -> Dialect:
    request = HttpRequest("POST", PATH, accept=accept, content_type=content_type, pad_header=pad)
    return dialect_of(request, PATH, parameters)


@pytest.mark.parametrize(
    ("found", "expected"),
    [
        pytest.param(_get({"dns": Q}), Dialect.RFC_GET, id="a GET of RFC 8484"),
        pytest.param(_get({"dns": Q, "x": ""}), Dialect.RFC_GET, id="a GET with an unknown parameter"),
        pytest.param(_get({"dns": Q}, accept=None), Dialect.RFC_GET, id="a GET without Accept"),
        pytest.param(_get({"dns": Q}, accept="*/*"), Dialect.RFC_GET, id="a GET that takes anything"),
        pytest.param(_post({}), Dialect.RFC_POST, id="a POST of RFC 8484"),
        pytest.param(_post({}, "Application/DNS-Message; a=b"), Dialect.RFC_POST, id="a POST in capitals"),
        pytest.param(_post({}, accept="*/*"), Dialect.RFC_POST, id="curl's POST"),
        pytest.param(_post({"body_hash": "ab"}), Dialect.POST_BODY_HASH, id="body_hash"),
        pytest.param(_post({"body_hash": "ab"}, pad=True), Dialect.POST_X_PAD, id="X-Pad"),
        pytest.param(_get({"ct": "", "dns": Q}), Dialect.GET_CT_EMPTY, id="an empty ct"),
        pytest.param(
            _get({"ct": "", "dns": Q, "random_padding": "XX"}), Dialect.GET_RANDOM_PADDING, id="random_padding"
        ),
        pytest.param(
            _get({"body": Q, "ct": "", "dns": Q, "random_padding": "XX"}), Dialect.GET_BODY_PARAM, id="a body parameter"
        ),
        pytest.param(
            _get({"body": Q, "ct": "", "dns": Q}, UDPWIREFORMAT), Dialect.UDPWIREFORMAT, id="the drafts' Accept"
        ),
        pytest.param(_post({}, UDPWIREFORMAT), Dialect.UDPWIREFORMAT, id="the drafts' Content-Type"),
        pytest.param(_get({"ct": UDPWIREFORMAT, "dns": Q}, M13253), Dialect.UDPWIREFORMAT, id="the drafts' ct"),
        pytest.param(_get({"ct": DNS_MESSAGE, "dns": Q}, M13253), Dialect.GET_CT_MESSAGE, id="a ct of today"),
        pytest.param(
            _get({"ct": "application/dns-json", "name": "a", "type": "1"}, M13253),
            Dialect.JSON_CLOUDFLARE,
            id="m13253's JSON",
        ),
        pytest.param(_get({"name": "a"}, "*/*", "/resolve"), Dialect.JSON_GOOGLE, id="Google's JSON"),
        pytest.param(_get({"name": "a"}, "application/dns-json"), Dialect.JSON_CLOUDFLARE, id="Cloudflare's JSON"),
        pytest.param(_get({"ct": "", "dns": Q}, UDPWIREFORMAT), Dialect.UDPWIREFORMAT, id="a bare ct"),
        pytest.param(
            _get({"ct": "", "body": Q}, UDPWIREFORMAT, "/.well-known/dns-query"),
            Dialect.WELL_KNOWN,
            id="the well-known path",
        ),
        pytest.param(_post({}, "message/dns", accept="message/dns"), Dialect.MESSAGE_DNS, id="message/dns"),
        pytest.param(_get({"dns": Q}, "message/dns"), Dialect.MESSAGE_DNS, id="message/dns, as GET"),
        pytest.param(_get({"dns": Q + "=="}), Dialect.B64_PADDED, id="padded base64"),
        pytest.param(_post({"dns": Q}), Dialect.OTHER, id="dns in a POST"),
        pytest.param(_post({}, "application/x-www-form-urlencoded"), Dialect.OTHER, id="a form"),
        pytest.param(_post({}, None), Dialect.OTHER, id="a POST of no type"),
        pytest.param(_post({}, "application/oblivious-dns-message"), Dialect.OBLIVIOUS, id="ODoH"),
        pytest.param(_post({}, "message/ohttp-req"), Dialect.OBLIVIOUS, id="OHTTP"),
        pytest.param(_get({}), Dialect.OTHER, id="no query at all"),
    ],
)
def test_a_request_is_named(found: Dialect, expected: Dialect) -> None:
    assert found is expected


def test_what_can_be_configured_is_what_the_configuration_knows() -> None:
    assert {dialect.value for dialect in CONFIGURABLE} == set(DIALECTS)


def test_every_name_is_fit_for_a_metric_label() -> None:
    assert all(dialect.value.replace("-", "").isalnum() for dialect in Dialect)
