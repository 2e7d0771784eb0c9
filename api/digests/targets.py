"""Where a week's digest is brought to: addresses that it is posted or mailed to, and heads."""

import hmac
import json
import smtplib
import ssl
from base64 import b64encode
from contextlib import closing, suppress
from dataclasses import dataclass
from datetime import datetime
from email.message import EmailMessage
from email.policy import SMTP
from email.utils import format_datetime
from hashlib import sha256
from typing import Any, LiteralString, NamedTuple, Protocol
from urllib.parse import unquote, urlsplit

import httpx2
from psycopg import Cursor

from api.pages.reports.digest_letter import letter
from api.settings import Settings, is_private, webhook_key
from api.words import Language
from domain.access import Grant
from domain.directory import Directory
from domain.events import instant_text
from domain.values import AccountId, Role
from projections.reports.digest import Week

TIMEOUT_SECONDS = 15.0
COMPANY = Grant(Role.DIRECTOR)
"""What is set for the company is told as a director sees it."""
_ADDRESSES: LiteralString = """
SELECT person_id, email, language FROM books.people
WHERE person_id = ANY (%s) AND email IS NOT NULL ORDER BY person_id
"""


class NotBrought(Exception):
    """It surely has not arrived; the message says why."""


@dataclass(frozen=True, slots=True)
class Parcel:
    """One week's digest for one target: `name` is the same however often it is tried."""

    week: Week
    name: str
    due: datetime
    answer: dict[str, Any]


class Target(Protocol):
    @property
    def grant(self) -> Grant:
        """By which is told what may be seen."""

    @property
    def repeatable(self) -> bool:
        """Whether it knows what it gets a second time for the same."""

    @property
    def key(self) -> bytes:
        """By which it is remembered."""

    def bring(self, parcel: Parcel, now: datetime) -> None:
        """Raises NotBrought where it surely has not arrived, and anything else where it may."""


def targets_of(settings: Settings) -> list[Target]:
    """What is set for the company. Each address of a letter is one of its own: none is told of the
    others or waits for them.
    """
    found: list[Target] = []
    if settings.digest_webhook is not None:
        assert settings.digest_webhook_secret is not None, "the settings see to that"
        key = webhook_key(settings.digest_webhook_secret.get_secret_value())
        found.append(Webhook(settings.digest_webhook, key))
    if settings.digest_smtp is not None:
        found += [Mailbox(settings.digest_smtp, one, settings) for one in settings.digest_to]
    return found


class Head(NamedTuple):
    """Whoever leads a team; `language` None: that of the company."""

    account_id: AccountId
    grant: Grant
    team: str | None
    language: Language | None


def heads_of(settings: Settings, cursor: Cursor[Any], now: Directory) -> list[Target]:
    """Those who lead a team today, and whose account has an address, if they are to get letters."""
    if not settings.digest_heads:
        return []
    assert settings.digest_smtp is not None, "the settings see to that"
    grants = {
        str(who): (who, grant, now.people.teams.get(grant.team_id) if grant.team_id else None)
        for who, grant in now.access.grants.items()
        if grant.role is Role.HEAD
    }
    return [
        Mailbox(settings.digest_smtp, email, settings, Head(*grants[person], language))
        for person, email, language in cursor.execute(_ADDRESSES, [[*grants]]).fetchall()
    ]


# ---------------------------------------------------------------------------- posted


@dataclass(frozen=True, slots=True)
class Webhook:
    """Standard Webhooks 1.0: an id, the time of the try, and a signature over both and the body."""

    address: str
    secret: bytes
    grant: Grant = COMPANY
    repeatable: bool = True

    @property
    def key(self) -> bytes:
        return sha256(f"webhook {self.address}".encode()).digest()

    def bring(self, parcel: Parcel, now: datetime) -> None:
        told = {"type": "digest.weekly", "timestamp": instant_text(parcel.due)}
        body = json.dumps(told | {"data": parcel.answer}, ensure_ascii=False).encode()
        headers = signed(self.secret, parcel.name, now, body)
        try:
            httpx2.post(
                self.address,
                content=body,
                headers=headers | {"Content-Type": "application/json"},
                timeout=TIMEOUT_SECONDS,
            ).raise_for_status()
        except httpx2.HTTPError as error:
            raise NotBrought(repr(error)) from error


def signed(secret: bytes, name: str, now: datetime, body: bytes) -> dict[str, str]:
    """The three headers (Standard Webhooks, "Webhook metadata" and "Signature scheme")."""
    timestamp = str(int(now.timestamp()))
    signature = hmac.digest(secret, b".".join((name.encode(), timestamp.encode(), body)), "sha256")
    return {
        "webhook-id": name,
        "webhook-timestamp": timestamp,
        "webhook-signature": f"v1,{b64encode(signature).decode()}",
    }


# ---------------------------------------------------------------------------- mailed


@dataclass(frozen=True, slots=True)
class Mailbox:
    """One address, by the server at `url`; a head's, or one that is set for the company. In the
    clear only on this machine.
    """

    url: str
    to: str
    settings: Settings
    head: Head | None = None
    repeatable: bool = False

    @property
    def grant(self) -> Grant:
        return COMPANY if self.head is None else self.head.grant

    @property
    def key(self) -> bytes:
        """A head who gets another address is the same."""
        whose = f"mail {self.to}" if self.head is None else f"head {self.head.account_id}"
        return sha256(whose.encode()).digest()

    def bring(self, parcel: Parcel, now: datetime) -> None:
        """What is refused, or breaks off before the letter itself is sent, has not arrived."""
        message = self._message(parcel, now)
        try:
            server = self._connected()
        except (OSError, smtplib.SMTPException) as error:
            raise NotBrought(repr(error)) from error
        with closing(server):
            try:
                self._sign_in(server)
                _accepted(server.mail(message["From"]))
                _accepted(server.rcpt(self.to))
            except (OSError, smtplib.SMTPException) as error:
                raise NotBrought(repr(error)) from error
            try:
                _accepted(server.data(message.as_bytes(policy=SMTP)))
            except smtplib.SMTPResponseException as error:
                raise NotBrought(repr(error)) from error
            with suppress(OSError, smtplib.SMTPException):
                server.quit()

    def _connected(self) -> smtplib.SMTP:
        parts = urlsplit(self.url)
        assert parts.hostname, "the settings see to that"
        if parts.scheme == "smtps":
            trusted = ssl.create_default_context()
            return smtplib.SMTP_SSL(
                parts.hostname, parts.port or 465, timeout=TIMEOUT_SECONDS, context=trusted
            )
        return smtplib.SMTP(parts.hostname, parts.port or 587, timeout=TIMEOUT_SECONDS)

    def _sign_in(self, server: smtplib.SMTP) -> None:
        parts = urlsplit(self.url)
        server.ehlo()
        is_here = is_private(f"http://{parts.hostname}")
        if parts.scheme == "smtp" and (server.has_extn("starttls") or not is_here):
            server.starttls(context=ssl.create_default_context())
        if parts.username:
            server.login(unquote(parts.username), unquote(parts.password or ""))

    def _message(self, parcel: Parcel, now: datetime) -> EmailMessage:
        host, settings = self.settings.log_host, self.settings
        language, team = settings.language, None
        if self.head is not None:
            language, team = self.head.language or language, self.head.team
        subject, text = letter(parcel.answer, language, settings.public_url, team)
        message = EmailMessage()
        message["Subject"] = subject
        message["From"] = settings.digest_from or f"dealfolio@{host}"
        message["To"] = self.to
        message["Date"] = format_datetime(now)
        message["Message-ID"] = f"<{parcel.name}@{host}>"
        message["Auto-Submitted"] = "auto-generated"  # RFC 3834: nobody's absence answers it
        message.set_content(text)
        return message


def _accepted(reply: tuple[int, bytes]) -> None:
    code, text = reply
    if code not in {250, 251}:
        raise smtplib.SMTPResponseException(code, text)
