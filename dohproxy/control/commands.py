"""The table of commands: what the person on duty may ask of the running service, and tell it.

The admin socket serves it and the command line's verbs are made from it: to add a command is to add a row here.
"""

from typing import Final

from dohproxy.config.keys import Choice, Integer, Switch
from dohproxy.control import blocks, config_show, lifecycle, members
from dohproxy.control.announce import ARGUMENTS as ANNOUNCE_ARGUMENTS
from dohproxy.control.announce import announce
from dohproxy.control.bans import FOR, NETWORK, REASON, ban, list_bans, unban
from dohproxy.control.command import Argument, Command
from dohproxy.control.console.login import console
from dohproxy.control.explain import ARGUMENTS as EXPLAIN_ARGUMENTS
from dohproxy.control.explain import explain
from dohproxy.control.flush import flush
from dohproxy.control.limit import ARGUMENTS as LIMIT_ARGUMENTS
from dohproxy.control.limit import limit
from dohproxy.control.log_level import log_level
from dohproxy.control.mode import ARGUMENTS as MODE_ARGUMENTS
from dohproxy.control.mode import mode
from dohproxy.control.names import NAME
from dohproxy.control.nodes import NAME as NODE_NAME
from dohproxy.control.nodes import forget, nodes
from dohproxy.control.service import Service
from dohproxy.control.status import status
from dohproxy.control.top import ARGUMENTS as TOP_ARGUMENTS
from dohproxy.control.top import top
from dohproxy.control.upstreams import UPSTREAM, pause, resume

COMMANDS: Final[tuple[Command[Service], ...]] = (
    Command(
        "status",
        "Tell how the service is: the state in one sentence, then figures.\n\nExit code 1 if something is not well.",
        "",
        status,
    ),
    Command(
        "reload",
        "Read the configuration again and hold to it from now on, on open connections too.\n\nIt is adopted as a whole"
        " or, if anything is wrong with it, not at all. SIGHUP does the same.",
        "every rule that the configuration has; what has to wait for a restart is told",
        lifecycle.reload,
    ),
    Command(
        "flush",
        "Forget what is cached about a name, all below it, or everything.\n\nWhat is asked next is asked upstream, and"
        " old answers and remembered failures go too. The first answers are forgotten at once; to look through a cache"
        " of a million takes some seconds, in which it goes on answering.",
        "the cache",
        flush,
        (
            Argument("name", NAME, is_private=True),
            Argument("below", Switch("All names below it too."), is_option=True, default=False),
            Argument("all", Switch("Everything, in place of a name."), is_option=True, default=False),
        ),
        # A million entries take some 3 s of work, more where others are served in between.
        seconds=120.0,
        is_exclusive=False,
    ),
    Command(
        "upstream pause",
        "Leave an upstream alone: it is asked nothing, not even a probe.\n\nQueries under way are finished. It lasts"
        " until `upstream resume` or a restart, reloads included.",
        "which upstreams are asked",
        pause,
        (Argument("name", UPSTREAM, is_required=True, completes="upstreams"),),
    ),
    Command(
        "upstream resume",
        "Ask an upstream again that was paused: little at first, all of its budget within half a minute.",
        "which upstreams are asked",
        resume,
        (Argument("name", UPSTREAM, is_required=True, completes="upstreams"),),
    ),
    Command(
        "block",
        "Refuse a name from now on, on open connections too.\n\nClients are told that it is the operator's decision"
        " (EDE 15), and the reason. It is kept over a restart where there is a server.state_directory.",
        "what is withheld",
        blocks.block,
        blocks.BLOCK_ARGUMENTS,
    ),
    Command(
        "unblock",
        "Take back a `block`. What a list withholds is let through by `allow`.",
        "what is withheld",
        blocks.unblock,
        blocks.NAME_ARGUMENTS,
    ),
    Command(
        "allow",
        "Let a name through, whatever the lists say and whatever is blocked above it.",
        "what is withheld",
        blocks.allow,
        blocks.ALLOW_ARGUMENTS,
    ),
    Command(
        "disallow",
        "Take back an `allow`: what the lists say of the name holds again.",
        "what is withheld",
        blocks.disallow,
        blocks.NAME_ARGUMENTS,
    ),
    Command(
        "blocks",
        "Tell what each blocklist holds and has withheld, and what was blocked or let through by hand.\n\nExit code 1"
        " if a list is not in use as it lies on the disk.",
        "",
        blocks.blocks,
    ),
    Command(
        "mode",
        "Serve members alone for a while, or everybody, or leave it to the rules; tell which it is.\n\nIt holds from"
        " the next request on, on open connections too, and ends by itself. What an operator says goes before what a"
        " rule would.",
        "who is served, until the time is over or the service is started again without a state directory",
        mode,
        MODE_ARGUMENTS,
    ),
    Command(
        "limit",
        "Hold to another value of a limit for a while, take that back, or tell what is held by hand.\n\nKEY is any"
        " number of [limits], [connections] and [names], or of an upstream's budget, which is raised with --yes alone."
        " It is checked as the file is, holds at once, on open connections too, and over reloads. Nothing is written:"
        " without --for it lasts until --reset or a restart.",
        "a limit, until the time is over or the service is started again",
        limit,
        LIMIT_ARGUMENTS,
    ),
    Command(
        "top",
        "Tell who asks most now, about which domains, or how requests end.\n\nIt looks for ten seconds, or as long as"
        " --for says, and keeps nothing of what it has seen. Networks and domains are shown here alone; that somebody"
        " has looked stands in the log. Again and again: watch -n 0 dohproxy top --by network --for 2s",
        "",
        top,
        TOP_ARGUMENTS,
        seconds=90.0,
        is_noted=True,
        ends_with_asker=True,
    ),
    Command(
        "announce",
        "Tell everybody who looks at the status page something, take it down, or list what is told.\n\nWithout a text"
        " it lists. Each announcement ends by itself. It is kept over a restart where there is a"
        " server.state_directory.",
        "what is told, until its time is over",
        announce,
        ANNOUNCE_ARGUMENTS,
    ),
    Command(
        "console",
        "Show a link to the operator's page that logs one person in, once.\n\nIt is there with admin.listen, for five"
        " minutes; a login holds for eight hours, or until a restart. The page is at the admin socket too, without a"
        " login.",
        "who is logged in to the operator's page",
        console,
        is_local=True,
    ),
    Command(
        "bans",
        "List who is banned: network, how long still, by whom, and why.\n\nAddresses are shown here and in the ban log"
        " alone.",
        "",
        list_bans,
    ),
    Command(
        "ban",
        "Keep an address or a network out for a while, open connections too.\n\nIt is turned away before TLS."
        " Members' and exempt networks within it go on, unless it lies within one of theirs. A front proxy cannot be"
        " banned.",
        "who is let in, until the time is over",
        ban,
        (NETWORK, FOR, REASON),
    ),
    Command(
        "unban",
        "Let an address or a network in again, whatever it does, for a while.\n\nIt holds against all rules and bans of"
        " wider networks.",
        "who is let in, until the time is over",
        unban,
        (NETWORK, FOR),
    ),
    Command(
        "member add",
        "Make somebody a member by a URL of their own, which is shown once.\n\nWho asks at that URL goes first at every"
        " bound that all share, wherever they are. Give it to one person alone: the limits are one client's. While no"
        " service runs, --config is needed, and the file of members is written.",
        "who is a member: clients.member_file",
        members.add,
        (members.NAME, members.EXPIRES),
        # The URL is to be on no more machines than it must; that there is a member, the other nodes are told.
        is_local=True,
        needs_service=False,
    ),
    Command(
        "member list",
        "Tell who is a member by a URL of their own, since when and until when.",
        "",
        members.list_all,
        needs_service=False,
    ),
    Command(
        "member revoke",
        "End a member's URL: it is answered as any wrong one from now on, on open connections too.",
        "who is a member: clients.member_file",
        members.revoke,
        (members.NAME,),
        needs_service=False,
    ),
    Command(
        "nodes",
        "Tell which nodes there are: since when, which version and configuration each runs, and what is amiss.\n\nExit"
        " code 1 if anything is. Every command is carried out at another node with --node NAME, and at each with --node"
        " all.",
        "",
        nodes,
    ),
    Command(
        "nodes forget",
        "Count on a node no longer that is gone for good: its part of every budget is the others' at once.\n\nElse it"
        " is kept for it for a day.",
        "what is kept for a node that is gone",
        forget,
        (NODE_NAME,),
    ),
    Command(
        "explain",
        "Tell what would happen to a question now, stage by stage, and why; nothing is changed.\n\nNothing is charged,"
        " no counter moves, and nobody is asked upstream.",
        "",
        explain,
        EXPLAIN_ARGUMENTS,
    ),
    Command(
        "config show",
        "Tell what holds, key by key, and where each value comes from: file, preset, budget or default.",
        "",
        config_show.show,
        config_show.ARGUMENTS,
    ),
    Command(
        "drain",
        "End the service as SIGTERM does: no new connections, requests under way are finished.\n\nIt does not come"
        " back by itself: `systemctl start dohproxy`.",
        "everything: the service ends",
        lifecycle.drain,
        is_for_one=True,
    ),
    Command(
        "log-level",
        "Change the level of the log for a while; then it goes back to the configured one.",
        "the level of the log, until the time is over or the service is started again",
        log_level,
        (
            Argument(
                "level",
                Choice(("debug", "info", "warning", "error"), "The least important kind of message written."),
                is_required=True,
            ),
            # An hour is an incident's length; beyond a day it is a setting, which belongs in the file.
            Argument("minutes", Integer(1, 1_440, "minutes", "How long."), is_option=True, default=60),
        ),
    ),
)
