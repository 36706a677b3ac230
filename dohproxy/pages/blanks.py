"""What in members' documents is made of a member's token, and not the token itself: stamps, and QR codes.

All of it is found out beforehand but for what a view needs: some microseconds for a stamp, some tens for a code.
"""

from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Callable
from typing import Final

from dohproxy.doh.stamp_codec import SCHEME
from dohproxy.pages.document import Blank
from dohproxy.pages.qr_family import QrCode, QrFamily
from dohproxy.pages.setup_paths import TOKEN_MARK

Fill = Callable[[str], str]
"""Makes a text of a token; of TOKEN_MARK that which stands in the documents."""

_MARK: Final = TOKEN_MARK.encode()


def stamp_text(stamp: str) -> Fill:
    """Return what makes a stamp for a token of one that has TOKEN_MARK for it."""
    encoded = stamp.removeprefix(SCHEME)
    payload = urlsafe_b64decode(encoded + "=" * (-len(encoded) % 4))

    def fill(token: str) -> str:
        personal = payload.replace(_MARK, token.encode())
        return SCHEME + urlsafe_b64encode(personal).decode().rstrip("=")

    return fill


def url_text(url: str) -> Fill:
    """Return what makes a URL for a token of one that has TOKEN_MARK for it."""
    return lambda token: url.replace(TOKEN_MARK, token)


def blank_text(fill: Fill) -> Blank:
    """Return the place of a text."""
    return Blank(fill(TOKEN_MARK).encode(), lambda token: fill(token).encode())


class CodeBlank:
    """A QR code of a text with a token, as a picture in the page."""

    def __init__(self, fill: Fill, pause: Callable[[], None]) -> None:
        """It takes a tenth of a second; `pause` is as that of QrFamily."""
        text = fill(TOKEN_MARK)
        # Where two tokens that have no character in common make any difference.
        other = fill("A" * len(TOKEN_MARK)), fill("b" * len(TOKEN_MARK))
        places = [place for place, character in enumerate(text) if any(one[place] != character for one in other)]
        self._family = QrFamily(text, places, pause)
        self._fill = fill
        self.code = QrCode(self._family.picture_in_page(text), self._family.size)
        """As the documents have it."""

    @property
    def blank(self) -> Blank:
        """The place of the picture."""
        return Blank(self.code.address.encode(), lambda token: self._family.picture_in_page(self._fill(token)).encode())
