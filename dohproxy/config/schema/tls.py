"""[tls]: the certificate."""

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

from dohproxy.config.addresses import parse_path
from dohproxy.config.keys import Number, Text


@dataclass(frozen=True, slots=True)
class TlsConfig:
    """The certificate. Without this section the frontend speaks plain HTTP, for a front proxy on this machine."""

    certificate: Annotated[
        Path,
        Text(
            parse_path,
            "file name",
            "fullchain.pem",
            "Certificate and intermediates, PEM, the server's first. Relative names start from this file's directory.",
        ),
    ]
    key: Annotated[
        Path,
        Text(parse_path, "file name", "privkey.pem", "Private key of the certificate, PEM, no password."),
    ]
    reload_seconds: Annotated[
        float,
        Number(
            1,
            3600,
            "seconds",
            "Between two looks at both files. A new pair is taken without dropping a connection, a bad one refused."
            " Renewals come days ahead of need, so a minute is soon; a look is two system calls.",
        ),
    ] = 60
