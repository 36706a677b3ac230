"""A service whose members' page says whether it works, and browsers that ask it or somebody else."""

import json
import signal
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from dohproxy.member_token import TOKEN_BYTES, token_of
from tests.e2e.browsers import key_hash
from tests.e2e.certificates import CertificateAuthority, CertificateFiles
from tests.e2e.devtools import Tab
from tests.e2e.processes import LOOPBACK, wait_until
from tests.e2e.proxy import Proxy, ProxySettings, Sections, Value, running_proxy
from tests.fakes.datagrams import answering
from tests.fakes.upstream import make_reply

DOMAIN: Final = "check.e2e.example"
TOKEN: Final = token_of(bytes(range(TOKEN_BYTES)))
"""Of a member; the page does not look whether it is anybody's."""
PICTURE: Final = "document.querySelector('.proof img')"
_NOBODY: Final = f"--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE {LOOPBACK}"
"""A resolver that knows no name."""


@contextmanager
def proving_proxy(
    directory: Path, authority: CertificateAuthority, shown: CertificateFiles, host: str = LOOPBACK, *, port: int = 0
) -> Iterator[Proxy]:
    """Run a service with such a page, which tells its clients of `host`, and of a port if it is another than that at
    which it is met; its certificate has to be for *.DOMAIN too."""
    keys: Mapping[str, Value] = {"addresses": [LOOPBACK]}
    sections: Sections = {
        "server": {"host": host},
        "pages": {"enabled": True},
        "about": {"name": "Example Association", "contact": "dns@example.org"},
        "discovery": keys,
        "clients": {"member_file": str(directory / "members.json")},
    }
    with answering(make_reply) as upstream:
        settings = ProxySettings((f"udp://{LOOPBACK}:{upstream}",), authority, tls=shown, sections=sections)
        with running_proxy(directory, settings) as running:
            text = running.file.read_text(encoding="utf-8")
            text = text.replace("[pages]\n", f'[pages]\nproof_domain = "{DOMAIN}"\n')
            text = text.replace("[discovery]\n", f"[discovery]\nport = {port or running.port}\n")
            running.file.write_text(text, encoding="utf-8")
            running.child.signal(signal.SIGHUP)
            wait_until(lambda: running.metric("dohproxy_reloads_total", {"result": "taken"}) == 1, 5, "the reload")
            with running.client() as client:

                def is_shown() -> bool:
                    return DOMAIN.encode() in client.request("GET", "/en/setup").body

                wait_until(is_shown, 30, "the page with the picture")
            yield running


def asking_flags(proxy: Proxy, shown: CertificateFiles, directory: Path) -> list[str]:
    """Return how a Chromium is started that asks this service and nobody else, with its profile in `directory`."""
    template = f"{proxy.url}{{?dns}}"
    (directory / "profile").mkdir()
    secure = {"dns_over_https": {"mode": "secure", "templates": template}}
    (directory / "profile" / "Local State").write_text(json.dumps(secure), encoding="ascii")
    return [
        *(f"--ignore-certificate-errors-spki-list={key_hash(shown)}", "--dns-over-https-mode=secure"),
        f"--dns-over-https-templates={template}",
    ]


def other_flags(shown: CertificateFiles) -> list[str]:
    """Return how one is started that asks somebody else."""
    return [f"--ignore-certificate-errors-spki-list={key_hash(shown)}", _NOBODY]


async def open_page(tab: Tab, proxy: Proxy, path: str) -> None:
    """Go to a page that has the picture, and wait until it is there or the words are."""
    await tab.open(f"https://{LOOPBACK}:{proxy.port}{path}")
    await tab.until(f"{PICTURE} && {PICTURE}.complete", "the picture or the words")
