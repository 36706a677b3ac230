"""The one secret that outlives a process: under it client networks are hashed, and the state file is sealed.

With it, whoever has the state file too could try all networks and find out which have asked here. So it lies in a file
of its own, for this user alone, and is not to be copied with backups; whoever deletes it makes all that was kept
unreadable for ever.
"""

import hashlib
import os
from pathlib import Path
from typing import Final

from dohproxy.jobs.atomic_file import AtomicFile, ForeignFile, read_own_file, reason_of

NAME: Final = "key"
KEY_BYTES: Final = 32
"""As long as what a process without a state directory draws for itself."""
SEAL_BYTES: Final = 16
"""The length of a hash that stands for an upstream: no two are equal by chance."""


class NoKey(Exception):
    """There is no key to be had; the message is a sentence for the operator, with the remedy."""


class StateKey:
    """A key for each purpose, none of which tells anything of the others."""

    def __init__(self, secret: bytes) -> None:
        """`secret`: KEY_BYTES random bytes."""
        self._secret = secret
        self.clients = self._derive(b"clients")
        """For the hashes of client networks."""
        self.file = self._derive(b"state file")
        """For the seal of the state file."""
        self.mark = self._derive(b"mark")[:8]
        """Tells two keys apart and nothing else."""

    def seal(self, name: str) -> str:
        """Return what stands for an upstream in the file: its address and its group are not written there."""
        key = self._derive(b"upstreams")
        return hashlib.blake2b(name.encode(), digest_size=SEAL_BYTES, key=key).hexdigest()

    def _derive(self, purpose: bytes) -> bytes:
        return hashlib.blake2b(key=self._secret, digest_size=KEY_BYTES, person=purpose).digest()


def open_key(directory: Path) -> StateKey:
    """Return the key in `directory`, made there if there is none yet. Blocks; raises NoKey."""
    path = directory / NAME
    try:
        secret = read_own_file(path, KEY_BYTES + 1, is_secret=True)
    except FileNotFoundError:
        return StateKey(_make(path))
    except ForeignFile as fault:
        raise NoKey(f"{path} {fault}: delete it and the state file beside it, and new ones are made") from None
    except OSError as error:
        raise NoKey(f"{path} cannot be read ({reason_of(error)}): it must be a file of the service's user") from None
    if len(secret) != KEY_BYTES:
        raise NoKey(f"{path} has not {KEY_BYTES} bytes, so it is no key: delete it, and a new one is made")
    return StateKey(secret)


def _make(path: Path) -> bytes:
    secret = os.urandom(KEY_BYTES)
    file = AtomicFile(path)
    try:
        file.open()
        file.write(secret)
        file.commit()
    except OSError as error:
        raise NoKey(
            f"{path} cannot be made ({reason_of(error)}): the directory must be there and belong to the service's user"
        ) from None
    finally:
        file.discard()
    return secret
