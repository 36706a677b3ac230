"""[bans]: who is kept out for a while, and when."""

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

from dohproxy.config.addresses import parse_path, parse_socket
from dohproxy.config.keys import Choice, Integer, Number, Text
from dohproxy.config.schema.rules import RULE_MODES, RuleMode


@dataclass(frozen=True, slots=True)
class BansConfig:
    """Who is kept out for a while, by rule.

    What a client does wrong costs it points: 1 for what is malformed, more for floods on a connection, a 200th for a
    request over its limit. Bans by the command `ban` hold whatever stands here. Exempt networks, members and front
    proxies are never banned by rule.
    """

    mode: Annotated[
        RuleMode,
        Choice(
            RULE_MODES,
            "enforce bans, shadow counts whom it would have turned away and turns nobody away, off keeps no points.",
        ),
    ] = "enforce"
    points: Annotated[
        float,
        Number(
            10,
            1_000_000,
            "points",
            "At which a client is banned: a hundred malformed requests at once, twenty connections that break HTTP/2,"
            " 20,000 requests beyond the limit. Sixty people behind one address who open a page at once come to 85.",
        ),
    ] = 100
    forgiven_per_second: Annotated[
        float,
        Number(
            0.001,
            10_000,
            "points a second",
            "What a client may go on doing for ever: 200 requests a second beyond its limit, which cost no more than"
            " answers; or one malformed request a second, as a stub with a bug may send.",
        ),
    ] = 1
    network_factor: Annotated[
        int,
        Integer(
            1,
            256,
            "times",
            "An IPv4 /24 or IPv6 /56 is banned at so many times the points of one client, and forgiven as much more:"
            " when sixteen of its clients have been banned, and not for one. 256 strangers may share it.",
        ),
    ] = 16
    site_factor: Annotated[
        int,
        Integer(1, 65_536, "times", "The same for an IPv6 /48: four networks' worth, as in [limits]."),
    ] = 64
    first_seconds: Annotated[
        float,
        Number(
            1,
            86_400,
            "seconds",
            "The first ban. Short, as a client with a bug is one too, and whoever gets the address next is not.",
        ),
    ] = 60
    longest_seconds: Annotated[
        float,
        Number(
            1,
            604_800,
            "seconds",
            "Each ban after that is twice as long, up to this. Half an hour of silence for a minute of attack leaves"
            " three in a hundred of it, and an address is seldom kept longer by one who has many.",
        ),
    ] = 1800
    step_down_seconds: Annotated[
        float,
        Number(
            1,
            604_800,
            "seconds",
            "Without a ban, after which the next one is half as long: from the longest to the first in an hour.",
        ),
    ] = 600
    max_bans: Annotated[
        int,
        Integer(
            16,
            200_000,
            "bans",
            "By rule, at once, some 0.5 KiB each. When there are so many, the one that ends first makes room; none by"
            " command ever does. 20,000 addresses a day came to a proxy that stood on a public list.",
        ),
    ] = 10_000
    log_file: Annotated[
        Path | None,
        Text(
            parse_path,
            "file name",
            "/var/log/dohproxy/bans.log",
            "One line for each ban, for fail2ban and CrowdSec; see conf/fail2ban and conf/crowdsec. Off by default, as"
            " it holds addresses: the only file that does. Rotate it as any log.",
        ),
    ] = None
    kernel_socket: Annotated[
        Path | None,
        Text(
            parse_socket,
            "file name",
            "/run/dohproxy-nft/socket",
            "Where dohproxy-nft listens, which has the kernel drop new connections of banned networks: a flood of them"
            " then costs nothing here. Off by default, as it is a service of its own with a right over the machine's"
            " packet filter; see docs/bans.md. Behind a front proxy the kernel is told of no ban: the front proxy's"
            " other sites would be shut, too.",
        ),
    ] = None
