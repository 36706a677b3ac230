"""What becomes of ways of asking that RFC 8484 does not know."""

import pytest

from dohproxy.config import DIALECTS, DialectsConfig


def test_every_dialect_is_served_by_default() -> None:
    assert DialectsConfig().actions == dict.fromkeys(DIALECTS, "serve")


def test_the_actions_cannot_be_changed() -> None:
    with pytest.raises(TypeError):
        DialectsConfig().actions["post-x-pad"] = "refuse"  # type: ignore[index]
