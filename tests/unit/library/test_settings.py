import pytest
from pydantic import Field

from atalaia.errors import Misconfigured
from atalaia.settings import Settings, unknown_variables


class Example(Settings):
    example_interval_s: float = Field(30.0, gt=0, description="seconds between readings")


def test_a_wrong_value_names_the_variable_the_value_and_what_is_allowed(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("ATALAIA_EXAMPLE_INTERVAL_S", "-3")
    with pytest.raises(Misconfigured) as caught:
        Example.load()
    assert "ATALAIA_EXAMPLE_INTERVAL_S is '-3'" in str(caught.value)
    assert "greater than 0" in str(caught.value)
    assert "seconds between readings" in str(caught.value)


def test_an_unknown_variable_is_told_with_the_nearest_known_name() -> None:
    environment = {"ATALAIA_EXAMPLE_INTERVALS_S": "1", "HOME": "x", "ATALAIA_QQQ": "1"}
    assert unknown_variables(environment, Example.variables()) == [
        ("ATALAIA_EXAMPLE_INTERVALS_S", "ATALAIA_EXAMPLE_INTERVAL_S"),
        ("ATALAIA_QQQ", None),
    ]


def test_urls_are_read_under_their_plain_names(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NATS_URL", "nats://elsewhere:4222")
    assert Settings.load().nats_url == "nats://elsewhere:4222"


def test_a_url_of_something_else_is_refused_without_its_password(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NATS_URL", "http://ana:secret@elsewhere:4222")
    with pytest.raises(Misconfigured) as caught:
        Settings.load()
    assert "NATS_URL is 'http://elsewhere:4222': a URL here begins with nats://" in str(caught.value)
    assert "secret" not in str(caught.value)
