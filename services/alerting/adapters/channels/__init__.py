"""Sending: one message to one channel, one outcome.

What it takes to speak to a kind of channel is imported by the first message to one: most installations have
few kinds, and a start does not wait for it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from services.alerting.adapters.channels.others import AppriseSender
from services.alerting.domain.channels_file import Channel
from services.alerting.domain.messages import Message
from services.alerting.domain.outcomes import Outcome
from services.alerting.domain.payload import slack_body, webhook_body
from services.alerting.domain.targets import AppriseTarget, MailTarget, SlackTarget, WebhookTarget

if TYPE_CHECKING:
    from services.alerting.adapters.channels.web import Web


class Senders:
    """Knows how each kind of channel is spoken to. Whatever happens there becomes an outcome."""

    def __init__(self, public_url: str) -> None:
        self._public_url = public_url
        self._web: Web | None = None
        self._apprise = AppriseSender()

    async def send(self, channel: Channel, message: Message) -> Outcome:
        match channel.target:
            case WebhookTarget(url, secret):
                body = webhook_body(message, public_url=self._public_url)
                return await self._opened().post(
                    url, body, key=message.key, timeout_s=channel.timeout_s, secret=secret
                )
            case SlackTarget(url):
                body = slack_body(message, public_url=self._public_url)
                return await self._opened().post(url, body, key=message.key, timeout_s=channel.timeout_s)
            case MailTarget() as target:
                from services.alerting.adapters.channels.mail import send_mail

                return await send_mail(
                    target, message, public_url=self._public_url, timeout_s=channel.timeout_s
                )
            case AppriseTarget(url):
                return await self._apprise.send(
                    url, message, public_url=self._public_url, timeout_s=channel.timeout_s
                )

    async def close(self) -> None:
        if self._web is not None:
            await self._web.close()
        self._apprise.close()

    def _opened(self) -> Web:
        if self._web is None:
            from services.alerting.adapters.channels.web import Web

            self._web = Web()
        return self._web
