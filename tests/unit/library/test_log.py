import logging

import pytest

from atalaia import log


def test_an_application_that_never_heard_of_us_gets_one_readable_line(
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.handler.setFormatter(logging.Formatter("%(levelname)s %(message)s"))
    log.get("test").warning("broker_away", address="nats://x", tries=1)
    assert caplog.text == "WARNING broker_away address=nats://x tries=1\n"
