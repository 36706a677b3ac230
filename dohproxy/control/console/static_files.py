"""The files of the operator's page: read once, served from memory, and held to what they bring themselves.

The policy lets the page load scripts and styles from here and nothing from anywhere else, run no script that stands in
it, be shown in no frame, and send forms nowhere else.
"""

import hashlib
from dataclasses import dataclass
from importlib import resources
from typing import Final

POLICY: Final = "; ".join(
    (
        "default-src 'none'",
        "script-src 'self'",
        "style-src 'self'",
        "connect-src 'self'",
        "img-src 'self'",
        "base-uri 'none'",
        "form-action 'self'",
        "frame-ancestors 'none'",
    )
)
HEADERS: Final = {
    "Content-Security-Policy": POLICY,
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(), microphone=(), geolocation=()",
}
"""On everything that this listener says."""
FILES: Final = {
    "/": ("index.html", "text/html"),
    "/console/icon.svg": ("icon.svg", "image/svg+xml"),
    "/console/page.css": ("page.css", "text/css"),
    "/console/page.js": ("page.js", "text/javascript"),
    "/console/tables.js": ("tables.js", "text/javascript"),
    "/console/charts.js": ("charts.js", "text/javascript"),
    "/console/service.js": ("service.js", "text/javascript"),
    "/console/uplot.js": ("uPlot.iife.min.js", "text/javascript"),
    "/console/uplot.css": ("uPlot.min.css", "text/css"),
    "/console/uplot.licence.txt": ("uPlot.LICENSE.txt", "text/plain"),
}
"""By their paths: the file, and its media type."""


@dataclass(frozen=True, slots=True)
class StaticFile:
    """One file."""

    body: bytes
    media_type: str
    etag: str

    def is_known(self, if_none_match: str) -> bool:
        """Tell whether who asks has it already (RFC 9110 section 13.1.2)."""
        tags = {tag.strip().removeprefix("W/") for tag in if_none_match.split(",")}
        return self.etag in tags or "*" in tags


def read_files() -> dict[str, StaticFile]:
    """Return all files by their paths: some 100 KiB."""
    directory = resources.files(__package__) / "static"
    found = {}
    for path, (name, media_type) in FILES.items():
        body = (directory / name).read_bytes()
        found[path] = StaticFile(body, media_type, f'"{hashlib.sha256(body).hexdigest()[:32]}"')
    return found
