"""Which resolvers a machine's own file names, whatever else stands in it."""

import pytest

from dohproxy.config.resolv_conf import nameservers_in


@pytest.mark.parametrize(
    ("text", "addresses"),
    [
        ("nameserver 192.0.2.53\n", ("192.0.2.53",)),
        ("# nameserver 192.0.2.1\nsearch example.net\nnameserver\t2001:db8::53 # ours\n", ("2001:db8::53",)),
        ("nameserver fe80::1%eth0\n", ("fe80::1%eth0",)),
        ("nameserver 192.0.2.53\nnameserver 192.0.2.53\n", ("192.0.2.53",)),
        ("".join(f"nameserver 192.0.2.{last}\n" for last in range(9)), ("192.0.2.0", "192.0.2.1", "192.0.2.2")),
        ("nameserver resolver.example.net\nnameserver 192.0.2.300\nnameserver 192.0.2.53\n", ("192.0.2.53",)),
        ("nameservers 192.0.2.53\nnameserver\n ;\n", ()),
        ("\x0bnameserver 192.0.2.53\x85nameserver 192.0.2.54", ("192.0.2.53",)),
        ("", ()),
    ],
    ids=["one", "with others", "of one link", "twice", "many", "no addresses", "none", "odd blanks", "empty"],
)
def test_the_nameservers_are_those_with_an_address(text: str, addresses: tuple[str, ...]) -> None:
    assert nameservers_in(text) == addresses
