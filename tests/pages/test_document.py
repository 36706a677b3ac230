"""One text that is published."""

import pytest

from dohproxy.pages.document import MEDIA_TYPES, MOST_BYTES, Document, Kind, Language, TooLong


def test_a_document_has_at_most_so_many_bytes() -> None:
    assert Document(Kind.STATUS, Language.FRENCH, bytes(MOST_BYTES)).body
    with pytest.raises(TooLong, match="the document status has 40961 bytes, where 40960 are the most"):
        Document(Kind.STATUS, Language.FRENCH, bytes(MOST_BYTES + 1))


def test_the_same_bytes_have_the_same_tag_and_others_another() -> None:
    one, same, other = (Document(Kind.JSON, None, body) for body in (b"a", b"a", b"b"))
    assert one.etag == same.etag != other.etag
    assert one.etag.startswith('"')
    assert one.etag.endswith('"')


def test_each_kind_has_a_media_type() -> None:
    assert set(MEDIA_TYPES) == set(Kind) - {Kind.PROFILE}
    assert Document(Kind.SETUP, Language.FRENCH, b"", "apple").media_type == "text/html; charset=utf-8"


@pytest.mark.parametrize(
    ("file", "media_type"),
    [
        ("dns.mobileconfig", "application/x-apple-aspen-config"),
        ("member policies.json", "application/json"),
        ("dns.cmd", "application/octet-stream"),
        ("curlrc", "text/plain; charset=utf-8"),
        ("unbound.conf", "text/plain; charset=utf-8"),
    ],
)
def test_a_profile_is_what_its_name_says(file: str, media_type: str) -> None:
    assert Document(Kind.PROFILE, None, b"", file).media_type == media_type
