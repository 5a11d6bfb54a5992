"""E-mail to a real server over STARTTLS: the password goes to who it is for, in private, or nowhere."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from services.alerting.adapters.channels import Senders
from services.alerting.domain.channels_file import Channel
from services.alerting.domain.outcomes import Outcome, Verdict
from services.alerting.domain.targets import parse_target
from tests.contract.test_channels import message
from tests.system.mailserver import PASSWORD, MailServer, mail_server


@pytest.fixture
async def senders() -> AsyncIterator[Senders]:
    senders = Senders("http://watch.example.org")
    yield senders
    await senders.close()


def trust(monkeypatch: pytest.MonkeyPatch, server: MailServer) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", str(server.trusted))


async def send(senders: Senders, url: str) -> Outcome:
    return await senders.send(Channel("c", parse_target(url), 5.0), message())


async def test_it_is_delivered_over_tls(
    senders: Senders, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with mail_server(tmp_path) as server:
        trust(monkeypatch, server)
        assert await send(senders, server.url()) == Outcome(Verdict.DELIVERED)
    assert server.private == [True]
    assert "Subject: [FIRING:1] web-1 is bad" in server.mails[0]


async def test_a_wrong_password_is_said_but_not_which(
    senders: Senders, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with mail_server(tmp_path) as server:
        trust(monkeypatch, server)
        outcome = await send(senders, server.url("wr0ng"))
    assert (outcome.verdict, outcome.maybe) == (Verdict.FAILED, False)
    assert "user or password refused" in outcome.detail
    assert "wr0ng" not in repr(outcome)
    assert server.mails == []


async def test_nothing_is_said_to_a_server_whose_certificate_nobody_vouches_for(
    senders: Senders, tmp_path: Path
) -> None:
    with mail_server(tmp_path) as server:
        outcome = await send(senders, server.url())
    assert (outcome.verdict, outcome.maybe) == (Verdict.FAILED, False)
    assert server.passwords == []


async def test_nothing_is_said_to_a_server_that_has_anothers_certificate(
    senders: Senders, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with mail_server(tmp_path, host="another.example.org") as server:
        trust(monkeypatch, server)
        outcome = await send(senders, server.url())
    assert outcome.verdict is Verdict.FAILED
    assert server.passwords == []


async def test_the_password_stays_where_no_tls_is_offered(senders: Senders, tmp_path: Path) -> None:
    with mail_server(tmp_path, starttls=False) as server:
        outcome = await send(senders, server.url())
    assert outcome.verdict is Verdict.FAILED
    assert server.passwords == []
    assert PASSWORD not in repr(outcome)
