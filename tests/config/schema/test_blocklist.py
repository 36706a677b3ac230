"""Lists of names that are not answered: what clients are told of them."""

from dohproxy.config import BlocklistConfig


def test_clients_are_told_the_lists_name_its_reference_if_it_has_one_or_what_the_operator_says() -> None:
    assert BlocklistConfig("court").public_text == "court"
    assert BlocklistConfig("court", reference="27/1").public_text == "court: 27/1"
    assert BlocklistConfig("court", reference="27/1", text="by order").public_text == "by order"
