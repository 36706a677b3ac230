"""Browsers as DoH clients: each fetches a page by a name that only the proxy can tell."""

import base64
import hashlib
import http.server
import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from tests.e2e import zones
from tests.e2e.certificates import CertificateFiles
from tests.e2e.ground import Ground, Program, Way
from tests.e2e.proxy import Proxy

CHROMIUM = Program("chromium", "chromium")
FIREFOX = Program("firefox-esr", "firefox-esr")
PAGE_NAME = f"mixed.{zones.ORIGIN}"
PAGE_ADDRESS = "127.0.1.3"

FIREFOX_PREFERENCES = {
    "network.trr.mode": 3,
    "network.trr.allow-rfc1918": True,
    "network.trr.confirmationNS": "skip",
    "network.trr.wait-for-portal": False,
    "network.proxy.type": 0,
    "network.captive-portal-service.enabled": False,
    "network.connectivity-service.enabled": False,
    "network.http.http3.enable": False,
    "app.normandy.enabled": False,
    "app.update.enabled": False,
    "browser.safebrowsing.downloads.remote.enabled": False,
    "browser.shell.checkDefaultBrowser": False,
    "datareporting.policy.dataSubmissionEnabled": False,
    "dom.security.https_first": False,
    "services.settings.server": "data:,",
    "toolkit.telemetry.enabled": False,
}
"""DoH alone, without a look at the system's resolver, and as few requests of its own as it can be told to make."""


def chromium(ground: Ground, proxy: Proxy, way: Way) -> str:
    """Fetch the page, as every other resolver is ruled out."""
    template = proxy.url + ("{?dns}" if way.method == "GET" else "")
    profile = ground.directory / f"profile-{way.method}"
    profile.mkdir()
    secure = {"dns_over_https": {"mode": "secure", "templates": template}}
    (profile / "Local State").write_text(json.dumps(secure), encoding="ascii")
    argv = [ground.find_program("chromium", "chromium"), "--headless", "--no-sandbox", "--disable-gpu"]
    argv += ["--disable-quic", "--no-first-run", "--disable-background-networking", "--disable-component-update"]
    argv += ["--disable-sync", "--no-proxy-server", "--disable-features=HttpsUpgrades", f"--user-data-dir={profile}"]
    argv += [f"--ignore-certificate-errors-spki-list={key_hash(ground.certificate)}"]
    argv += ["--dns-over-https-mode=secure", f"--dns-over-https-templates={template}"]
    with page() as (port, told):
        run = ground.run(*argv, "--virtual-time-budget=5000", "--dump-dom", f"http://{PAGE_NAME}:{port}/")
    assert "seen by its name" in run.stdout, run
    assert f"{PAGE_NAME}:{port}" in told
    return "resolves"


def firefox(ground: Ground, proxy: Proxy, way: Way) -> str:
    """Fetch the page and paint it: that needs no driver. Firefox trusts nobody but its own list and the profile's."""
    profile = ground.directory / f"firefox-{way.method}"
    profile.mkdir()
    certutil = ground.find_program("certutil", "libnss3-tools")
    trust = ground.run(
        *(certutil, "-A", "-d", f"sql:{profile}", "-n", "tests", "-t", "C,,"), "-i", str(ground.authority.file)
    )
    assert trust.returncode == 0, trust
    preferences = FIREFOX_PREFERENCES | {
        "network.trr.uri": proxy.url,
        "network.trr.custom_uri": proxy.url,
        "network.trr.bootstrapAddr": "127.0.0.1",
        "network.trr.useGET": way.method == "GET",
    }
    lines = [f"user_pref({json.dumps(name)}, {json.dumps(value)});\n" for name, value in preferences.items()]
    (profile / "user.js").write_text("".join(lines), encoding="ascii")
    picture = ground.directory / f"{way.method}.png"
    argv = [ground.find_program("firefox-esr", "firefox-esr"), "--headless", "--no-remote", "--profile", str(profile)]
    with page() as (port, told):
        run = ground.run(*argv, "--screenshot", str(picture), f"http://{PAGE_NAME}:{port}/")
    assert f"{PAGE_NAME}:{port}" in told, run
    assert picture.stat().st_size > 0, run
    return "resolves"


def key_hash(files: CertificateFiles) -> str:
    """SHA-256 of the certificate's key in base64, by which Chromium trusts it without an authority."""
    key = x509.load_pem_x509_certificate(files.certificate.read_bytes()).public_key()
    digest = hashlib.sha256(key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)).digest()
    return base64.b64encode(digest).decode("ascii")


@contextmanager
def page() -> Iterator[tuple[int, list[str]]]:
    """A web page; the port where it is, and the names by which it has been fetched."""
    told: list[str] = []

    class Page(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            told.append(self.headers["Host"])
            self.send_response(200)
            self.send_header("Content-Type", "text/html")
            self.end_headers()
            self.wfile.write(b"<p>seen by its name</p>")

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the name in the standard library
            """Keep quiet."""

    with http.server.ThreadingHTTPServer((PAGE_ADDRESS, 0), Page) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield server.server_address[1], told
        finally:
            server.shutdown()
            thread.join(timeout=5)
