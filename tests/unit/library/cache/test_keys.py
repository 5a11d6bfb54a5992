from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from enum import Enum
from typing import Any
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as some
from pydantic import BaseModel

from atalaia.cache.keys import LONGEST, KeyOf, Keys, spelled
from atalaia.errors import Invalid

SCALARS = (
    some.none()
    | some.booleans()
    | some.integers()
    | some.floats()
    | some.text(max_size=8)
    | some.sampled_from(["null", "true", "1", "nan", "list(1,)", "a:b", "a%3Ab", str(UUID(int=1))])
    | some.binary(max_size=4)
    | some.uuids()
    | some.decimals(allow_nan=False)
    | some.dates()
    | some.datetimes()
    | some.times()
    | some.timedeltas()
)
VALUES = some.recursive(
    SCALARS,
    lambda inner: (
        some.lists(inner, max_size=3)
        | some.lists(inner, max_size=3).map(tuple)
        | some.dictionaries(SCALARS, inner, max_size=2)
        | some.frozensets(SCALARS, max_size=2)
    ),
    max_leaves=5,
)


def told_apart(value: object) -> object:
    """Python thinks that 1 == 1.0 == True; keys do not."""
    if isinstance(value, list | tuple):
        return (type(value), *(told_apart(one) for one in value))
    if isinstance(value, frozenset):
        return (frozenset, frozenset(told_apart(one) for one in value))
    if isinstance(value, dict):
        return (dict, frozenset((told_apart(name), told_apart(one)) for name, one in value.items()))
    return (type(value), repr(value))


def key_of(function: Any, *args: object, key: KeyOf | None = None, **kwargs: object) -> str:
    return Keys(function, namespace="users", key=key).of(args, kwargs)


async def get_user(id: object, lang: str = "en") -> None: ...


async def search(*words: str, **filters: object) -> None: ...


@given(VALUES, VALUES)
def test_values_share_a_text_only_if_they_are_the_same(one: object, other: object) -> None:
    assert (spelled(one) == spelled(other)) == (told_apart(one) == told_apart(other))


@given(VALUES)
def test_a_text_holds_nothing_that_separates_or_matches(value: object) -> None:
    assert re.fullmatch(r"[!-~]+", spelled(value))
    assert not set(spelled(value)) & set(":*?[]\\ ")


@given(some.lists(VALUES, max_size=3), some.lists(VALUES, max_size=3))
def test_calls_share_a_key_only_if_their_arguments_are_the_same(one: list[Any], other: list[Any]) -> None:
    same = told_apart(one) == told_apart(other)
    assert (key_of(search, *one) == key_of(search, *other)) == same


@given(some.text(min_size=LONGEST), some.text(min_size=LONGEST))
def test_long_arguments_are_cut_and_still_told_apart(one: str, other: str) -> None:
    keys = key_of(get_user, one), key_of(get_user, other)
    assert all(len(key) <= len("users:get_user:") + LONGEST for key in keys)
    assert (keys[0] == keys[1]) == (one == other)


def test_a_key_can_be_read() -> None:
    assert key_of(get_user, 42) == "users:get_user:42:en"
    assert key_of(get_user, "ann") == "users:get_user:ann:en"
    assert key_of(get_user, "ann@x.org") == "users:get_user:'ann@x.org':en"
    assert key_of(search) == "users:search:():{}"


@pytest.mark.parametrize(
    ("args", "kwargs"), [((1,), {}), ((), {"id": 1}), ((1, "en"), {}), ((1,), {"lang": "en"})]
)
def test_however_arguments_are_given_the_key_is_one(args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
    assert key_of(get_user, *args, **kwargs) == "users:get_user:1:en"


def test_keyword_order_does_not_matter() -> None:
    assert key_of(search, a=1, b=2) == key_of(search, b=2, a=1)


class Repository:
    async def get(self, id: int) -> None: ...

    async def of_tenant(self, id: int) -> None: ...

    tenant = "acme"


def test_self_is_not_part_of_the_key_unless_asked_for() -> None:
    one, other = Repository(), Repository()
    assert key_of(Repository.get, one, 1) == key_of(Repository.get, other, 1) == "users:Repository.get:1"
    assert key_of(Repository.get, one, 1, key="{self.tenant}:{id}") == "users:Repository.get:acme:1"


def test_the_key_may_be_a_callable() -> None:
    assert key_of(get_user, "Ann", key=lambda id, lang="en": id.lower()) == "users:get_user:ann"
    assert key_of(get_user, "Ann", key=lambda id, lang="en": (id.lower(), 7)) == "users:get_user:ann:7"


class Colour(Enum):
    RED = 1


@dataclass
class Point:
    x: int
    y: int


class Model(BaseModel):
    at: datetime
    price: Decimal


def test_enums_dataclasses_and_models_have_a_text() -> None:
    assert spelled(Colour.RED) == "Colour.RED"
    assert spelled(Point(1, 2)) == "Point(x=1,y=2)"
    moment = datetime(2026, 11, 25, 3, 36, tzinfo=UTC)
    assert spelled(Model(at=moment, price=Decimal("1.50"))) == (
        "Model(at=2026-11-25T03.36.00+00.00,price=Decimal(1.50))"
    )


class Session: ...


def test_an_argument_without_a_stable_text_is_refused_by_name_with_the_way_out() -> None:
    with pytest.raises(Invalid, match=r"get_user: argument 'id' holds a Session.* key=") as refusal:
        key_of(get_user, Session())
    assert refusal.value.field == "id"


def test_one_deep_inside_is_refused_too() -> None:
    with pytest.raises(Invalid, match="argument 'filters' holds a Session"):
        key_of(search, by={"who": [Session()]})


@pytest.mark.parametrize("key", ["{nobody}", "{id!r}", "{}", "{id", "*{id}"])
def test_a_wrong_template_is_refused_at_once(key: str) -> None:
    with pytest.raises(Invalid):
        Keys(get_user, namespace="users", key=key)


def test_a_namespace_is_a_name() -> None:
    with pytest.raises(Invalid, match="namespace 'a:b'"):
        Keys(get_user, namespace="a:b", key=None)


def test_wrong_arguments_raise_what_a_call_would() -> None:
    with pytest.raises(TypeError):
        key_of(get_user)
