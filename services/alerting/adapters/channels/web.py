"""Webhooks: POST, bounded in time and in what is read of the answer."""

from __future__ import annotations

import os
import time
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

import aiohttp

from atalaia import __version__
from services.alerting.domain.outcomes import Outcome, Verdict
from services.alerting.domain.payload import signature

CONNECT_WITHIN_S = 5.0
ANSWER_BYTES_AT_MOST = 64 * 1024
RETRIED_4XX = frozenset({408, 425, 429})
# somebody on the way gave up waiting: the receiver may have got it
PERHAPS_RECEIVED = frozenset({408, 502, 504})


class Web:
    """One pool of connections, opened by the first message."""

    def __init__(self) -> None:
        self._session: aiohttp.ClientSession | None = None

    async def post(self, url: str, body: bytes, *, key: str, timeout_s: float, secret: str = "") -> Outcome:
        """Return what one POST came to. `timeout_s` bounds all of it, however slowly bytes drip."""
        headers = {
            "Content-Type": "application/json",
            "User-Agent": f"Atalaia/{__version__}",
            "Idempotency-Key": key,
        }
        if secret:
            headers["Atalaia-Signature"] = signature(secret, at_s=int(time.time()), body=body)
        timeout = aiohttp.ClientTimeout(total=timeout_s, sock_connect=min(CONNECT_WITHIN_S, timeout_s))
        try:
            async with self._opened().post(
                url, data=body, headers=headers, timeout=timeout, allow_redirects=False
            ) as response:
                await _read_some(response)
                return _outcome(response.status, response.headers.get("Retry-After", ""))
        except (aiohttp.ClientConnectorError, aiohttp.ConnectionTimeoutError) as error:
            return Outcome(Verdict.FAILED, detail=_connecting(error))
        except TimeoutError:
            return Outcome(Verdict.FAILED, detail=f"no answer within {timeout_s:g} s", maybe=True)
        except (aiohttp.InvalidURL, UnicodeError):
            return Outcome(Verdict.FAILED, detail="the URL is none")
        except (aiohttp.ClientError, OSError) as error:
            return Outcome(Verdict.FAILED, detail=f"connection lost ({type(error).__name__})", maybe=True)

    async def close(self) -> None:
        if self._session is not None:
            await self._session.close()

    def _opened(self) -> aiohttp.ClientSession:
        if self._session is None:
            self._session = aiohttp.ClientSession(
                cookie_jar=aiohttp.DummyCookieJar(), trust_env=True, auto_decompress=False
            )
        return self._session


async def _read_some(response: aiohttp.ClientResponse) -> None:
    """Read the answer, so that the connection can be used again, but not for ever."""
    size = 0
    async for chunk in response.content.iter_any():
        size += len(chunk)
        if size > ANSWER_BYTES_AT_MOST:
            response.close()
            return


def _outcome(status: int, retry_after: str) -> Outcome:
    if 200 <= status < 300:
        return Outcome(Verdict.DELIVERED, status)
    detail = f"HTTP {status}"
    if 400 <= status < 500 and status not in RETRIED_4XX:
        return Outcome(Verdict.REJECTED, status, detail)
    return Outcome(
        Verdict.FAILED,
        status,
        detail,
        maybe=status in PERHAPS_RECEIVED,
        retry_after_s=retry_after_s(retry_after, datetime.now(UTC)),
    )


def retry_after_s(header: str, now: datetime) -> float | None:
    """Return what `Retry-After` asks for: seconds, or until a date; None where it says neither."""
    if header.strip().isdecimal():
        return float(header)
    try:
        until = parsedate_to_datetime(header)
    except (ValueError, TypeError):
        return None
    return max(0.0, (until.astimezone(UTC) - now).total_seconds())


def _connecting(error: Exception) -> str:
    if isinstance(error, aiohttp.ClientSSLError):
        return "TLS failed"
    if isinstance(error, aiohttp.ClientConnectorDNSError):
        return "the host's name is not known"
    number = getattr(error, "errno", None)  # its text says where to, too
    return f"cannot connect ({os.strerror(number) if number else type(error).__name__})"
