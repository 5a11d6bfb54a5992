"""A channels file that is wrong says where, and never what a secret was."""

from __future__ import annotations

import pytest

from atalaia.errors import Invalid, Misconfigured
from services.alerting.domain.channels_file import Notifications, Surroundings, load_notifications
from services.alerting.domain.targets import (
    AppriseTarget,
    MailTarget,
    SlackTarget,
    WebhookTarget,
    parse_target,
    split_urls,
)
from tests.unit.alerting.desks import event


def load(text: str, urls: str = "", **environment: str) -> Notifications:
    def read_file(name: str) -> str:
        if name != "there":
            raise FileNotFoundError(2, "No such file or directory")
        return "from-a-file\n"

    return load_notifications(text, file="c.yaml", urls=urls, around=Surroundings(environment, read_file))


def problems(text: str, **environment: str) -> list[str]:
    with pytest.raises(Misconfigured) as caught:
        load(text, **environment)
    return str(caught.value).splitlines()


WRONG = """\
channels:
  - name: a b
    url: webhook+http://x/
  - name: twice
    url: webhook+http://x/
  - name: twice
    url: http://x/s3cret
  - name: none
  - name: vars
    url: webhook+http://x/${NOT_THERE}
  - name: file
    url: webhook+http://x/
    secret_file: nowhere
    timeuot: 3s
routes:
  - chanels: [twice]
  - channels: [nobody]
    match: {source: {"=~": "("}}
    remind_after: soon
unknown: 1
"""


def test_everything_that_is_wrong_is_said_at_once_with_its_place() -> None:
    assert [": ".join(line.split(": ")[:2]) for line in problems(WRONG)] == [
        "c.yaml:2: name",
        "c.yaml:6: name",
        "c.yaml:8: url",
        "c.yaml:10: url",
        "c.yaml:13: secret_file",
        "c.yaml:14: timeuot",
        "c.yaml:16: chanels",
        "c.yaml:16: channels",
        "c.yaml:17: channels",
        "c.yaml:18: match",
        "c.yaml:19: remind_after",
        "c.yaml:20: unknown",
    ]
    assert not any("s3cret" in line for line in problems(WRONG))


def test_a_misspelt_field_has_a_suggestion() -> None:
    assert "did you mean `timeout`?" in "\n".join(problems(WRONG))


def test_secrets_come_from_the_environment_and_from_files() -> None:
    text = "channels: [{name: a, url: 'webhook+http://x/${T}', secret_file: there}]"
    target = load(text, T="token").channels["a"].target
    assert target == WebhookTarget("http://x/token", "from-a-file")


def test_a_url_that_is_wrong_is_not_repeated() -> None:
    for url in (
        "http://h/s3cret",
        "s3cret",
        "webhook+http://[/s3cret",
        "mailto://h:s3cret/",
        "slack://s3cret",
    ):
        with pytest.raises(Misconfigured) as caught:
            load("", urls=url)
        assert "s3cret" not in str(caught.value), url
        assert caught.value.__cause__ is None


def test_channels_of_the_list_are_told_of_everything_beside_the_routes() -> None:
    text = """
channels: [{name: pager, url: webhook+http://x/}]
routes: [{match: {severity: critical}, channels: [pager]}]
"""
    found = load(text, urls="webhook+http://a/, webhook+http://b/?x=1,2 ,ntfy://topic")
    assert list(found.channels) == ["pager", "webhook", "webhook-2", "ntfy"]
    assert [one.channel for one in found.routes.recipients(event("a"))] == ["webhook", "webhook-2", "ntfy"]
    critical = [one.channel for one in found.routes.recipients(event("a", severity="critical"))]
    assert critical == ["webhook", "webhook-2", "ntfy", "pager"]


def test_a_comma_inside_of_a_url_is_no_end() -> None:
    assert split_urls("mailto://h/?to=a@x,b@x, slack://A/B/C") == ["mailto://h/?to=a@x,b@x", "slack://A/B/C"]


@pytest.mark.parametrize(
    ("url", "target"),
    [
        ("webhook+https://u:p@h:1/p?q", WebhookTarget("https://u:p@h:1/p?q")),
        ("slack://A/B/C", SlackTarget("https://hooks.slack.com/services/A/B/C")),
        ("slack://chat.example.org/hooks/x", SlackTarget("https://chat.example.org/hooks/x")),
        ("slack+http://127.0.0.1:9/x", SlackTarget("http://127.0.0.1:9/x")),
        ("mailto://h/?to=a@x&from=b@x", MailTarget("h", 25, "b@x", ("a@x",), "offered")),
        (
            "mailtos://ana%40x:pw@h/?to=a@x,b@x",
            MailTarget("h", 587, "ana@x", ("a@x", "b@x"), "required", "ana@x", "pw"),
        ),
        (
            "mailtos://ana:pw@x.org:465",
            MailTarget("x.org", 465, "ana@x.org", ("ana@x.org",), "implicit", "ana", "pw"),
        ),
        ("tgram://bot/chat", AppriseTarget("tgram://bot/chat")),
    ],
)
def test_urls(url: str, target: object) -> None:
    assert parse_target(url) == target


def test_what_is_shown_of_a_target_has_no_secret_in_it() -> None:
    for url in (
        "webhook+https://user:s3cret@h:1/s3cret?q=s3cret",
        "slack://s3cret/s3cret/s3cret",
        "mailtos://ana:s3cret@h/?to=a@x",
        "tgram://s3cret/s3cret",
    ):
        target = parse_target(url, secret="s3cret")
        assert "s3cret" not in target.shown
        assert "s3cret" not in repr(target)


def test_an_address_with_a_line_break_is_refused() -> None:
    with pytest.raises(Invalid):
        parse_target("mailto://h/?to=a@x%0d%0aBcc:b@x")
