"""What a member is given: the URL with his token, and the stamps of the same."""

from dataclasses import replace

from dohproxy.config import Config
from dohproxy.doh.path_token import Invitation, member_path
from dohproxy.doh.stamp import NO_PROMISES, BadStamp
from dohproxy.dot.member_name import member_name
from dohproxy.tools.stamps import public_url, stamp_sheet


def seen_by_member(config: Config, token: str) -> Config:
    """Return the configuration as a service would have it that is for the member with this token alone."""
    return replace(config, server=replace(config.server, path=member_path(config.server.path, token)))


def dot_name_of(config: Config, token: str = "") -> str | None:
    """Return the name at which DNS over TLS is asked, with a token its member's own; None if it is not served."""
    if not config.dot.listen:
        return None
    return member_name(config.dot_host, token) if token else config.dot_host


def invitation_for(config: Config, token: str) -> Invitation:
    """Return what a member with this token is told. A stamp has no certificate's hash and promises nothing: both are
    the operator's to decide, and `dohproxy stamp` is where."""
    personal = seen_by_member(config, token)
    url, dot_name = public_url(personal), dot_name_of(config, token)
    try:
        sheet = stamp_sheet(personal, None, (), NO_PROMISES, with_plain=True)
    except BadStamp as fault:
        # A stamp has less room for a path than a URL has.
        return Invitation(url, (), dot_name, (str(fault),))
    stamps = tuple(line for line in sheet.text.splitlines() if not line.startswith("#"))
    return Invitation(url, stamps, dot_name, sheet.remarks)
