"""E-mail over SMTP."""

from __future__ import annotations

import asyncio
import ipaddress
from email.message import EmailMessage
from email.utils import formatdate

import aiosmtplib

from services.alerting.domain.messages import Message
from services.alerting.domain.outcomes import Outcome, Verdict
from services.alerting.domain.payload import text, title
from services.alerting.domain.targets import MailTarget


async def send_mail(target: MailTarget, message: Message, *, public_url: str, timeout_s: float) -> Outcome:
    """Return what one try came to. A password is never said to a stranger in the clear."""
    client = aiosmtplib.SMTP(
        hostname=target.host,
        port=target.port,
        use_tls=target.tls == "implicit",
        start_tls={"offered": None, "required": True, "implicit": False}[target.tls],
        timeout=timeout_s,
    )
    mail = _mail(target, message, public_url)
    said = False
    try:
        async with asyncio.timeout(timeout_s):
            await client.connect()
            try:
                if target.user and target.password:
                    if target.tls == "offered" and not _private(client, target.host):
                        detail = "no STARTTLS there: the password is not sent in the clear; use mailtos://"
                        return Outcome(Verdict.FAILED, detail=detail)
                    await client.login(target.user, target.password)
                said = True
                await client.send_message(mail, sender=target.sender, recipients=list(target.to))
                return Outcome(Verdict.DELIVERED)
            finally:
                client.close()
    except aiosmtplib.SMTPRecipientsRefused as error:
        codes = [refusal.code for refusal in error.recipients]
        return _refused(min(codes, default=500))
    except aiosmtplib.SMTPAuthenticationError as error:
        return Outcome(Verdict.FAILED, detail=f"SMTP {error.code}: user or password refused")
    except aiosmtplib.SMTPConnectError:
        return Outcome(Verdict.FAILED, detail="cannot connect")
    except aiosmtplib.SMTPResponseException as error:
        return _refused(error.code)
    except (TimeoutError, aiosmtplib.SMTPException, OSError) as error:
        return Outcome(Verdict.FAILED, detail=f"connection lost ({type(error).__name__})", maybe=said)


def _mail(target: MailTarget, message: Message, public_url: str) -> EmailMessage:
    mail = EmailMessage()
    mail["Subject"] = " ".join(title(message).split())[:200]
    mail["From"], mail["To"] = target.sender, ", ".join(target.to)
    mail["Date"] = formatdate()
    # the same on each try: a mailbox that has it shows it once
    mail["Message-ID"] = f"<{message.key}@{target.sender.partition('@')[2]}>"
    mail["Idempotency-Key"] = message.key
    mail["Auto-Submitted"] = "auto-generated"
    mail.set_content(text(message, public_url=public_url) + "\n")
    return mail


def _refused(code: int) -> Outcome:
    verdict = Verdict.REJECTED if 500 <= code < 600 else Verdict.FAILED
    return Outcome(verdict, detail=f"SMTP {code}")


def _private(client: aiosmtplib.SMTP, host: str) -> bool:
    """Return whether nobody can listen: TLS is on, or the server is this machine."""
    if client.get_transport_info("sslcontext") is not None:
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
