"""What a reader is told who comes back at any moment."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from services.api.domain.board import Board, Changes, Versions

FOR_EVER = 10**9


def board(*changes: tuple[str, int | None], remembered: int = 100) -> Board[str, int]:
    """Return a board after changes with versions 1, 2, …; None ends a key."""
    made: Board[str, int] = Board(remembered=remembered)
    for version, (key, value) in enumerate(changes, 1):
        if value is None:
            made.end(key, None, version)
        else:
            made.put(key, value, version)
    return made


def test_a_key_is_told_once_with_its_newest_value() -> None:
    assert board(("a", 1), ("b", 2), ("a", 3)).between(0, FOR_EVER) == Changes([2, 3], [])


def test_what_a_reader_has_is_not_told_again() -> None:
    assert board(("a", 1), ("b", 2)).between(1, FOR_EVER) == Changes([2], [])


def test_what_changed_after_the_horizon_waits_for_the_next() -> None:
    made = board(("a", 1), ("b", 2), ("a", 3))
    assert made.between(0, 2) == Changes([2], [])
    assert made.between(2, 3) == Changes([3], [])


def test_what_ended_is_told_as_gone_and_is_no_part_of_the_whole() -> None:
    made = board(("a", 1), ("b", 2), ("a", None))
    assert made.between(2, FOR_EVER) == Changes([], ["a"])
    assert list(made.whole()) == [("b", 2)]


def test_a_last_value_is_told_and_remembered() -> None:
    made = board(("a", 1))
    made.end("a", 9, 2)
    assert (made.between(1, FOR_EVER), made.get("a"), made.last("a")) == (Changes([9], []), None, 9)


def test_a_key_that_comes_back_is_not_gone() -> None:
    assert board(("a", 1), ("a", None), ("a", 2)).between(0, FOR_EVER) == Changes([2], [])


def test_a_reader_from_before_a_forgotten_end_needs_the_whole() -> None:
    made = board(("a", 1), ("b", 2), ("a", None), ("b", None), remembered=1)
    assert made.between(2, FOR_EVER) is None
    assert made.between(3, FOR_EVER) == Changes([], ["b"])


def test_versions_rise_though_the_clock_steps_back() -> None:
    versions = Versions()
    assert versions.next(5.0) < versions.next(1.0) < versions.next(5.0)


CHANGES = st.lists(st.tuples(st.sampled_from("abcd"), st.integers(0, 3) | st.none()), max_size=30)


@given(changes=CHANGES, stops=st.lists(st.integers(0, 30), max_size=5))
def test_a_reader_who_stops_anywhere_ends_up_with_the_whole(
    changes: list[tuple[str, int | None]], stops: list[int]
) -> None:
    made: Board[str, tuple[str, int]] = Board(remembered=2)
    known: dict[str, tuple[str, int]] = {}
    reached = 0

    def read(until: int) -> None:
        nonlocal known, reached
        found = made.between(reached, until)
        if found is None:
            known = dict(made.whole())
        else:
            known.update((value[0], value) for value in found.values)
            for key in found.gone:
                known.pop(key, None)
        reached = until

    for version, (key, value) in enumerate(changes, 1):
        if value is None:
            made.end(key, None, version)
        else:
            made.put(key, (key, value), version)
        if version in stops:
            read(version)
    read(len(changes))
    assert known == dict(made.whole())
