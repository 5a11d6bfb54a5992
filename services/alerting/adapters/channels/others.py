"""Everything that Apprise speaks to. It blocks, so it runs in threads, few of them."""

from __future__ import annotations

import asyncio
import logging
from concurrent.futures import ThreadPoolExecutor

from services.alerting.domain.messages import Message
from services.alerting.domain.outcomes import Outcome, Verdict
from services.alerting.domain.payload import text, title

THREADS = 4


class AppriseSender:
    def __init__(self) -> None:
        self._threads = ThreadPoolExecutor(THREADS, thread_name_prefix="apprise")

    async def send(self, url: str, message: Message, *, public_url: str, timeout_s: float) -> Outcome:
        """Return what one try came to; after `timeout_s` it may still go on, and arrive."""
        body = text(message, public_url=public_url)
        loop = asyncio.get_running_loop()
        trying = loop.run_in_executor(self._threads, _notify, url, title(message), body, timeout_s)
        try:
            async with asyncio.timeout(timeout_s + 1):
                known, delivered = await asyncio.shield(trying)
        except TimeoutError:
            return Outcome(Verdict.FAILED, detail=f"no answer within {timeout_s:g} s", maybe=True)
        if not known:
            return Outcome(Verdict.FAILED, detail="Apprise cannot read this URL")
        if not delivered:
            return Outcome(Verdict.FAILED, detail="Apprise could not deliver it")
        return Outcome(Verdict.DELIVERED)

    def close(self) -> None:
        self._threads.shutdown(wait=False, cancel_futures=True)


def _notify(url: str, title: str, body: str, timeout_s: float) -> tuple[bool, bool]:
    """Return (whether the URL is one, whether it was delivered)."""
    import apprise  # half a second to import, and most never need it

    logging.getLogger("apprise").setLevel(logging.CRITICAL + 1)  # its warnings quote what it was given
    channel = apprise.Apprise()
    joint = "&" if "?" in url else "?"
    limits = "" if "cto=" in url else f"{joint}cto={timeout_s / 2:g}&rto={timeout_s / 2:g}"
    if not channel.add(url + limits):
        return False, False
    return True, bool(channel.notify(title=title, body=body))
