"""Monday's digest, brought to where it is wanted: posted to an address, mailed, or both.

Each target gets each week's digest once. Of several processes one is at it at a time; that it was
begun is written down before, and that it arrived behind it. What surely has not arrived is tried
again, later and later. What may have arrived is posted again under the same webhook-id, by which a
receiver knows it (Standard Webhooks, "Webhook ID"); a letter has no such thing, and is not sent a
second time.
"""

import hmac
import json
import logging
import smtplib
import ssl
from base64 import b64encode
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass
from datetime import datetime, time, timedelta
from email.message import EmailMessage
from email.policy import SMTP
from email.utils import format_datetime
from hashlib import sha256
from typing import Any, LiteralString, Protocol
from urllib.parse import unquote, urlsplit

import httpx2
from psycopg import Cursor
from pydantic_core import to_jsonable_python

from api.background import Regularly
from api.pages.reports.digest_letter import letter
from api.reports.digest import company_digest
from api.service import Service
from api.settings import Settings, is_private, webhook_key
from domain.events import instant_text
from projections.reports.digest import Week

EVERY_SECONDS = 30.0
TIMEOUT_SECONDS = 15.0
MORNING = time(8)
"""On Monday, where the company is."""
WAITS = (1, 5, 30, 120, 300, 600)
"""Minutes until it is tried again, each time longer; then always the last. With the next Monday its
digest takes the place.
"""
BRINGERS_LOCK = 7305815021847160069

_ALONE: LiteralString = "SELECT pg_try_advisory_lock(%s)"
_NO_LONGER: LiteralString = "SELECT pg_advisory_unlock(%s)"
_KNOWN: LiteralString = """
INSERT INTO books.digests (week, target, position, state, next_at)
SELECT %(week)s, %(target)s, coalesce(max(notification_id), 0), 'waiting', %(now)s FROM books.events
ON CONFLICT DO NOTHING
"""
_DUE: LiteralString = """
SELECT position, state, tries FROM books.digests
WHERE week = %(week)s AND target = %(target)s AND state <> 'sent' AND next_at <= %(now)s
"""
_BEGUN: LiteralString = """
UPDATE books.digests SET state = 'begun', tries = tries + 1, next_at = %(next_at)s
WHERE week = %(week)s AND target = %(target)s
"""
_ENDED: LiteralString = """
UPDATE books.digests SET state = %(state)s WHERE week = %(week)s AND target = %(target)s
"""
_LOGGER = logging.getLogger("dealfolio.digest")


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
    def repeatable(self) -> bool:
        """Whether it knows what it gets a second time for the same."""

    @property
    def key(self) -> bytes:
        """By which it is remembered."""

    def bring(self, parcel: Parcel, now: datetime) -> None:
        """Raises NotBrought where it surely has not arrived, and anything else where it may."""


class Delivering:
    """One for a process."""

    def __init__(self, service: Service, targets: Sequence[Target]) -> None:
        self._service = service
        self._targets = targets
        self._regularly = Regularly("digest", EVERY_SECONDS, self.step)

    def step(self) -> None:
        """Brings what is due. Raises Unavailable."""
        clock, zone = self._service.clock, self._service.settings.zone
        this = Week.of(clock.today)
        due = datetime.combine(this.first, MORNING, zone)
        if clock.now < due:
            return
        week = Week.of(this.eve)
        with self._service.asking() as cursor, _alone(cursor) as is_alone:
            for target in self._targets if is_alone else ():
                self._bring(cursor, target, week, due)

    def _bring(self, cursor: Cursor[Any], target: Target, week: Week, due: datetime) -> None:
        now = self._service.clock.now
        asked: dict[str, Any] = {"week": week.first, "target": target.key, "now": now}
        cursor.execute(_KNOWN, asked)
        row = cursor.execute(_DUE, asked).fetchone()
        if row is None:
            return
        position, state, tries = row
        if state == "begun" and not target.repeatable:
            return  # by a process that did not live to tell whether it arrived
        name = f"digest_{week.first}_{target.key.hex()[:16]}"
        answer = company_digest(self._service, cursor, week, position)
        parcel = Parcel(week, name, due, to_jsonable_python(answer))
        wait = timedelta(minutes=WAITS[min(tries, len(WAITS) - 1)])
        cursor.execute(_BEGUN, asked | {"next_at": now + wait})
        try:
            target.bring(parcel, now)
        except NotBrought as error:
            _LOGGER.warning("%s: has not arrived, and is tried again: %s", name, error)
            cursor.execute(_ENDED, asked | {"state": "waiting"})
        except Exception:
            _LOGGER.exception("%s: nobody knows whether it has arrived", name)
        else:
            cursor.execute(_ENDED, asked | {"state": "sent"})

    def close(self) -> None:
        self._regularly.close()


def delivering(service: Service) -> Delivering | None:
    """None where nobody wants it."""
    targets = targets_of(service.settings)
    return Delivering(service, targets) if targets else None


def targets_of(settings: Settings) -> list[Target]:
    """Each address of a letter is one of its own: none is told of the others or waits for them."""
    found: list[Target] = []
    if settings.digest_webhook is not None:
        assert settings.digest_webhook_secret is not None, "the settings see to that"
        key = webhook_key(settings.digest_webhook_secret.get_secret_value())
        found.append(Webhook(settings.digest_webhook, key))
    if settings.digest_smtp is not None:
        found += [Mailbox(settings.digest_smtp, one, settings) for one in settings.digest_to]
    return found


@contextmanager
def _alone(cursor: Cursor[Any]) -> Iterator[bool]:
    """Whether no other process is at it. A lock of the session: each step is committed at once."""
    row = cursor.execute(_ALONE, [BRINGERS_LOCK]).fetchone()
    is_alone = row is not None and bool(row[0])
    try:
        yield is_alone
    finally:
        if is_alone:
            cursor.execute(_NO_LONGER, [BRINGERS_LOCK])


# ---------------------------------------------------------------------------- posted


@dataclass(frozen=True, slots=True)
class Webhook:
    """Standard Webhooks 1.0: an id, the time of the try, and a signature over both and the body."""

    address: str
    secret: bytes
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
    """One address, by the server at `url`. In the clear only on this machine."""

    url: str
    to: str
    settings: Settings
    repeatable: bool = False

    @property
    def key(self) -> bytes:
        return sha256(f"mail {self.to}".encode()).digest()

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
        subject, text = letter(parcel.answer, settings.language, settings.public_url)
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
