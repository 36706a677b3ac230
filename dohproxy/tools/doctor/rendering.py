"""What the doctor has found, as text for a person and as values for a program."""

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from typing import Any

from dohproxy.tools.doctor.findings import Finding, Severity, worst
from dohproxy.tools.publication import Publication, zone_lines


def sentence(findings: Sequence[Finding]) -> str:
    """Return all of it in one sentence."""
    count = Counter(finding.severity for finding in findings)
    parts = [
        f"{count[severity]} {severity.value}{'' if count[severity] == 1 else 's'}"
        for severity in (Severity.FAULT, Severity.WARNING, Severity.NOTE)
        if count[severity]
    ]
    well = f"{count[Severity.OK]} well"
    return f"{', '.join([*parts, well])}." if parts else f"All is well: {count[Severity.OK]} looks found nothing wrong."


def as_text(findings: Sequence[Finding], publication: Publication | None) -> str:
    """Return the report, gravest findings first."""
    order = list(reversed(Severity))
    blocks = ["\n".join(_lines(finding)) for severity in order for finding in findings if finding.severity is severity]
    if publication is not None and publication.records:
        blocks += ["", "\n".join(zone_lines(publication))]
    return "\n".join([*blocks, "", sentence(findings)])


def _lines(finding: Finding) -> Iterator[str]:
    word = finding.severity.value
    yield f"{word:<8} {finding.subject}: {finding.what}."
    if finding.remedy:
        yield f"{'':<8} > {finding.remedy}."


def as_values(findings: Sequence[Finding], publication: Publication | None) -> dict[str, Any]:
    """Return the same for JSON."""
    records = [] if publication is None else [(one, True) for one in publication.records]
    records += [] if publication is None else [(one, False) for one in publication.for_own_network]
    return {
        "sentence": sentence(findings),
        "well": worst(findings) in (Severity.OK, Severity.NOTE),
        "worst": worst(findings).value,
        "findings": [asdict(finding) for finding in findings],
        "records": [
            {"owner": one.owner, "type": one.rtype.name, "data": one.data, "line": one.line, "public": is_public}
            for one, is_public in records
        ],
    }
