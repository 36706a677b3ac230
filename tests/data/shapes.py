"""Figures of public lists of names, by which `tests.data.names` makes others that look alike.

Counted over the 10,000 most popular names of opendns/public-domain-lists (public domain), in percent. It lists what
was registered; which kinds of names are asked for below that is not counted but chosen, so that each kind is there.
"""

from typing import Final

SUFFIXES: Final = {
    "com": 64.8, "net": 9.0, "org": 3.5, "it": 1.5, "com.br": 1.9, "vn": 1.5, "cn": 1.3, "info": 1.0, "com.tr": 0.8,
    "co.uk": 0.8, "cc": 0.8, "ru": 0.8, "biz": 0.7, "de": 0.7, "ws": 0.7, "tv": 0.6, "me": 0.5, "gov": 0.5, "io": 0.4,
    "co": 0.4, "ca": 0.4, "com.cn": 0.3, "fr": 0.3, "co.jp": 0.3, "jp": 0.3, "in": 0.3, "com.vn": 0.2, "edu": 0.2,
    "es": 0.2, "us": 0.2, "pl": 0.2, "com.au": 0.2, "com.mx": 0.2, "to": 0.2, "com.ar": 0.2, "nl": 0.2, "eu": 0.2,
    "se": 0.2, "mobi": 0.1, "dk": 0.1, "ch": 0.1, "com.tw": 0.1, "be": 0.1, "co.kr": 0.1, "co.in": 0.1, "co.nz": 0.1,
}  # fmt: skip
"""Under what a name was registered."""

LABEL_LENGTHS: Final = {
    1: 0.1, 2: 0.6, 3: 6.5, 4: 5.9, 5: 9.0, 6: 11.8, 7: 11.6, 8: 11.6, 9: 9.7, 10: 8.4, 11: 7.0, 12: 4.9, 13: 3.5,
    14: 2.9, 15: 2.2, 16: 1.6, 17: 1.0, 18: 0.7, 19: 0.5, 20: 0.3, 21: 0.2, 22: 0.1, 23: 0.1, 28: 0.02, 37: 0.01,
}  # fmt: skip
"""The lengths of the label that was registered, without those above it."""

LETTERS: Final = {
    "e": 9.6, "a": 8.5, "o": 7.2, "i": 7.1, "t": 6.7, "s": 6.3, "r": 6.0, "n": 5.7, "c": 4.9, "l": 4.4, "d": 4.1,
    "m": 4.0, "p": 3.2, "g": 2.8, "u": 2.6, "b": 2.5, "h": 2.2, "y": 1.8, "f": 1.7, "k": 1.6, "v": 1.6, "w": 1.5,
    "x": 0.9, "z": 0.7, "j": 0.5, "q": 0.4,
}  # fmt: skip

WITH_DIGITS: Final = 4.8
"""Labels that have digits."""

WITH_HYPHENS: Final = 3.8

BELOW_ANOTHER: Final = 1.0
"""Names that are listed with a label in front of what was registered."""

KINDS: Final = {
    "registered": 28, "www": 14, "service": 20, "content network": 10, "underscored": 5, "tracker": 6, "address": 4,
    "numeric": 2, "reverse": 5, "international": 3, "long text": 2, "longest": 1,
}  # fmt: skip
"""How often of a hundred names asked for each kind is made: chosen."""

SERVICES: Final = ("api", "cdn", "static", "img", "mail", "m", "login", "ads", "edge", "news", "auth", "sync", "ns1")
UNDERSCORED: Final = (
    "_dmarc", "_443._tcp", "_sip._udp", "_sips._tcp", "_acme-challenge", "s1._domainkey", "_dns.resolver",
    "_8443._https", "_ldap._tcp.dc._msdcs", "selector1._domainkey", "_mta-sts", "_xmpp-client._tcp",
)  # fmt: skip
"""What RFC 8552 keeps apart."""

SCRIPTS: Final = (
    "àáâäçèéêëíñóôöùúüß",
    "абвгдеиклмнопрстуя",
    "αβγδεικλμνοπρστυω",
    "中文公司网络商城新闻",
    "كلمةشبكةاخبار",
)
"""Letters of names that are not in English."""
