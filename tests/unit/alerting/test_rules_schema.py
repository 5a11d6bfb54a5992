"""The schema that editors get says what `rules check` says."""

from __future__ import annotations

import copy
import json
from pathlib import Path

import jsonschema_rs
import yaml
from hypothesis import given
from hypothesis import strategies as st

from atalaia.errors import Misconfigured
from services.alerting.cli.checking import schema_text
from services.alerting.cli.files import stock_rules
from services.alerting.domain.fields import FIELDS, NUMBER
from services.alerting.domain.rules_file import load_rules
from services.alerting.settings import STOCK

SHIPPED = Path(STOCK).parents[1] / "rules.schema.json"
SCHEMA = jsonschema_rs.validator_for(json.loads(schema_text()))
STOCK_RULES = stock_rules()
# of everything a rule can say, something
FULL: dict[str, object] = {
    "name": "mine",
    "metric": "http.server.request.duration",
    "match": {"kind": "app", "http.route": {"=~": "/users/.*"}, "status": 200},
    "by": ["group", "http.route"],
    "function": "share",
    "window": "5m",
    "of": {"http.response.status_code": {"=~": "5.."}},
    "op": ">",
    "thresholds": {"warning": 0.01, "critical": 0.1},
    "clear": 0.005,
    "for": "2m",
    "keep_firing_for": 30,
    "stale_after": "10m",
    "labels": {"team": "core", "tier": 1},
    "summary": "{value:percent} of {source} fail",
    "description": "look at {labels[http.route]}",
    "runbook_url": "https://example.org/{rule}",
    "enabled": True,
}
# what one field cannot say of itself: see the docstring of `schema`
BEYOND_A_SCHEMA = (
    "goes with `function: share`",
    "looks at a window",
    "cannot merge",
    "can only be too many",
    "must get further away",
    "is itself bad",
    "no regular expression",
    "not a template",
    "at most 1h",
    "not finite",
)


def accepted_by_check(document: object) -> tuple[bool, str]:
    try:
        load_rules(yaml.safe_dump(document, sort_keys=False), file="r.yaml", base=STOCK_RULES)
    except Misconfigured as error:
        return False, str(error)
    return True, ""


def test_the_shipped_schema_is_that_of_the_code() -> None:
    message = "run: python -m services.alerting rules schema > services/alerting/rules.schema.json"
    assert SHIPPED.read_text() == schema_text(), message


def test_the_stock_rules_validate() -> None:
    assert SCHEMA.is_valid(yaml.safe_load(Path(STOCK).read_text()))


def test_the_example_uses_every_field_and_both_accept_it() -> None:
    document = {"rules": [FULL]}
    assert set(FULL) == {field.name for field in FIELDS}
    assert accepted_by_check(document) == (True, "")
    assert SCHEMA.is_valid(document)


labels = st.sampled_from(["kind", "group", "source", "series", "rule", "severity", "team", "http.route", ""])
WORDS = (
    "a 5.. ( 60s 5m 1.5h 2h 1d -1s soon 0.9 1e3 .5 1_0 nan source group share absent last p95 p33 > < >= "
    "{value} {sauce} { disk-full errors a.b a{b} true warning é"
)
words = st.sampled_from(["", "5 m", *WORDS.split(" ")])
scalars = (
    st.none()
    | st.booleans()
    | st.integers(-10, 10_000)
    | st.floats(allow_nan=False, allow_infinity=False, width=32)
    | words
)
conditions = st.dictionaries(st.sampled_from(["=", "!=", "=~", "!~"]), scalars, max_size=2)
values = st.recursive(
    scalars,
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(labels, inner | conditions, max_size=3)
        | st.dictionaries(st.sampled_from(["warning", "error", "critical", "worning"]), inner, max_size=3)
    ),
    max_leaves=4,
)
names = st.sampled_from([field.name for field in FIELDS])
bases = st.sampled_from([FULL, {"name": "high-cpu"}, {"name": "errors", "for": 5}])


@given(bases, names | words, values | st.just(...))
def test_schema_and_check_agree_on_a_file_with_one_field_changed(
    base: dict[str, object], name: str, value: object
) -> None:
    rule = copy.deepcopy(base)
    if value is ...:
        rule.pop(name, None)
    else:
        rule[name] = value
    document = {"rules": [rule]}
    by_check, said = accepted_by_check(document)
    by_schema = SCHEMA.is_valid(json.loads(json.dumps(document)))
    if by_check:
        assert by_schema
    elif by_schema:
        assert any(reason in line for line in said.splitlines() for reason in BEYOND_A_SCHEMA), said


@given(st.from_regex(NUMBER, fullmatch=True))
def test_what_looks_like_a_number_is_one(text: str) -> None:
    float(text)


@given(st.none() | st.lists(st.none() | values, max_size=2) | values)
def test_schema_and_check_agree_on_what_a_file_is(rules: object) -> None:
    document = {"rules": rules}
    by_check, said = accepted_by_check(document)
    assert by_check == SCHEMA.is_valid(json.loads(json.dumps(document))), said
