"""Media types as RFC 9110 compares them: sections 8.3.1 and 12.5.1."""

import pytest

from dohproxy.doh.media import LONGEST_JUDGED, MOST_JUDGED, accepts_dns_message, is_dns_message


@pytest.mark.parametrize(
    ("content_type", "expected"),
    [
        pytest.param("application/dns-message", True, id="as registered"),
        pytest.param("Application/DNS-Message", True, id="in another case"),
        pytest.param("application/dns-message; charset=utf-8", True, id="with a parameter"),
        pytest.param("application/dns-message ;a=b", True, id="with a space before the parameter"),
        pytest.param(None, False, id="absent"),
        pytest.param("", False, id="empty"),
        pytest.param("application/dns-json", False, id="another DNS type"),
        pytest.param("application/dns-messages", False, id="a longer name"),
        pytest.param("application/dns-udpwireformat", False, id="the name in the drafts"),
        pytest.param("application/dns-message, text/plain", False, id="two of them"),
        pytest.param("application/oblivious-dns-message", False, id="the oblivious one"),
        pytest.param("multipart/form-data; boundary=application/dns-message", False, id="only inside a parameter"),
    ],
)
def test_what_a_body_is(content_type: str | None, expected: bool) -> None:
    assert is_dns_message(content_type) is expected


@pytest.mark.parametrize(
    ("accept", "expected"),
    [
        pytest.param(None, True, id="absent means anything"),
        pytest.param("application/dns-message", True, id="exactly ours"),
        pytest.param("Application/DNS-Message", True, id="ours in another case"),
        pytest.param("*/*", True, id="anything"),
        pytest.param("application/*", True, id="any application"),
        pytest.param("text/html, */*;q=0.1", True, id="a browser's"),
        pytest.param("application/dns-message, application/dns-udpwireformat, application/json", True, id="m13253's"),
        pytest.param("application/json;q=1, application/dns-message;q=0.5", True, id="ours as second choice"),
        pytest.param(" application/dns-message ; q=0.3 ", True, id="with spaces"),
        pytest.param("application/dns-message;q=abc", True, id="with a weight that is none"),
        pytest.param("", True, id="empty says nothing"),
        pytest.param(",", True, id="an empty list says nothing"),
        pytest.param("application/dns-message;q=0", False, id="ours ruled out"),
        pytest.param("application/dns-message;q=0.000", False, id="ours ruled out with decimals"),
        pytest.param("application/dns-message;Q=0", False, id="ours ruled out in capitals"),
        pytest.param("*/*, application/dns-message;q=0", False, id="anything but ours"),
        pytest.param("application/*;q=0, */*", False, id="anything but applications"),
        pytest.param("*/*;q=0", False, id="nothing at all"),
        pytest.param("application/json", False, id="JSON alone"),
        pytest.param("application/dns-udpwireformat", False, id="the drafts' type alone"),
        pytest.param("text/html, image/*", False, id="types of pages"),
        pytest.param("application/dns", False, id="a shorter name"),
    ],
)
def test_what_a_client_takes(accept: str | None, expected: bool) -> None:
    assert accepts_dns_message(accept) is expected


def _padded(accept: str, size: int) -> str:
    return accept.replace("x", "x" * (size - len(accept) + 1), 1)


@pytest.mark.parametrize(
    ("accept", "expected"),
    [
        pytest.param(", ".join(["a/b"] * MOST_JUDGED), False, id="as many elements as are judged"),
        pytest.param(", ".join(["a/b"] * (MOST_JUDGED + 1)), True, id="one element more"),
        pytest.param("a/b" + ";c=d" * MOST_JUDGED, False, id="as many parameters as are judged"),
        pytest.param("a/b" + ";c=d" * (MOST_JUDGED + 1), True, id="one parameter more"),
        pytest.param(_padded("a/x", LONGEST_JUDGED), False, id="as many bytes as are judged"),
        pytest.param(_padded("a/x", LONGEST_JUDGED + 1), True, id="one byte more"),
        pytest.param("," * 7_900, True, id="nothing but commas"),
    ],
)
def test_a_value_that_goes_on_and_on_is_disregarded(accept: str, expected: bool) -> None:
    assert accepts_dns_message(accept) is expected


def test_the_memory_of_judgements_does_not_change_them() -> None:
    for _ in range(2):
        assert accepts_dns_message("text/plain, application/*")
        assert not accepts_dns_message("text/plain, application/pdf")
