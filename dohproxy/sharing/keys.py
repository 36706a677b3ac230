"""How what is shared is called in the store, and what hides it there: both from one secret that all nodes have."""

import hashlib
from typing import Final

FORMAT: Final = 1
"""In the name of every key but the ledger's: releases that write something else use another number, so that two can
live side by side while one node after the other is brought up to date."""
LEDGER_FORMAT: Final = 1
"""In the name of the ledger of budgets, which has to be one for all releases that ask the same upstreams: two would
give each budget away twice. It never changes: what is new there is a field that older ones leave alone."""
SECRET_BYTES: Final = 32
"""The least length of the secret."""
DIGEST_BYTES: Final = 16
"""Of a digest that stands for a name: no two are equal by chance."""


class Keys:
    """The names of keys under one prefix, made with one secret."""

    def __init__(self, prefix: str, secret: bytes) -> None:
        """`secret`: at least SECRET_BYTES random bytes, the same at all nodes."""
        self._secret = hashlib.blake2b(secret, digest_size=SECRET_BYTES, person=b"dohproxy nodes").digest()
        # Who has another secret has other keys altogether: nothing of one association is unreadable to the other, as
        # nothing of it is ever read.
        mark = self.derive("mark")[:4].hex()
        self._prefix, self._mark = prefix, mark

    def derive(self, purpose: str) -> bytes:
        """Return the 32 bytes of a key for one purpose, which tell nothing of those for others."""
        return hashlib.blake2b(purpose.encode(), digest_size=SECRET_BYTES, key=self._secret).digest()

    def digest(self, purpose: str, data: bytes) -> bytes:
        """Return what stands for `data` where it is not to be read: the same at all nodes, and nothing without the
        secret."""
        return hashlib.blake2b(data, digest_size=DIGEST_BYTES, key=self.derive(purpose)).digest()

    def of(self, kind: str, form: int | None = None) -> str:
        """Return the name of what there is once, in this format or in `form`. All that one script touches has one kind,
        and so one place in a store of several machines (the part in braces decides, cluster specification)."""
        return f"{self._prefix}:{FORMAT if form is None else form}:{self._mark}:{{{kind}}}"

    def of_one(self, kind: str, data: bytes) -> str:
        """Return the name of one of many, whose own name is hidden; each has a place of its own."""
        return f"{self._prefix}:{FORMAT}:{self._mark}:{kind}:{{{self.digest(kind, data).hex()}}}"
