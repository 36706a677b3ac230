"""What browsers say of the system that they run on."""

import pytest

from dohproxy.pages.systems import LONGEST_FIELD, System, system_of

SAFARI = "Mozilla/5.0 (iPhone; CPU iPhone OS 18_5 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/18.5"
MAC = "Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/18.5 Safari/605"
ANDROID = "Mozilla/5.0 (Linux; Android 10; K) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/142.0.0.0 Mobile Safari/537"
EDGE = "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/142.0.0.0 Edg/142.0"
LINUX = "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0"
OLD_TELEPHONE = (
    "Mozilla/5.0 (Mobile; Windows Phone 8.1; Android 4.0; ARM; like iPhone OS 7_0_3 Mac OS X AppleWebKit/537)"
)


@pytest.mark.parametrize(
    ("user_agent", "system"),
    [
        (SAFARI, System.APPLE),
        (MAC, System.APPLE),
        (ANDROID, System.ANDROID),
        (EDGE, System.WINDOWS),
        (LINUX, System.LINUX),
        ("Mozilla/5.0 (X11; CrOS x86_64 14541.0.0) AppleWebKit/537.36", System.LINUX),
        (OLD_TELEPHONE, System.WINDOWS),
        ("curl/8.5.0", System.OTHER),
        ("", System.OTHER),
        (None, System.OTHER),
        ("x" * LONGEST_FIELD + "Windows", System.OTHER),
    ],
)
def test_a_system_is_known_by_what_its_browsers_say(user_agent: str | None, system: System) -> None:
    assert system_of(user_agent) is system
