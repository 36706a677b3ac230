"""Connections of scrapers and admins stand beside what may be open at all listeners together."""

from dohproxy.control.management_figures import MANAGEMENT_FIGURES
from dohproxy.descriptors import MANAGEMENT_CONNECTIONS
from tests.fakes.samples import samples_of


def test_the_connections_of_all_listeners_stand_beside_their_bound() -> None:
    assert samples_of(MANAGEMENT_FIGURES, [3, 4]) == {
        ("dohproxy_management_connections", ()): 7,
        ("dohproxy_max_management_connections", ()): 2 * MANAGEMENT_CONNECTIONS,
    }
