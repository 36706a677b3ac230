"""The words for what can be seen of an upstream."""

import pytest

from dohproxy.tools.observation import Trouble


@pytest.mark.parametrize("trouble", list(Trouble), ids=lambda trouble: str(trouble.name))
def test_every_trouble_is_a_sentence_about_an_upstream_without_its_end(trouble: Trouble) -> None:
    assert len(trouble.split()) > 2
    assert trouble[0].islower()
    assert trouble[-1].isalpha()
