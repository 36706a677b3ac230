"""Findings as text and as JSON."""

import json
from ipaddress import ip_address

from dohproxy.policy.discovery.served import H2, Served, Service
from dohproxy.tools.doctor.findings import Finding, Severity
from dohproxy.tools.doctor.rendering import as_text, as_values, sentence
from dohproxy.tools.publication import publication_of

WELL = Finding("clock", Severity.OK, "it is right")
NOTE = Finding("service", Severity.NOTE, "it was not asked", "start it")
WARNING = Finding("kernel", Severity.WARNING, "a queue is short", "make it longer")
FAULT = Finding("listeners", Severity.FAULT, "nobody listens", "start the service")
SERVED = Served("doh.example.net", (Service((H2,), 443, "/dns-query"),), (ip_address("192.0.2.1"),))
PUBLICATION = publication_of(SERVED, None, 3_600)


def test_the_gravest_come_first_each_with_its_remedy() -> None:
    assert as_text([WELL, NOTE, WARNING, FAULT], None).splitlines() == [
        "fault    listeners: nobody listens.",
        "         > start the service.",
        "warning  kernel: a queue is short.",
        "         > make it longer.",
        "note     service: it was not asked.",
        "         > start it.",
        "ok       clock: it is right.",
        "",
        "1 fault, 1 warning, 1 note, 1 well.",
    ]


def test_the_sentence() -> None:
    assert sentence([WELL, WELL]) == "All is well: 2 looks found nothing wrong."
    assert sentence([FAULT, FAULT, NOTE]) == "2 faults, 1 note, 0 well."


def test_records_stand_below_ready_to_paste() -> None:
    lines = as_text([WELL], PUBLICATION).splitlines()
    assert "doh.example.net. 3600 IN A 192.0.2.1" in lines
    assert "; records to publish, ready for a zone file" in lines
    assert lines[lines.index("; themselves (RFC 9462)") + 1].startswith("; _dns.resolver.arpa. 3600 IN SVCB 1 ")
    # Whatever is no record is a comment there.
    block = lines[2:-2]
    assert [line for line in block if line and not line.startswith(";") and " 3600 IN " not in line] == []


def test_a_program_gets_the_same() -> None:
    values = json.loads(json.dumps(as_values([WELL, WARNING], PUBLICATION)))
    assert (values["well"], values["worst"]) == (False, "warning")
    assert values["findings"][1] == {
        "subject": "kernel",
        "severity": "warning",
        "what": "a queue is short",
        "remedy": "make it longer",
    }
    assert values["records"][0]["line"] == "doh.example.net. 3600 IN A 192.0.2.1"
    assert [one["public"] for one in values["records"]].count(False) == 1
    assert as_values([WELL, NOTE], None)["well"] is True
