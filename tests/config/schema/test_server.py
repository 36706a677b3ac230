"""The frontend of a service whose operator has set nothing."""

from dohproxy.config import ServerConfig


def test_nothing_is_offered_to_other_machines_unasked() -> None:
    assert [str(listener) for listener in ServerConfig().listen] == ["127.0.0.1:8443"]


def test_the_path_is_that_of_the_example_in_the_rfc() -> None:
    assert ServerConfig().path == "/dns-query"


def test_a_padded_query_is_read() -> None:
    longest_name, opt_record, block = 255, 11, 128
    assert ServerConfig().max_query_bytes >= 12 + longest_name + 4 + opt_record + block
