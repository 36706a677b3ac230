"""Which header lists are requests (RFC 9113 sections 8.2 and 8.3)."""

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dohproxy.http2.fields import MOST_KEPT_FIELDS, MalformedRequest, RequestHead, RestOfHead, check_trailers, read_head
from dohproxy.http2.static_table import Field

METHOD, SCHEME, AUTHORITY, PATH = (
    (b":method", b"GET"),
    (b":scheme", b"https"),
    (b":authority", b"doh.example.net"),
    (b":path", b"/dns-query?dns=AAAA"),
)
GET: list[Field] = [METHOD, SCHEME, AUTHORITY, PATH]


def test_a_request_is_read() -> None:
    fields = [*GET, (b"accept", b"application/dns-message"), (b"content-length", b"12")]
    assert read_head(fields) == RequestHead(
        RestOfHead(
            method="GET",
            authority="doh.example.net",
            fields=(("accept", "application/dns-message"), ("content-length", "12")),
            content_length=12,
        ),
        path="/dns-query?dns=AAAA",
    )


def test_pseudo_header_fields_may_stand_in_any_order() -> None:
    assert read_head(GET[::-1]) == read_head(GET)


@pytest.mark.parametrize(("count", "is_kept"), [(MOST_KEPT_FIELDS, True), (MOST_KEPT_FIELDS + 1, False)])
def test_only_lists_as_short_as_those_of_clients_are_kept(count: int, *, is_kept: bool) -> None:
    fields = [*GET, *((b"x-kept-%d" % number, b"1") for number in range(count - len(GET)))]
    first, again = read_head(fields), read_head(fields)
    assert first == again
    assert (first.rest is again.rest) is is_kept


def is_allowed(fields: list[Field]) -> bool:
    """Tell whether names and values are as RFC 9113 section 8.2.1 has them, a byte at a time."""
    return all(
        name
        and all(0x21 <= byte <= 0x7E and byte != 0x3A and not 0x41 <= byte <= 0x5A for byte in name)
        and not set(value) & set(b"\x00\r\n")
        and value == value.strip(b" \t")
        for name, value in fields
    )


TEXTS = st.text("xX:- \t\r\n\x00\x7f\xff", max_size=4).map(lambda text: text.encode("latin-1"))


@given(st.lists(st.tuples(TEXTS, TEXTS), max_size=3))
def test_regular_fields_are_looked_through_together_as_each_would_be_alone(fields: list[Field]) -> None:
    texts = tuple((name.decode("latin-1"), value.decode("latin-1")) for name, value in fields)
    if is_allowed(fields):
        assert read_head([*GET, *fields]).fields == texts
    else:
        with pytest.raises(MalformedRequest):
            read_head([*GET, *fields])


def test_fields_keep_their_order_and_may_come_again() -> None:
    fields = ((b"x-b", b"2"), (b"x-a", b"1"), (b"x-b", b"3"))
    assert read_head([*GET, *fields]).fields == (("x-b", "2"), ("x-a", "1"), ("x-b", "3"))


def test_the_host_stands_in_for_an_authority() -> None:
    assert read_head([METHOD, SCHEME, PATH, (b"host", b"doh.example.net")]).authority == "doh.example.net"


@pytest.mark.parametrize("host", [b"a b", b"user@localhost", b"local/host", b"localhost:port", b"[::1", b"m\xfc"])
@pytest.mark.parametrize("name", [b":authority", b"host"])
def test_what_names_no_host_is_malformed(name: bytes, host: bytes) -> None:
    fields = [METHOD, SCHEME, PATH]
    with pytest.raises(MalformedRequest):
        read_head([(name, host), *fields] if name == b":authority" else [*fields, (name, host)])


def test_neither_host_nor_authority_is_needed() -> None:
    assert read_head([METHOD, SCHEME, PATH]).authority is None


@pytest.mark.parametrize(
    ("scheme", "authority", "host", "is_one"),
    [
        (b"https", b"localhost:443", b"localhost", True),
        (b"https", b"localhost", b"LOCALHOST:443", True),
        (b"https", b"localhost:", b"localhost", True),
        (b"http", b"localhost:80", b"localhost", True),
        (b"HTTPS", b"[::1]:443", b"[::1]", True),
        (b"https", b"localhost:80", b"localhost", False),
        (b"http", b"localhost:443", b"localhost", False),
        (b"https", b"localhost:8443", b"localhost", False),
        (b"https", b"localhost:1443", b"localhost:1", False),
    ],
)
def test_a_port_that_the_scheme_has_anyway_makes_no_other_authority(
    scheme: bytes, authority: bytes, host: bytes, *, is_one: bool
) -> None:
    fields = [METHOD, (b":scheme", scheme), (b":authority", authority), PATH, (b"host", host)]
    if is_one:
        assert read_head(fields).authority == authority.decode()
    else:
        with pytest.raises(MalformedRequest):
            read_head(fields)


@pytest.mark.parametrize(("value", "waits"), [(b"100-continue", True), (b"100-Continue", True), (b"200-ok", False)])
def test_a_client_says_whether_it_waits_to_be_invited(value: bytes, *, waits: bool) -> None:
    assert read_head([*GET, (b"expect", value)]).rest.expects_continue is waits
    assert not read_head(GET).rest.expects_continue


@pytest.mark.parametrize("host", [b"doh.example.net", b"DOH.example.NET"])
def test_host_and_authority_may_agree(host: bytes) -> None:
    assert read_head([*GET, (b"host", host)]).authority == "doh.example.net"


def without(name: bytes) -> list[Field]:
    """Return a good request without one field."""
    return [field for field in GET if field[0] != name]


def test_options_of_everything_is_a_request() -> None:
    assert read_head([(b":method", b"OPTIONS"), SCHEME, (b":path", b"*")]).path == "*"


def test_connect_has_an_authority_alone() -> None:
    assert read_head([(b":method", b"CONNECT"), AUTHORITY]).path == "doh.example.net"


@pytest.mark.parametrize(
    "fields",
    [
        pytest.param([], id="nothing"),
        pytest.param([(b"accept", b"*/*")], id="no pseudo-header field"),
        *(pytest.param(without(name), id=f"no {name.decode()}") for name in (b":method", b":scheme", b":path")),
        *(
            pytest.param([*without(name), (name, b"")], id=f"empty {name.decode()}")
            for name in (b":method", b":scheme", b":path")
        ),
        *(pytest.param([*GET, field], id=f"{field[0].decode()} twice") for field in GET),
        pytest.param([*GET, (b":status", b"200")], id=":status"),
        pytest.param([*GET, (b":protocol", b"websocket")], id=":protocol"),
        pytest.param([*GET, (b":", b"")], id="a colon alone"),
        pytest.param([*GET, (b":PATH", b"/")], id="a pseudo-header field in upper case"),
        pytest.param([*GET[:3], (b"accept", b"*/*"), PATH], id="a path behind a regular field"),
        pytest.param([*GET, (b"accept", b"*/*"), PATH], id="another path behind a regular field"),
        pytest.param([METHOD, PATH, (b"accept", b"*/*"), SCHEME], id="a scheme behind a regular field"),
        pytest.param([METHOD, (b"accept", b"*/*"), PATH, SCHEME], id="a path among regular fields"),
        pytest.param([(b":method", b"GE T"), *GET[1:]], id="a method with a space"),
        pytest.param([(b":method", b"G\x00T"), *GET[1:]], id="a method with a NUL"),
        pytest.param([*GET[:3], (b":path", b"dns-query")], id="a path without its slash"),
        pytest.param([*GET[:3], (b":path", b"*")], id="a GET of everything"),
        pytest.param([*GET[:3], (b":path", b"/a b")], id="a path with a space"),
        pytest.param([*GET[:3], (b":path", b"/a\tb")], id="a path with a tab"),
        pytest.param([*GET[:3], (b":path", b"/a\x7f")], id="a path with DEL"),
        pytest.param([*GET[:3], (b":path", b"/\xc3\xa9")], id="a path beyond ASCII"),
        pytest.param([*GET[:3], (b":path", b"/a\r\n")], id="a path with a line end"),
        pytest.param([METHOD, SCHEME, (b":authority", b"a\nb"), PATH], id="an authority with a line end"),
        pytest.param([*GET, (b"host", b"other.example.net")], id="a host that is not the authority"),
        pytest.param([*GET, (b"host", b"doh.example.net")] * 2, id="everything twice"),
        pytest.param([*without(b":authority"), (b"host", b"a"), (b"host", b"a")], id="host twice"),
        pytest.param([*GET, (b"content-length", b"1"), (b"content-length", b"1")], id="content-length twice"),
        *(
            pytest.param([*GET, (b"content-length", value)], id=f"content-length {value!r}")
            for value in (b"", b"-1", b"+1", b"1, 1", b"0x10", b"1.0", b"1 ", b"\xb2", b"12345678901", b"1\n")
        ),
        pytest.param([(b":method", b"CONNECT"), AUTHORITY, PATH], id="CONNECT with a path"),
        pytest.param([(b":method", b"CONNECT"), AUTHORITY, SCHEME], id="CONNECT with a scheme"),
        pytest.param([(b":method", b"CONNECT"), AUTHORITY, (b":scheme", b"")], id="CONNECT with an empty scheme"),
        pytest.param([(b":method", b"CONNECT")], id="CONNECT without an authority"),
        pytest.param([(b":method", b"CONNECT"), (b"host", b"doh.example.net")], id="CONNECT with a host alone"),
        pytest.param([(b":method", b"CONNECT"), (b":authority", b"")], id="CONNECT with an empty authority"),
    ],
)
def test_these_are_no_requests(fields: list[Field]) -> None:
    with pytest.raises(MalformedRequest):
        read_head(fields)


BAD_FIELDS = [
    *(
        pytest.param((name, b"x"), id=name.decode())
        for name in (b"connection", b"proxy-connection", b"keep-alive", b"transfer-encoding", b"upgrade")
    ),
    *(
        pytest.param((b"te", value), id=f"te: {value!r}")
        for value in (b"gzip", b"trailers, gzip", b"trailers;q=0.5", b"trailers,", b"")
    ),
    pytest.param((b"X-Test", b"1"), id="upper case at the start"),
    pytest.param((b"x-tesT", b"1"), id="upper case at the end"),
    pytest.param((b"", b"1"), id="no name"),
    *(pytest.param((b"x" + bytes([byte]), b"1"), id=f"byte {byte:#04x} in a name") for byte in (0, 9, 10, 13, 32, 58)),
    *(pytest.param((b"x" + bytes([byte]), b"1"), id=f"byte {byte:#04x} in a name") for byte in (65, 90, 127, 128, 255)),
    *(pytest.param((b"x", b"a" + bytes([byte]) + b"b"), id=f"byte {byte:#04x} in a value") for byte in (0, 10, 13)),
    *(pytest.param((b"x", value), id=f"value {value!r}") for value in (b" a", b"\ta", b"a ", b"a\t", b" ", b"\t")),
    *(pytest.param((b"x", value), id=f"value {value!r}") for value in (b"\n", b"a\n", b"a \n", b"\x00")),
]


@pytest.mark.parametrize("field", BAD_FIELDS)
def test_a_field_that_may_not_be_makes_a_request_malformed(field: Field) -> None:
    with pytest.raises(MalformedRequest):
        read_head([*GET, field])


@pytest.mark.parametrize("field", [*BAD_FIELDS, pytest.param((b":path", b"/"), id="a pseudo-header field")])
def test_a_field_that_may_not_be_makes_trailers_malformed(field: Field) -> None:
    with pytest.raises(MalformedRequest):
        check_trailers([(b"x-sum", b"1"), field])


GOOD_FIELDS = [
    (b"te", b"trailers"),
    (b"te", b"Trailers"),
    (b"x", b""),
    (b"x", b"a b\tc"),
    (b"x", b"\xc3\xa9\x7f\x01"),
    (b"x-!#$%&'*+-.^_`|~09", b"1"),
    (b"accept-encoding", b""),
]


@pytest.mark.parametrize("field", GOOD_FIELDS, ids=repr)
def test_a_field_of_allowed_bytes_is_kept_as_it_is(field: Field) -> None:
    name, value = field
    assert read_head([*GET, field]).fields == ((name.decode(), value.decode("latin-1")),)
    check_trailers([field])


def test_what_is_kept_of_one_client_is_not_given_to_another() -> None:
    """All but the path is remembered from request to request."""
    fields = [(b"user-agent", b"one")]
    first = read_head([*GET, *fields])
    second = read_head([METHOD, SCHEME, (b":authority", b"doh.example.org"), (b":path", b"/other"), *fields])
    assert (first.path, first.authority) != (second.path, second.authority)
    assert first.fields == second.fields
    with pytest.raises(MalformedRequest):
        read_head([METHOD, SCHEME, (b":authority", b"a"), PATH, (b"host", b"b"), *fields])


@pytest.mark.parametrize(("value", "length"), [(b"0", 0), (b"007", 7), (b"9999999999", 9_999_999_999)])
def test_a_content_length_is_a_number(value: bytes, length: int) -> None:
    assert read_head([*GET, (b"content-length", value)]).content_length == length


@pytest.mark.parametrize("order", list(itertools.permutations(range(4))), ids=str)
def test_a_request_is_the_same_wherever_its_path_stands(order: tuple[int, ...]) -> None:
    fields = [(b"accept", b"*/*"), (b"host", b"doh.example.net")]
    assert read_head([*(GET[place] for place in order), *fields]) == read_head([*GET, *fields])
