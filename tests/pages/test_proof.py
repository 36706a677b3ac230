"""The picture that proves whom a browser asks, and where it is."""

import xml.etree.ElementTree as ET

import pytest

from dohproxy.frontends.router import PATHS
from dohproxy.pages.document import Kind, Language
from dohproxy.pages.proof import HEIGHT, WIDTH, proof_at, proof_picture
from dohproxy.pages.setup_paths import PROOF_MARK
from dohproxy.pages.texts import texts_in
from dohproxy.policy.discovery.proof import NO_VIEW, is_proof_host

SVG = "{http://www.w3.org/2000/svg}"


@pytest.mark.parametrize("language", Language)
def test_it_says_in_words_that_it_works(language: Language) -> None:
    document = proof_picture(language)
    assert (document.kind, document.language, document.media_type) == (Kind.PROOF, language, "image/svg+xml")
    root = ET.fromstring(document.body)  # noqa: S314 - our own
    assert (root.tag, root.get("width"), root.get("height")) == (f"{SVG}svg", str(WIDTH), str(HEIGHT))
    texts = texts_in(language)
    said = [texts.say("proof", "yes"), texts.say("proof", "yes_about")]
    assert [one.text for one in root.iter(f"{SVG}text")] == said
    # Whoever opens it by itself, because he sees no pictures, hears it.
    assert root[0].tag == f"{SVG}title"
    assert root[0].text == " ".join(said)


def test_nothing_is_run_in_it_and_nothing_is_fetched() -> None:
    for language in Language:
        body = proof_picture(language).body
        assert b"href" not in body
        assert b"script" not in body
        assert b"style" not in body


@pytest.mark.parametrize(("port", "behind"), [(443, ""), (8443, ":8443")])
def test_it_is_at_a_name_of_its_own_for_each_view(port: int, behind: str) -> None:
    proof = proof_at("check.example.net", port)
    assert proof.origin == f"https://proof-{PROOF_MARK}.check.example.net{behind}"
    host = proof.origin.removeprefix("https://").replace(PROOF_MARK, NO_VIEW)
    assert is_proof_host(host, "check.example.net")
    for language in Language:
        path = proof.picture(language).removeprefix(proof.origin)
        assert PATHS[path] == (Kind.PROOF, language)
