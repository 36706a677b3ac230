"""[nodes]: what this node shares with others."""

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Final

from dohproxy.config.addresses import Unusable, parse_path
from dohproxy.config.keys import Integer, Text
from dohproxy.config.store_address import StoreAddress, parse_store

MOST_NODES: Final = 256
_NAME: Final = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9._-]{0,62}[A-Za-z0-9])?")
_WORD: Final = re.compile(r"[A-Za-z0-9_-]{1,32}")


def parse_node_name(text: str, _: Path) -> str:
    """Return the name of a node; raise `Unusable` for what is none."""
    if not _NAME.fullmatch(text):
        raise Unusable("is no name of a node; write 1 to 64 letters, digits, dots and hyphens, such as paris-1.")
    if text == "all":
        raise Unusable('means each node in commands (--node all); write another name, such as "paris-1".')
    return text


def parse_word(text: str, _: Path) -> str:
    """Return a word that may stand in the keys of the store, or be a user there; raise `Unusable` for another text."""
    if not _WORD.fullmatch(text):
        raise Unusable("is no word of 1 to 32 letters, digits, _ and -; write for example dohproxy.")
    return text


@dataclass(frozen=True, slots=True)
class NodesConfig:
    """What this node shares with others through a store, Valkey or Redis: one budget for each upstream, answers, bans
    and what was said by hand. Without this section the node is alone. docs/nodes.md explains all of it.

    Nothing waits for the store but a question that the cache cannot answer, and that for 20 ms at most.
    """

    store: Annotated[
        StoreAddress,
        Text(
            parse_store,
            "unix:path, valkey://address:port or valkeys://address:port#name",
            "unix:/run/valkey/valkey.sock",
            "Where the store is: Valkey 7.2 or Redis 7.0, or later. With valkeys:// TLS is spoken, and the certificate"
            " must bear the name after #, or the address. redis:// and rediss:// mean the same.",
        ),
    ]
    key_file: Annotated[
        Path,
        Text(
            parse_path,
            "file name",
            "nodes.key",
            "At least 32 random bytes, the same at all nodes: `openssl rand -out nodes.key 32`. Everything in the store"
            " is sealed with it, and the names of keys are made with it, so that who reads the store learns no name, no"
            " answer and no client.",
        ),
    ]
    name: Annotated[
        str | None,
        Text(
            parse_node_name,
            "name",
            "paris-1",
            "What this node is called by the others, in commands and in messages. Absent: the machine's name. Two nodes"
            " of one name take each other's budget.",
        ),
    ] = None
    expected: Annotated[
        int,
        Integer(
            1,
            MOST_NODES,
            "nodes",
            "How many nodes there are at most, the same at all of them. Without the store each keeps one part in so"
            " many of every budget, so that all together never ask an upstream for more than was agreed. Each worker"
            " is a node.",
        ),
    ] = 2
    lookup_milliseconds: Annotated[
        int,
        Integer(
            1,
            100,
            "milliseconds",
            "How long a question that the cache cannot answer may wait for what the store has; then an upstream is"
            " asked. A store on the same network takes less than one; put it where all nodes reach it within ten, or"
            " raise this to twice the round trip.",
        ),
    ] = 20
    prefix: Annotated[
        str,
        Text(
            parse_word,
            "word",
            "dohproxy",
            "How all keys in the store begin, so that other programs, or another association, may share it.",
        ),
    ] = "dohproxy"
    user: Annotated[
        str | None,
        Text(
            parse_word,
            "word",
            "dohproxy",
            "As whom this node logs in to the store (its ACL); absent: as the default user.",
        ),
    ] = None
    password_file: Annotated[
        Path | None,
        Text(parse_path, "file name", "store.password", "The password there, on the first line of a file."),
    ] = None
    ca_file: Annotated[
        Path | None,
        Text(
            parse_path,
            "file name",
            "store-ca.pem",
            "Authorities, PEM, that the store's certificate may come from; absent: those of the system.",
        ),
    ] = None
