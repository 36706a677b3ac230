"""Who may ask for something on loopback: the operator's own page and tools, and no other page in the same browser."""

from dataclasses import replace

import pytest

from dohproxy.control.console.guard import Asked, TurnedAway, is_own_host, judge

PAGE = Asked("POST", "127.0.0.1:8054", "http://127.0.0.1:8054", "same-origin", "application/json", has_header=True)
TOOL = Asked("POST", "localhost", "", "", "", has_header=False)


def status(asked: Asked, *, is_page: bool = False, is_socket: bool = False) -> int:
    """Return the status with which somebody is turned away, 200 if he is not."""
    try:
        judge(asked, is_page=is_page, is_socket=is_socket)
    except TurnedAway as turned:
        return turned.status
    return 200


@pytest.mark.parametrize("host", ["localhost", "LOCALHOST:1", "127.0.0.1:8054", "127.9.9.9", "[::1]:8054", "[::1]"])
def test_this_machine_is_known_by(host: str) -> None:
    assert is_own_host(host)


@pytest.mark.parametrize(
    "host",
    [
        *("", "evil.example", "evil.example:8054", "localhost.evil.example", "192.0.2.1", "[2001:db8::1]:8054"),
        *("127.0.0.1.evil.example", "0.0.0.1", "127.0.0.1:8054@evil.example", "localhost, evil.example", "[localhost"),
    ],
)
def test_a_name_that_anybody_can_give_this_machine_is_refused(host: str) -> None:
    assert not is_own_host(host)
    for asked in (replace(PAGE, host=host, origin=f"http://{host}"), replace(TOOL, host=host)):
        assert (
            status(asked, is_socket=True) == status(asked) == status(replace(asked, method="GET"), is_page=True) == 421
        )


def test_the_page_may_do_everything_and_so_may_a_tool_at_the_socket() -> None:
    assert status(PAGE) == status(PAGE, is_socket=True) == status(TOOL, is_socket=True) == 200


@pytest.mark.parametrize("origin", ["http://evil.example", "null", "https://127.0.0.1:8054", "http://127.0.0.1:9000"])
@pytest.mark.parametrize("method", ["GET", "POST"])
@pytest.mark.parametrize("is_socket", [True, False])
def test_what_another_page_sends_is_refused(origin: str, method: str, is_socket: bool) -> None:
    assert status(replace(PAGE, origin=origin, method=method), is_socket=is_socket) == 403


@pytest.mark.parametrize("site", ["cross-site", "same-site", "anything"])
def test_what_a_browser_says_of_another_page_is_believed(site: str) -> None:
    for asked in (replace(PAGE, fetch_site=site), replace(PAGE, fetch_site=site, method="GET", origin="")):
        assert status(asked) == status(asked, is_socket=True) == 403


def test_anybody_may_lead_to_the_page_itself() -> None:
    assert status(Asked("GET", "localhost:1", "", "cross-site", "", has_header=False), is_page=True) == 200


@pytest.mark.parametrize(
    "asked",
    [
        replace(PAGE, origin=""),
        replace(PAGE, has_header=False),
        replace(PAGE, content_type="text/plain"),
        replace(PAGE, content_type="application/x-www-form-urlencoded"),
        replace(PAGE, content_type=""),
    ],
    ids=str,
)
def test_a_form_of_another_page_cannot_send_what_a_command_needs(asked: Asked) -> None:
    assert status(asked) == 403
    assert status(asked, is_socket=True) == 403


def test_at_the_loopback_listener_a_tool_is_no_page() -> None:
    assert status(TOOL) == 403
