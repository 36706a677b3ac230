"""nginx, HAProxy and Caddy, configured by the examples in conf/, each a child process in front of a dohproxy.

An example is run as it is shipped: only its addresses, file names and what wants root are replaced, and each text
to be replaced must be there.
"""

import os
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path

from tests.conftest import FindProgram
from tests.e2e.certificates import CertificateAuthority, CertificateFiles
from tests.e2e.processes import LOOPBACK, Child, accepts_connections, free_port, start_on_free_ports
from tests.e2e.proxy import PROJECT, Proxy, ProxySettings, environment

HOST = "doh.example.net"
CHAIN = f"/etc/letsencrypt/live/{HOST}/fullchain.pem"
KEY = f"/etc/letsencrypt/live/{HOST}/privkey.pem"
STREAM_MODULE = "/usr/lib/nginx/modules/ngx_stream_module.so"

# 50 requests over loopback are done within 1 s on an idle machine.
CURL_SECONDS = 60


@dataclass(frozen=True, slots=True)
class Site:
    """What an example needs to know to be run."""

    program: str
    directory: Path
    """Its own, for everything it writes."""
    backend: str
    """Where dohproxy is: address and port, or the absolute path of a Unix socket."""
    certificate: CertificateFiles
    port: int = 0
    changes: Mapping[str, str] = field(default_factory=dict)
    """Further texts of the example, and what stands in their place: a mistake an operator makes."""

    @property
    def socket(self) -> bool:
        """Whether dohproxy is behind a Unix socket."""
        return self.backend.startswith("/")

    def write(self, example: str, texts: Mapping[str, str]) -> Path:
        """Write the example for this site and return the file."""
        text = (PROJECT / "conf" / example).read_text(encoding="utf-8")
        for old, new in {**texts, **self.changes}.items():
            assert old in text, f"{example} does not hold {old!r}"
            text = text.replace(old, new)
        file = self.directory / example
        file.write_text(text, encoding="utf-8")
        return file


def start_nginx(site: Site) -> Child:
    """Start nginx, which ends TLS."""
    temporary = "".join(
        f"    {kind}_temp_path {site.directory}/{kind};\n"
        for kind in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
    )
    texts = {
        "http {\n": f"http {{\n{temporary}",
        "server 127.0.0.1:8053": f"server {'unix:' if site.socket else ''}{site.backend}",
        "listen 443 ssl http2;": f"listen {LOOPBACK}:{site.port} ssl http2;",
        CHAIN: str(site.certificate.certificate),
        KEY: str(site.certificate.key),
    }
    return _start_nginx(site, "nginx.conf", texts)


def start_nginx_stream(site: Site) -> Child:
    """Start nginx, which passes TLS on unopened."""
    texts = {
        f"{HOST} 127.0.0.1:8443": f"{HOST} {'unix:' if site.socket else ''}{site.backend}",
        "default 127.0.0.1:8443": f"default {LOOPBACK}:{free_port()}",  # to see that the name has been read
        "listen 443;": f"listen {LOOPBACK}:{site.port};",
    }
    return _start_nginx(site, "nginx-stream.conf", texts)


def _start_nginx(site: Site, example: str, texts: Mapping[str, str]) -> Child:
    log = site.directory / "error.log"
    user = "user root;" if os.geteuid() == 0 else ""  # whose the directory is
    file = site.write(example, {"user www-data;": user, "/var/log/nginx/error.log": str(log), **texts})
    # Without a master process there is one process, which is ours to end.
    main = f"daemon off; master_process off; pid {site.directory}/nginx.pid;"
    return _start(site, [site.program, "-p", str(site.directory), "-e", str(log), "-c", str(file), "-g", main])


def start_haproxy(site: Site) -> Child:
    """Start HAProxy, which ends TLS."""
    bundle = site.directory / "bundle.pem"
    bundle.touch(mode=0o600)
    bundle.write_bytes(site.certificate.certificate.read_bytes() + site.certificate.key.read_bytes())
    texts = {
        "bind *:443": f"bind {LOOPBACK}:{site.port}",
        f"/etc/haproxy/{HOST}.pem": str(bundle),
        "server dohproxy 127.0.0.1:8053": f"server dohproxy {'unix@' if site.socket else ''}{site.backend}",
    }
    return _start_haproxy(site, "haproxy.cfg", texts)


def start_haproxy_tcp(site: Site) -> Child:
    """Start HAProxy, which passes TLS on unopened."""
    texts = {
        "bind *:443": f"bind {LOOPBACK}:{site.port}",
        "server dohproxy 127.0.0.1:8443": f"server dohproxy {'unix@' if site.socket else ''}{site.backend}",
    }
    return _start_haproxy(site, "haproxy-tcp.cfg", texts)


def _start_haproxy(site: Site, example: str, texts: Mapping[str, str]) -> Child:
    file = site.write(example, {"log /dev/log local0": "log stdout format raw local0", **texts})
    return _start(site, [site.program, "-db", "-f", str(file)])


def start_caddy(site: Site) -> Child:
    """Start Caddy, which ends TLS."""
    # One that listens on this port and loopback alone, and asks nobody for a certificate.
    options = f"\tadmin off\n\tauto_https disable_redirects\n\tdefault_bind {LOOPBACK}\n"
    tls = f"\ttls {site.certificate.certificate} {site.certificate.key}\n"
    texts = {
        "\n{\n": f"\n{{\n{options}",
        f"\n{HOST} {{\n": f"\nhttps://{HOST}:{site.port} {{\n{tls}",
        "reverse_proxy 127.0.0.1:8053": f"reverse_proxy {'unix/' if site.socket else ''}{site.backend}",
    }
    file = site.write("Caddyfile", texts)
    return _start(site, [site.program, "run", "--adapter", "caddyfile", "--config", str(file)])


def _start(site: Site, argv: Sequence[str]) -> Child:
    home = {name: str(site.directory) for name in ("HOME", "XDG_DATA_HOME", "XDG_CONFIG_HOME")}
    child = Child(argv, site.directory / "front.log", environment={**environment(), **home})
    child.wait_until_ready(lambda: accepts_connections(site.port))
    return child


@dataclass(frozen=True, slots=True)
class FrontProxy:
    """One of the examples."""

    name: str
    program: str
    package: str
    """The Debian package that has the program."""
    has_tls: bool
    """It ends TLS and names clients in a header; otherwise dohproxy does, and the PROXY protocol names them."""
    module: str = ""
    """A file that the program needs besides itself."""

    def find(self, find_program: FindProgram) -> str:
        """Find the program, or skip the test."""
        if self.module and not Path(self.module).exists():
            find_program(self.module, self.package)
        return find_program(self.program, self.package)

    def start(self, site: Site) -> tuple[Site, Child]:
        """Start on a free port; return the site with that port, and the process."""
        starters = {
            "nginx": start_nginx,
            "nginx-stream": start_nginx_stream,
            "haproxy": start_haproxy,
            "haproxy-tcp": start_haproxy_tcp,
            "caddy": start_caddy,
        }

        def start_once() -> tuple[Site, Child]:
            tried = replace(site, port=free_port())
            return tried, starters[self.name](tried)

        return start_on_free_ports(start_once)


FRONT_PROXIES = (
    FrontProxy("nginx", "nginx", "nginx", has_tls=True),
    FrontProxy("haproxy", "haproxy", "haproxy", has_tls=True),
    FrontProxy("caddy", "caddy", "caddy", has_tls=True),
    FrontProxy("nginx-stream", "nginx", "libnginx-mod-stream", has_tls=False, module=STREAM_MODULE),
    FrontProxy("haproxy-tcp", "haproxy", "haproxy", has_tls=False),
)


@contextmanager
def running_front(front: FrontProxy, site: Site) -> Iterator[tuple[Site, Child]]:
    """Start a front proxy and end it, however the test ends."""
    site, child = front.start(site)
    try:
        yield site, child
    finally:
        child.kill()


class ProxyOnSocket(Proxy):
    """A dohproxy that listens on a Unix socket too."""

    def __init__(self, directory: Path, settings: ProxySettings) -> None:
        super().__init__(directory, settings)
        self.socket = directory / "doh.sock"

    def _start_once(self) -> None:
        sections = dict(self._settings.sections or {})
        listen = [f"{LOOPBACK}:{self.port}", f"unix:{self.socket}"]
        sections["server"] = {**sections.get("server", {}), "listen": listen}
        self._settings = replace(self._settings, sections=sections)
        super()._start_once()


# ---------------------------------------------------------------- clients


@dataclass(frozen=True, slots=True)
class Fetched:
    """What curl got for one request; status 0: no response."""

    status: int
    version: str
    """The version of HTTP, as curl writes it: "1.1", "2"."""
    retry_after: str
    alt_svc: str
    """Where else the same is to be had (RFC 7838)."""
    error: str
    """What curl says about a request without a whole response."""
    body: bytes


@dataclass(frozen=True, slots=True)
class Curl:
    """Fetches from one front proxy as different clients, each with an address of its own."""

    program: str
    authority: CertificateAuthority
    port: int
    directory: Path

    def fetch(
        self, client: str, targets: Sequence[str], *, headers: Sequence[str] = (), body: bytes | None = None
    ) -> list[Fetched]:
        """Fetch these targets one after the other from the address `client`, all with these header fields.

        The client offers HTTP/2 and keeps its connection.
        """
        told = "%{http_code} %{http_version} %header{retry-after}|%header{alt-svc}|%{errormsg};"
        lines = [f'write-out = "{told}\\n"', "http2", "silent"]
        lines += [f'interface = "{client}"', f'cacert = "{self.authority.file}"', 'noproxy = "*"', "max-time = 20"]
        lines += [f'resolve = "{HOST}:{self.port}:{LOOPBACK}"']
        lines += [f'header = "{line}"' for line in ("Accept: application/dns-message", *headers)]
        if body is not None:
            (self.directory / "body").write_bytes(body)
            lines.append(f'data-binary = "@{self.directory / "body"}"')
        outputs = [self.directory / f"output-{number}" for number in range(len(targets))]
        for output, target in zip(outputs, targets, strict=True):
            output.unlink(missing_ok=True)
            lines += [f'url = "https://{HOST}:{self.port}{target}"', f'output = "{output}"']
        return [_fetched(line, output) for line, output in zip(self._run(lines).split(";\n"), outputs, strict=False)]

    def _run(self, lines: Sequence[str]) -> str:
        config = self.directory / "curl.txt"
        config.write_text("\n".join(lines), encoding="ascii")
        run = subprocess.run(
            [self.program, "-q", "--config", str(config)],
            capture_output=True,
            text=True,
            timeout=CURL_SECONDS,
            check=False,
            env=environment(),
        )
        return run.stdout


def _fetched(line: str, output: Path) -> Fetched:
    response, alt_svc, error = line.split("|", 2)
    status, version, retry_after = response.split(" ", 2)
    body = output.read_bytes() if output.exists() else b""
    return Fetched(int(status), version, retry_after, alt_svc, error, body)
