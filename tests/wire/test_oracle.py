"""Our readers and dnspython before the same bytes: our own packets and foreign ones, generated messages, damaged ones.

The invariants themselves stand in `fuzz.invariants`, where the fuzz targets find them too.
"""

import struct
from collections import Counter
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dohproxy.wire.answer import Answer
from dohproxy.wire.query import Query, parse_query
from fuzz import oracle
from fuzz.invariants import check_answer, check_query, check_reply, keys_agree
from tests.data.malicious import QUERIES as MALICIOUS
from tests.data.packets import all_packets, well_formed
from tests.wire import messages as m
from tests.wire.strategies import answers, damaged, deterministic, queries

DNSPROXY = {
    "chain_option_with_code_8": "client_subnet",
    "circular_compression_reference_chain_variant_4": "records_in_query",
    "client_subnet_option_ecs_with_private_ip_but_querying_public_dns": "client_subnet",
    "compression_chain_spanning_all_sections": "records_in_query",
    "compression_pointer_chain_depth_200": "records_in_query",
    "compression_pointer_in_authority_section_pointing_to_additional_section": "records_in_query",
    "compression_pointer_offset_aligned_to_odd_boundary": "records_in_query",
    "compression_pointer_with_offset_16382_max_valid_14_bit_value": "records_in_query",
    "compression_pointer_with_offset_using_only_lower_14_bits": "records_in_query",
    "cookie_option_with_code_11": "accepted",
    "dau_option_with_code_8_instead_of_5": "client_subnet",
    "dhu_option_with_code_8": "client_subnet",
    "ecs_option_with_code_11": "accepted",
    "ecs_option_with_scope_prefix_length_non_zero_in_query": "client_subnet",
    "ecs_option_with_unsupported_address_family": "client_subnet",
    "ecs_query_with_scope_prefix_length_11": "option",
    "ecs_source_prefix_length_exceeds_ip_address_bits": "client_subnet",
    "ede_option_with_code_8": "accepted",
    "edns_dau_dhu_n3u_options_with_not_matching_list_length": "option",
    "edns_ecs_with_ipv4_source_prefix_length_excess": "client_subnet",
    "edns_ecs_with_ipv6_source_prefix_length_excess": "client_subnet",
    "edns_ecs_with_source_prefix_length_0_no_client_subnet_info": "option",
    "edns_option_chain_with_backward_option_code_ordering": "client_subnet",
    "edns_option_with_code_gaps_missing_odd_codes": "accepted",
    "edns_option_with_option_length_0_but_option_data_present": "option",
    "edns_option_with_option_length_claiming_100_bytes_but_only_10_present": "cut_short",
    "edns_options_list_with_gap_option_1_and_option_3_missing_option_2": "accepted",
    "edns_options_with_duplicate_codes": "client_subnet",
    "edns_options_with_total_length_exceeding_rdlen": "option",
    "edns_padding_option_at_the_beginning": "option",
    "edns_padding_with_non_zero_bytes_should_be_zero_padding": "option",
    "edns_version_19": "cut_short",
    "expire_option_with_code_11": "accepted",
    "expire_query_with_option_length_1": "accepted",
    "internal_query_with_ecs_indicating_external_client_subnet": "client_subnet",
    "key_tag_option_with_code_8": "client_subnet",
    "n3u_option_with_code_8": "client_subnet",
    "opt_rr_name_containing_invalid_label_length": "records_in_query",
    "opt_rr_with_name_set_to_label_sequence_variant_9": "records_in_query",
    "padding_option_with_code_11": "accepted",
    "query_designed_to_fragment_at_compression_pointer_boundary": "records_in_query",
    "query_for_dnssec_chain_validation_but_cd_1_disables_chain_checking": "cut_short",
    "query_with_ecs_indicating_internal_subnet_from_external_source": "client_subnet",
    "query_with_edns_option_extending_beyond_rdlen_boundary": "cut_short",
    "query_with_edns_option_length_extending_beyond_packet": "cut_short",
    "query_with_multiple_edns_options_each_claiming_large_lengths": "option",
    "query_with_rdata_truncated": "cut_short",
    "query_with_version_255_and_all_edns_options_present": "accepted",
    "rdlen_10_actual_options_length_6": "cut_short",
    "rdlength_in_opt_rr_set_to_max_uint16": "cut_short",
    "rr_name_with_compression_pointer_offset_exceeding_message": "records_in_query",
    "tcp_keepalive_option_with_code_8": "client_subnet",
    "tcp_query_with_data_beyond_declared_length_prefix": "option",
    "udp_payload_size_64_rdlength_claims_1000_bytes": "cut_short",
}
"""What we make of each malicious query of dnsproxy's test data. Accepted ones are harmless: options that we ignore
under a wrong code, and an EDNS version of 255, which gets BADVERS."""


def verdict(outcome: Query | Answer | ValueError) -> str:
    return str(outcome) if isinstance(outcome, ValueError) else "accepted"


OWN, FOREIGN = "our own", "foreign"
READ_AS_QUERIES = {
    OWN: {
        "response": 497, "accepted": 105, "too_short": 47, "opcode": 32, "cut_short": 26, "records_in_query": 15,
        "client_subnet": 13, "pointer_in_question": 9, "question_count": 6, "option": 6, "trailing_bytes": 5,
        "label": 4, "length_prefix": 3, "opt_owner": 2, "name_too_long": 2, "too_many_options": 1, "two_opt": 1,
    },
    FOREIGN: {
        "response": 216, "opcode": 70, "accepted": 36, "too_short": 28, "client_subnet": 16, "records_in_query": 12,
        "cut_short": 9, "option": 9, "question_count": 5,
    },
}  # fmt: skip
READ_AS_ANSWERS = {
    OWN: {
        "accepted": 281, "not_a_response": 247, "cut_short": 82, "rdata": 57, "pointer": 39, "too_short": 31,
        "label": 13, "pointer_in_question": 6, "question_count": 4, "too_many_records": 3, "name_too_long": 3,
        "unrelated": 2, "other_question": 2, "opt_place": 2, "two_opt": 1, "opt_owner": 1,
    },
    FOREIGN: {
        "accepted": 181, "not_a_response": 174, "too_short": 24, "unrelated": 17, "question_count": 3,
        "too_long": 1, "too_many_records": 1,
    },
}  # fmt: skip
UNREAD_BY_DNSPYTHON = {
    f"an answer {where} {what}, compressed" for where in ("of", "beside which there is") for what in ("RRSIG", "SVCB")
} | {"an answer with a signature of the transaction"}
"""It takes no compressed name in some types where we take it, and wants a TSIG to be whole."""


@pytest.fixture(scope="module", params=[OWN, pytest.param(FOREIGN, marks=pytest.mark.foreign)])
def source(request: pytest.FixtureRequest) -> str:
    """Whose packets are read."""
    return str(request.param)


@pytest.fixture(scope="module")
def packets(request: pytest.FixtureRequest, source: str) -> dict[str, bytes]:
    """Every packet of a source by its name."""
    return all_packets() if source == OWN else request.getfixturevalue("foreign_packets")


@pytest.fixture(scope="module")
def foreign_packets(corpora: Path) -> dict[str, bytes]:
    """Every packet of the corpora by its name."""
    folder = corpora / "dns-packets"
    files = [*folder.glob("bind9/messages/*"), *folder.glob("bind9/names/*"), *folder.glob("dnsproxy/*.bin")]
    return {file.stem if file.suffix == ".bin" else file.name: file.read_bytes() for file in files}


@pytest.mark.parametrize("name", MALICIOUS)
def test_each_malicious_query_meets_the_verdict_written_down(name: str) -> None:
    wire, wanted = MALICIOUS[name]
    assert verdict(check_query(wire)) == wanted


@pytest.mark.parametrize("name", DNSPROXY)
def test_each_malicious_query_of_dnsproxy_meets_the_verdict_written_down(
    foreign_packets: dict[str, bytes], name: str
) -> None:
    assert verdict(check_query(foreign_packets[name])) == DNSPROXY[name]


def test_all_of_dnsproxys_malicious_queries_are_in_the_table(corpora: Path) -> None:
    assert {file.stem for file in (corpora / "dns-packets" / "dnsproxy").glob("*.bin")} == set(DNSPROXY)


def test_dnspython_reads_all_of_our_well_formed_packets_but_those_named() -> None:
    assert {name for name, wire in well_formed().items() if oracle.read(wire) is None} == UNREAD_BY_DNSPYTHON


def test_packets_read_as_queries_agree_with_dnspython(source: str, packets: dict[str, bytes]) -> None:
    assert Counter(verdict(check_query(wire)) for wire in packets.values()) == READ_AS_QUERIES[source]


def test_packets_read_as_answers_agree_with_dnspython(source: str, packets: dict[str, bytes]) -> None:
    assert Counter(verdict(check_answer(wire)) for wire in packets.values()) == READ_AS_ANSWERS[source]


def test_packets_as_answers_can_be_given_to_any_client(packets: dict[str, bytes]) -> None:
    for wire in packets.values():
        for client in (0x0000, 0x01F7, 0x7A3F, 0xFFD9):
            check_reply(struct.pack("!H", client) + wire[2:])


def test_packets_behind_a_question_that_was_asked_agree_with_dnspython(packets: dict[str, bytes]) -> None:
    """Most packets fail at the header; made responses, their records are read too."""
    accepted = 0
    for wire in packets.values():
        if len(wire) > 12:
            flags = int.from_bytes(wire[2:4]) & 0x87FF | m.QR
            accepted += isinstance(check_answer(wire[:2] + struct.pack("!HH", flags, 1) + wire[6:]), Answer)
    assert accepted > 200


@deterministic
@given(queries())
def test_whatever_query_a_client_writes_is_read_as_dnspython_reads_it(wire: bytes) -> None:
    outcome = check_query(wire)
    assert verdict(outcome) in ("accepted", "client_subnet")


@deterministic
@given(damaged(queries()))
def test_a_damaged_query_is_read_alike_or_refused_by_name(wire: bytes) -> None:
    check_query(wire)


@deterministic
@given(answers())
def test_whatever_answer_an_upstream_writes_is_read_and_given_back_unchanged(wire: bytes) -> None:
    # Generated names may come out too long, and an answer may happen to have nothing of the question.
    assert verdict(check_answer(wire)) in ("accepted", "name_too_long", "unrelated")
    check_reply(wire)


@deterministic
@given(damaged(answers()))
def test_a_damaged_answer_is_read_alike_or_refused_by_name(wire: bytes) -> None:
    check_reply(wire)


@deterministic
@given(st.binary(max_size=600))
def test_noise_is_refused_by_name(wire: bytes) -> None:
    check_query(wire)
    check_answer(wire)


@deterministic
@given(queries(), st.data())
def test_two_queries_share_a_key_if_and_only_if_one_answer_serves_both(wire: bytes, data: st.DataObject) -> None:
    one = check_query(wire)
    if not isinstance(one, Query) or one.qclass != 1:
        return
    asked = one.question[:-4]
    name = data.draw(st.sampled_from([asked, asked.swapcase(), b"\x01a" + asked, asked.replace(b"a", b"z")]))
    qtype = data.draw(st.sampled_from([one.qtype, one.qtype ^ 0x20, one.qtype ^ 0x2000]))
    opt = data.draw(st.sampled_from([(), (m.opt(dnssec_ok=True),), (m.opt(m.option(m.COOKIE, b"12345678")),)]))
    flags = data.draw(st.sampled_from([0, m.RD, m.AD, m.CD, m.RD | m.CD]))
    other = parse_query(m.query(m.question(name, qtype), *opt, flags=flags, identifier=data.draw(st.integers(0, 9))))
    assert keys_agree(one, other)
