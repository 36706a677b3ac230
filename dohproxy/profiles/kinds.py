"""The kinds of profiles: one row for each client, with what makes its file, what it needs, and where the file goes."""

from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum, auto
from typing import Final

from dohproxy.profiles import apple, browsers, forwarders, windows
from dohproxy.profiles.offer import DOT_PORT, Offer, Wishes, is_name


class Need(Enum):
    """What a kind cannot do without."""

    ADDRESS = auto()
    """An IP address, as the client looks up no name before it can ask."""
    STAMP = auto()
    """A DNS stamp."""
    DOT = auto()
    """DNS over TLS at a name, on any port."""
    DOT_853 = auto()
    """The same on port 853: the client can be told no other."""


@dataclass(frozen=True, slots=True)
class Kind:
    """One kind of profile."""

    name: str
    """What is typed."""
    client: str
    """Whom it is for."""
    file: str
    """What the file is called if nobody says otherwise."""
    make: Callable[[Offer, Wishes], bytes]
    steps: str
    """What to do with the file, and by hand without it; `{url}`, `{template}`, `{name}` stand for what is typed."""
    needs: tuple[Need, ...] = ()
    is_signable: bool = False
    """Devices tell who has made it, if it is signed."""
    heeds_wifi: bool = False
    """Whether it can be told on which wireless networks it is not to ask."""
    heeds_hash: bool = False
    """Whether it can be told to accept one certificate, or one key, alone."""

    @property
    def wants_tls(self) -> bool:
        """Whether it asks by DNS over TLS."""
        return Need.DOT in self.needs or Need.DOT_853 in self.needs


_FIREFOX_STEPS: Final = (
    "Linux: /etc/firefox/policies/policies.json. Windows: distribution\\policies.json beside firefox.exe. macOS:"
    " Firefox.app/Contents/Resources/distribution/policies.json. Without the file: Settings, Privacy & Security, DNS"
    " over HTTPS, Increased Protection, Choose provider: Custom, {url}"
)
_CHROME_BY_HAND: Final = (
    "Without the file: Settings, Privacy and security, Security, Use secure DNS, Add custom DNS service provider,"
    " {template}"
)
_CHROME_STEPS: Final = (
    "As dohproxy.json in /etc/opt/chrome/policies/managed (Chrome), /etc/chromium/policies/managed (Chromium),"
    " /etc/opt/edge/policies/managed (Edge) or /etc/brave/policies/managed (Brave); the browser then says that it is"
    f" managed. {_CHROME_BY_HAND}"
)
_APPLE_STEPS: Final = (
    "Open it on the device, and install it: Settings, General, VPN & Device Management on iOS, System Settings,"
    " General, Device Management on macOS. Settings, DNS can switch it off and on from then on."
)

KINDS: Final[tuple[Kind, ...]] = (
    Kind(
        "apple",
        "iPhone, iPad and Mac, DNS over HTTPS",
        "dns.mobileconfig",
        apple.https_profile,
        _APPLE_STEPS,
        is_signable=True,
        heeds_wifi=True,
    ),
    Kind(
        "apple-dot",
        "iPhone, iPad and Mac, DNS over TLS",
        "dns-dot.mobileconfig",
        apple.tls_profile,
        _APPLE_STEPS,
        (Need.DOT_853,),
        is_signable=True,
        heeds_wifi=True,
    ),
    Kind(
        "android",
        "Android 9 and later, Private DNS",
        "private-dns.txt",
        forwarders.android,
        "Settings, Network & internet, Private DNS, Private DNS provider hostname: {name}",
        (Need.DOT_853,),
    ),
    Kind(
        "windows",
        "Windows 11, DNS over HTTPS",
        "dns.cmd",
        windows.https_script,
        "Run it as administrator; it tells what to choose in Settings then.",
        (Need.ADDRESS,),
    ),
    Kind(
        "windows-dot",
        "Windows 11 24H2 and later, DNS over TLS",
        "dns-dot.cmd",
        windows.tls_script,
        "Run it as administrator; it tells what to choose in Settings then.",
        (Need.DOT_853, Need.ADDRESS),
    ),
    Kind(
        "firefox",
        "Firefox, everywhere",
        "policies.json",
        browsers.firefox_policies,
        _FIREFOX_STEPS,
    ),
    Kind(
        "chrome",
        "Chrome, Chromium, Edge and Brave on Linux",
        "dohproxy.json",
        browsers.chromium_policies,
        _CHROME_STEPS,
    ),
    Kind(
        "chrome-windows",
        "Chrome and Edge on Windows",
        "dns.reg",
        browsers.chromium_registry,
        f"Open it as administrator; the browsers then say that they are managed. {_CHROME_BY_HAND}",
    ),
    Kind(
        "systemd-resolved",
        "systemd-resolved, DNS over TLS",
        "systemd-resolved.conf",
        forwarders.systemd_resolved,
        "As /etc/systemd/resolved.conf.d/dohproxy.conf; then systemctl restart systemd-resolved.",
        (Need.DOT, Need.ADDRESS),
    ),
    Kind(
        "networkmanager",
        "NetworkManager with systemd-resolved, DNS over TLS",
        "networkmanager.sh",
        forwarders.network_manager,
        "sh networkmanager.sh NAME, with the name of a connection that `nmcli connection show` lists.",
        (Need.DOT, Need.ADDRESS),
    ),
    Kind(
        "dnscrypt-proxy",
        "dnscrypt-proxy, DNS over HTTPS",
        "dnscrypt-proxy.toml",
        forwarders.dnscrypt_proxy,
        "As /etc/dnscrypt-proxy/dnscrypt-proxy.toml, or its last lines into the file that is there.",
        (Need.STAMP,),
        heeds_hash=True,
    ),
    Kind(
        "dnsmasq",
        "dnsmasq before dnscrypt-proxy",
        "dnsmasq.conf",
        forwarders.dnsmasq,
        "As /etc/dnsmasq.d/dohproxy.conf. dnscrypt-proxy needs its own profile, with the port that this one names.",
        (Need.STAMP,),
    ),
    Kind(
        "unbound",
        "Unbound, DNS over TLS",
        "unbound.conf",
        forwarders.unbound,
        "As /etc/unbound/unbound.conf.d/dohproxy.conf; then unbound-checkconf and systemctl restart unbound.",
        (Need.DOT, Need.ADDRESS),
    ),
    Kind(
        "stubby",
        "stubby, DNS over TLS",
        "stubby.yml",
        forwarders.stubby,
        "As /etc/stubby/stubby.yml; then systemctl restart stubby.",
        (Need.DOT, Need.ADDRESS),
        heeds_hash=True,
    ),
    Kind(
        "openwrt",
        "OpenWrt with https-dns-proxy, DNS over HTTPS",
        "https-dns-proxy",
        forwarders.openwrt,
        "As /etc/config/https-dns-proxy on the router; then service https-dns-proxy restart.",
    ),
    Kind(
        "curl",
        "curl, DNS over HTTPS",
        "curlrc",
        forwarders.curl,
        "Into ~/.curlrc, or once with: curl --doh-url {url} https://example.org/",
    ),
)


def find_kind(name: str) -> Kind | None:
    """Return the kind of this name."""
    return next((kind for kind in KINDS if kind.name == name), None)


def missing(kind: Kind, offer: Offer) -> str:
    """Return what the offer lacks for this kind, as a sentence with what to do; "" if there is a profile."""
    if kind.wants_tls:
        if offer.dot is None:
            return (
                f"{kind.name} asks by DNS over TLS, which is not served: write [dot] and its listen into the"
                " configuration, or take a kind for DNS over HTTPS."
            )
        if not is_name(offer.dot.name):
            return f"{kind.name} verifies a name, and server.host is an address: write a name there."
        if Need.DOT_853 in kind.needs and offer.dot.port != DOT_PORT:
            return f"{kind.name} asks on port {DOT_PORT} alone, and DNS over TLS is served on {offer.dot.port}."
    addresses = offer.over_tls().addresses if kind.wants_tls else offer.addresses
    if Need.ADDRESS in kind.needs and not addresses:
        return f"{kind.name} needs an address, and none is known: write it into discovery.addresses, or give --address."
    if Need.STAMP in kind.needs and not offer.stamps:
        return f"{kind.name} is told a DNS stamp, and the path of this URL is too long for one."
    return ""


def steps_of(kind: Kind, offer: Offer) -> str:
    """Return what to do with the file."""
    name = "" if offer.dot is None else offer.dot.name
    return kind.steps.format(url=offer.url, template=browsers.template_of(offer), name=name)
