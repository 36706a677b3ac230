"""What is said of a backup."""

from dohproxy.tools.backup import telling
from dohproxy.tools.backup.contents import contents
from dohproxy.tools.backup.making import Wanted
from tests.tools.backup.conftest import House


def test_what_is_in_it_and_what_its_lack_means(house: House) -> None:
    manifest = house.back_up()
    items = {item.key: item for item in contents(house.file, house.config)}
    assert telling.held(manifest).startswith("6 files of doh.example.net, ")
    assert telling.held(manifest).endswith(" bytes, made by dohproxy 0.0 of a test at 2027-01-15 08:00:00 UTC")
    assert f"  blocklist #1.file: {house.directory}/etc/ads.txt" in telling.parts(manifest, items)
    lacks = "\n".join(telling.lacks(manifest, items))
    assert "tls.key, " in lacks
    assert "(a secret: --with-keys): put it there, or have a new certificate made" in lacks
    assert "(names that were asked for: --with-cache): the cache begins empty" in lacks
    assert "never: the program itself, the system's units" in lacks


def test_what_came_later_is_not_in_it(house: House) -> None:
    assert telling.age(house.back_up()).startswith(
        "Everything is as it was at 2027-01-15 08:00:00 UTC: who was revoked"
    )


def test_keys_in_it_are_known(house: House) -> None:
    assert not telling.has_secrets(house.back_up())
    assert telling.has_secrets(house.back_up(Wanted(with_keys=True)))
