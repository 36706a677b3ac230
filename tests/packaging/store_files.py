"""The shipped configuration of the store, made to run in a directory of a test."""

import hashlib
import shutil
from pathlib import Path

from tests.e2e.certificates import CertificateAuthority

NODES = Path(__file__).parents[2] / "conf" / "nodes"
PASSWORD = "of a test"  # noqa: S105 - of nothing else
NAME = "store.example.net"


def prepared(directory: Path, authority: CertificateAuthority, address: str, port: int) -> Path:
    """Write all that the configuration names into a directory, with nothing changed but places and the password; return
    the configuration."""
    pair = authority.issue([NAME])
    shutil.copy(pair.certificate, directory / "store.pem")
    shutil.copy(pair.key, directory / "store.key")
    acl = (NODES / "dohproxy-store.acl").read_text(encoding="utf-8")
    acl = acl.replace("0" * 64, hashlib.sha256(PASSWORD.encode()).hexdigest())
    (directory / "dohproxy-store.acl").write_text(acl, encoding="utf-8")
    text = (NODES / "dohproxy-store.conf").read_text(encoding="utf-8")
    for old, new in (
        ("/etc/redis/", f"{directory}/"),
        ("/run/redis-dohproxy/", f"{directory}/"),
        ("192.0.2.7", address),
        ("tls-port 6379", f"tls-port {port}"),
    ):
        assert old in text
        text = text.replace(old, new)
    file = directory / "redis-dohproxy.conf"
    file.write_text(text, encoding="utf-8")
    return file
