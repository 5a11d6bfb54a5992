"""A real mail server that asks for STARTTLS and a password, with a certificate that a test made."""

from __future__ import annotations

import ssl
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import trustme
from aiosmtpd.controller import Controller
from aiosmtpd.smtp import SMTP, AuthResult, Envelope, LoginPassword, Session

from tests.system.platform import free_ports

USER, PASSWORD = "atalaia@example.org", "s3cret-mail-password"


class MailServer:
    """Takes mail of who knows the password, over TLS; keeps it, and the passwords that were tried."""

    def __init__(self, folder: Path, *, host: str = "localhost", starttls: bool = True) -> None:
        self.mails: list[str] = []
        self.private: list[bool] = []
        self.passwords: list[str] = []
        authority = trustme.CA()
        self.trusted = folder / f"{host}-ca.pem"
        authority.cert_pem.write_to_path(str(self.trusted))
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        authority.issue_cert(host).configure_cert(context)
        (self.port,) = free_ports(1)
        self._controller = Controller(
            self,
            hostname="127.0.0.1",
            port=self.port,
            tls_context=context if starttls else None,
            require_starttls=starttls,
            auth_required=starttls,
            auth_require_tls=starttls,
            authenticator=self._authenticate,
        )

    def url(self, password: str = PASSWORD, *, host: str = "localhost") -> str:
        user = USER.replace("@", "%40")
        return f"mailtos://{user}:{password}@{host}:{self.port}/?to=ops@example.org"

    async def handle_DATA(self, server: SMTP, session: Session, envelope: Envelope) -> str:
        content = envelope.content
        self.mails.append(content.decode() if isinstance(content, bytes) else content or "")
        self.private.append(session.ssl is not None)
        return "250 kept"

    def _authenticate(
        self, server: SMTP, session: Session, envelope: Envelope, mechanism: str, given: object
    ) -> AuthResult:
        assert isinstance(given, LoginPassword)
        self.passwords.append(given.password.decode())
        known = (given.login.decode(), given.password.decode()) == (USER, PASSWORD)
        return AuthResult(success=known, handled=False)

    def start(self) -> None:
        self._controller.start()

    def stop(self) -> None:
        self._controller.stop()


@contextmanager
def mail_server(folder: Path, *, host: str = "localhost", starttls: bool = True) -> Iterator[MailServer]:
    server = MailServer(folder, host=host, starttls=starttls)
    server.start()
    try:
        yield server
    finally:
        server.stop()
