import pytest
from hypothesis import given
from hypothesis import strategies as st

from atalaia.errors import Invalid
from atalaia.events.series import parse, spell

labels = st.dictionaries(
    st.from_regex(r"[a-z][a-z0-9_.]{0,10}", fullmatch=True).filter(
        lambda k: k not in {"source", "kind", "group", "rule", "severity", "series", "alertname"}
    ),
    st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), max_size=20),
    max_size=4,
)


@given(labels)
def test_what_is_spelt_is_read_back(labels: dict[str, str]) -> None:
    name, read = parse(spell("a.metric", labels))
    assert (name, dict(read)) == ("a.metric", labels)


def test_only_backslash_quote_and_newline_are_escaped() -> None:
    assert spell("m", {"k": 'a\\b"c\nd\té'}) == 'm{k="a\\\\b\\"c\\nd\té"}'


def test_nul_is_kept_out_of_what_is_stored() -> None:
    assert parse(spell("m", {"k": "a\0b"})) == ("m", (("k", "a\ufffdb"),))


@pytest.mark.parametrize(
    "series",
    [
        "",
        "m{}",
        "m{",
        'm{k="v"',
        'm{k="v",}',
        "m{k=v}",
        'm{k="v" }',
        'm{b="1", a="2"}',
        'm{b="1",a="2"}',
        'm{a="1",a="2"}',
        'm{source="x"}',
        'm{k="\\t"}',
        "two words",
    ],
)
def test_another_spelling_is_refused(series: str) -> None:
    with pytest.raises(Invalid):
        parse(series)
