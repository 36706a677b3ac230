"""What a member is given: the URL with his token, and the stamps of the same."""

from dataclasses import replace

from dohproxy.config import Config
from dohproxy.doh.path_token import Invitation, member_path
from dohproxy.doh.stamp import NO_PROMISES, BadStamp
from dohproxy.dot.member_name import member_name
from dohproxy.tools.stamps import public_authority, stamp_sheet


def invitation_for(config: Config, token: str) -> Invitation:
    """Return what a member with this token is told. A stamp has no certificate's hash and promises nothing: both are
    the operator's to decide, and `dohproxy stamp` is where."""
    personal = replace(config, server=replace(config.server, path=member_path(config.server.path, token)))
    url = f"https://{public_authority(config)}{personal.server.path}"
    dot_name = member_name(config.dot_host, token) if config.dot.listen else None
    try:
        sheet = stamp_sheet(personal, None, (), NO_PROMISES, with_plain=True)
    except BadStamp as fault:
        # A stamp has less room for a path than a URL has.
        return Invitation(url, (), dot_name, (str(fault),))
    stamps = tuple(line for line in sheet.text.splitlines() if not line.startswith("#"))
    return Invitation(url, stamps, dot_name, sheet.remarks)
