"""The command `console`: a link that works once, or a sentence on how to have one."""

from dataclasses import replace
from urllib.parse import urlsplit

import pytest

from dohproxy.config import AdminConfig, ListenAddress
from dohproxy.control.command import Refused
from dohproxy.control.console.login import console
from dohproxy.control.console.sessions import LoginResult
from tests.control.command_samples import FakeService


async def test_the_link_holds_a_token_where_no_server_sees_it() -> None:
    service = FakeService()
    listen = ListenAddress("tcp", host="127.0.0.1", port=8054)
    service.config = replace(service.config, admin=AdminConfig(listen=listen))
    result = await console(service, {})
    url = urlsplit(result.figures["url"])
    assert (url.scheme, url.netloc, url.path, url.query) == ("http", "127.0.0.1:8054", "/", "")
    assert service.sessions.log_in(url.fragment, 0.0)[0] is LoginResult.DONE
    assert result.sentence.startswith("The operator's page, for whoever opens this first within 5 min")
    assert result.lines == ["from another machine first: ssh -L 8054:127.0.0.1:8054 HOST"]


@pytest.mark.parametrize("admin", [None, AdminConfig()], ids=["no section", "no listener"])
async def test_without_a_listener_it_is_said_what_to_write(admin: AdminConfig | None) -> None:
    service = FakeService()
    service.config = replace(service.config, admin=admin)
    with pytest.raises(Refused, match=r'listen = "127.0.0.1:8054" into \[admin\].*ssh -L'):
        await console(service, {})
