"""Windows 11: what tells its resolver which address speaks an encrypted protocol, and where to choose that address.

Windows asks addresses. That one of them is asked by HTTPS or TLS it has to be told for each (`netsh dns`), and the
address itself is chosen for an adapter in Settings, which no file does as reliably as a person.
"""

from collections.abc import Iterator, Sequence
from typing import Final

from dohproxy.profiles.offer import Offer, Wishes, of_version
from dohproxy.profiles.text_templates import fill

_PER_VERSION: Final = 2
"""Settings has a preferred and an alternate address for each version of IP."""


def https_script(offer: Offer, _: Wishes) -> bytes:
    """Return a script that has Windows ask these addresses by DNS over HTTPS, and never in the clear."""
    return _script("windows.cmd", offer.host, offer.addresses, f'dohtemplate="{offer.url}"')


def tls_script(offer: Offer, _: Wishes) -> bytes:
    """Return a script that has Windows ask these addresses by DNS over TLS, and never in the clear."""
    dot = offer.over_tls()
    return _script("windows-dot.cmd", dot.name, dot.addresses, f"dothost={dot.name}:{dot.port}")


def _script(template: str, host: str, addresses: Sequence[str], how: str) -> bytes:
    commands, fields = "\n".join(_commands(addresses, how)), "\n".join(_fields(addresses))
    text = fill(template, host=host, commands=commands, fields=fields)
    return text.replace(b"\n", b"\r\n")


def _commands(addresses: Sequence[str], how: str) -> Iterator[str]:
    for address in addresses:
        # What is there already cannot be added.
        yield f"netsh dns delete encryption server={address} >nul 2>&1"
        yield f"netsh dns add encryption server={address} {how} autoupgrade=yes udpfallback=no"


def _fields(addresses: Sequence[str]) -> Iterator[str]:
    for version in (4, 6):
        for field, address in zip(
            ("Preferred DNS", "Alternate DNS"), of_version(addresses, version)[:_PER_VERSION], strict=False
        ):
            yield f"echo   IPv{version}, {field}: {address}"
