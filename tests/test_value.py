"""Values are made cheaply and compared by what they say."""

from dohproxy.value import value


@value
class Point:
    """A value."""

    x: int
    y: int = 0


def test_equal_values_are_one_key() -> None:
    assert Point(1) == Point(1, 0)
    assert {Point(1): "a"}[Point(1, 0)] == "a"


def test_a_value_has_room_for_its_fields_and_nothing_else() -> None:
    assert not hasattr(Point(1), "__dict__")


def test_the_type_checker_refuses_to_change_one() -> None:
    # It also refuses comments that silence nothing, so it would find this one if it allowed what is silenced.
    Point(1).x = 2  # type: ignore[misc]
