"""What profiles are made of in these tests: a service that has everything, and one that has the least."""

from dohproxy.profiles.offer import DotOffer, Offer

FULL = Offer(
    title="Association Exemple",
    host="doh.example.net",
    url="https://doh.example.net/dns-query",
    addresses=("192.0.2.1", "192.0.2.2", "2001:db8::1", "2001:db8:1::"),
    stamps=("sdns://AgAAAAAAAAAAAA", "sdns://AgAAAAAAAAAAAB"),
    dot=DotOffer("doh.example.net", addresses=("192.0.2.1", "192.0.2.2", "2001:db8::1", "2001:db8:1::")),
)
LEAST = Offer("doh.example.net", "doh.example.net", "https://doh.example.net/dns-query")
MEMBERS = Offer(
    "doh.example.net",
    "doh.example.net",
    "https://doh.example.net:8443/dns-query/AAECAwQFBgcICQoLDA0ODw",
    dot=DotOffer("aaaqeayeaudaocajbifqydiob4.doh.example.net", 8853),
)
