from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

import pytest
from pydantic import BaseModel

from atalaia.cache.values import Unreadable, Unstorable, Values
from atalaia.errors import Invalid, NotFound


@dataclass
class Point:
    x: int
    at: datetime


class Order(BaseModel):
    id: UUID
    total: Decimal
    lines: tuple[tuple[str, int], ...] = ()


def returning(annotation: Any, *failures: type[Exception]) -> Values[Any]:
    async def get() -> Any: ...

    return Values(get, returns=annotation, failures=failures)


MOMENT = datetime(2026, 11, 25, tzinfo=UTC)


@pytest.mark.parametrize(
    ("annotation", "value"),
    [
        (dict[int, str], {1: "a"}),
        (tuple[int, Decimal], (1, Decimal("1.50"))),
        (Point, Point(1, MOMENT)),
        (list[Order], [Order(id=UUID(int=1), total=Decimal("9.99"), lines=(("a", 1),))]),
        (Order | None, None),
        (set[UUID], {UUID(int=1)}),
        (bytes, b"abc"),
    ],
)
def test_a_value_comes_back_as_the_annotation_says(annotation: Any, value: object) -> None:
    values = returning(annotation)
    assert values.loaded(values.dumped(value)) == value


def test_every_reader_has_a_copy_of_its_own() -> None:
    values = returning(list[int])
    payload = values.dumped([1])
    assert values.loaded(payload) is not values.loaded(payload)


@pytest.mark.parametrize(("annotation", "value"), [(int, "one"), (float, float("nan")), (Any, object())])
def test_what_would_not_come_back_is_not_stored(annotation: Any, value: object) -> None:
    with pytest.raises(Unstorable):
        returning(annotation).dumped(value)


@pytest.mark.parametrize(
    "payload", [b"", b"v", b'v{"x":1}', b"e{}", b'e{"type":"os.system"}', b"\x80\x04pickle"]
)
def test_bytes_of_another_version_are_unreadable(payload: bytes) -> None:
    with pytest.raises(Unreadable):
        returning(Point, NotFound).loaded(payload)


def test_a_failure_comes_back_with_what_it_carried() -> None:
    values = returning(int, NotFound)
    with pytest.raises(NotFound, match="no such user") as failure:
        values.loaded(values.dumped_failure(NotFound("no such user", field="id")))
    assert failure.value.field == "id"


def test_a_remembered_key_error_is_not_taken_for_bad_bytes() -> None:
    values = returning(int, KeyError)
    with pytest.raises(KeyError, match="7"):
        values.loaded(values.dumped_failure(KeyError("7")))


def unannotated() -> Callable[..., Any]:
    async def get():  # type: ignore[no-untyped-def]
        ...

    return get


def test_a_function_that_does_not_say_what_it_returns_is_refused() -> None:
    with pytest.raises(Invalid, match="annotate it, or give returns="):
        Values(unannotated())
