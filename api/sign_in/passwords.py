"""Accounts with a password, for companies without an issuer of identities.

Nobody but its owner ever knows a password: an administrator gives a login and hands over a code, by
which its owner sets the password, once. What is stored is argon2id's hash (RFC 9106). Whether a
login exists cannot be told from the answer, nor from how long it takes.
"""

import secrets
import unicodedata
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import cached_property
from hashlib import sha256
from typing import LiteralString

import psycopg
from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError

from api.problems import Problem
from api.service import Service
from api.sessions import Sessions
from domain.access import Access
from domain.errors import Invalid, NotAllowedNow, Obstacle
from domain.values import AccountId
from projections.point import BEYOND

LEAST, MOST = 12, 200
"""Characters of a password (NIST SP 800-63B: long rather than odd)."""
SETUP = timedelta(days=3)
"""How long a code is good for."""
_COMMONEST = (
    *("password", "passw0rd", "qwerty", "qwertyuiop", "qwerty123", "1q2w3e4r", "1qaz2wsx"),
    *("letmein", "welcome", "iloveyou", "admin", "administrator", "changeme", "dealfolio"),
    *("пароль", "йцукен", "йцукенгшщз", "администратор", "привет", "любовь", "россия", "москва"),
)
_ROWS = (
    *("01234567890123456789", "abcdefghijklmnopqrstuvwxyz", "qwertyuiopasdfghjklzxcvbnm"),
    *("абвгдеёжзийклмнопрстуфхцчшщъыьэюя", "йцукенгшщзхъфывапролджэячсмитьбю"),
)
"""Of the keyboard, the alphabet and the digits."""

_FIND: LiteralString = "SELECT account_id, hash FROM books.passwords WHERE login = %s"
_OF_ACCOUNT: LiteralString = "SELECT login, hash FROM books.passwords WHERE account_id = %s"
_NAME: LiteralString = "SELECT name FROM books.people WHERE person_id = %s"
_INVITE: LiteralString = """
INSERT INTO books.passwords (login, account_id, setup_hash, setup_expires_at, changed_at)
VALUES (%s, %s, %s, %s, %s)
ON CONFLICT (account_id) DO UPDATE SET login = excluded.login, hash = NULL,
    setup_hash = excluded.setup_hash, setup_expires_at = excluded.setup_expires_at,
    changed_at = excluded.changed_at
"""
_INVITED: LiteralString = """
SELECT account_id, login FROM books.passwords WHERE setup_hash = %s AND setup_expires_at > %s
"""
_SET_UP: LiteralString = """
UPDATE books.passwords
SET hash = %s, setup_hash = NULL, setup_expires_at = NULL, changed_at = %s
WHERE setup_hash = %s RETURNING account_id
"""
_REPLACE: LiteralString = """
UPDATE books.passwords SET hash = %s, changed_at = %s WHERE account_id = %s AND hash = %s
RETURNING account_id
"""


@dataclass(frozen=True, slots=True)
class Invitation:
    """`code` is good until `expires_at` (exclusive), once; it is shown here and kept nowhere."""

    login: str
    code: str
    expires_at: datetime


class Passwords:
    """One for a process. What hashes takes 64 MB and tenths of a second: few at a time."""

    def __init__(self, service: Service, sessions: Sessions) -> None:
        self._service = service
        self._sessions = sessions
        self._hasher = PasswordHasher()

    def owner(self, login: str, password: str) -> AccountId:
        """Whose they are, if the account has a role. Raises Problem, the same for all else."""
        with self._service.asking() as cursor:
            row = cursor.execute(_FIND, [plain(login)]).fetchone()
        account_id, stored = row or (None, None)
        if not self._is(password, stored) or account_id is None or stored is None:
            raise Problem("wrong-password")
        owner = AccountId(account_id)
        if owner not in self._access().grants:
            raise Problem("wrong-password")
        if self._hasher.check_needs_rehash(stored):
            self._replace(owner, stored, password)
        return owner

    def change(self, account_id: AccountId, old: str, new: str, kept: str) -> None:
        """`kept` is the cookie of the one session that stays. Raises Problem, Invalid."""
        login, stored = self._row_of(account_id)
        if not self._is(old, stored) or stored is None:
            raise Problem("wrong-password")
        self._require_good("new", new, account_id, login)
        if not self._replace(account_id, stored, new):
            raise Problem("wrong-password")  # somebody changed it meanwhile
        self._sessions.end_all(account_id, but=kept)

    def invite(self, account_id: AccountId, login: str) -> Invitation:
        """A login and a code for its owner. The old password holds no longer, nor do sessions.

        Raises NotAllowedNow for a login that is taken.
        """
        code, now = secrets.token_urlsafe(32), self._service.clock.now
        invitation = Invitation(plain(login), code, now + SETUP)
        values = [invitation.login, account_id, _hash(code), invitation.expires_at, now]
        try:
            with self._service.asking() as cursor:
                cursor.execute(_INVITE, values)
        except psycopg.errors.UniqueViolation as error:
            raise NotAllowedNow(Obstacle.ALREADY_EXISTS, name=invitation.login) from error
        self._sessions.end_all(account_id)
        return invitation

    def set_up(self, code: str, password: str) -> AccountId:
        """Whose the code was. Raises Problem, Invalid."""
        now = self._service.clock.now
        with self._service.asking() as cursor:
            row = cursor.execute(_INVITED, [_hash(code), now]).fetchone()
        if row is None or AccountId(row[0]) not in self._access().grants:
            raise Problem("setup-code-spent")
        self._require_good("password", password, AccountId(row[0]), row[1])
        values = [self._hasher.hash(_prepared(password)), now, _hash(code)]
        with self._service.asking() as cursor:
            if cursor.execute(_SET_UP, values).fetchone() is None:
                raise Problem("setup-code-spent")  # somebody was faster
        return AccountId(row[0])

    def _row_of(self, account_id: AccountId) -> tuple[str, str | None]:
        with self._service.asking() as cursor:
            row = cursor.execute(_OF_ACCOUNT, [account_id]).fetchone()
        if row is None:
            raise Problem("wrong-password")
        return row[0], row[1]

    def _is(self, password: str, stored: str | None) -> bool:
        """Takes as long where nothing is stored."""
        try:
            return self._hasher.verify(stored or self._nobodys, _prepared(password))
        except (VerificationError, InvalidHashError):
            return False

    @cached_property
    def _nobodys(self) -> str:
        return self._hasher.hash(secrets.token_urlsafe(32))

    def _replace(self, account_id: AccountId, stored: str, password: str) -> bool:
        values = [self._hasher.hash(_prepared(password)), self._service.clock.now]
        with self._service.asking() as cursor:
            return bool(cursor.execute(_REPLACE, [*values, account_id, stored]).fetchone())

    def _require_good(self, field: str, password: str, account_id: AccountId, login: str) -> None:
        """Raises Invalid."""
        with self._service.asking() as cursor:
            row = cursor.execute(_NAME, [str(account_id)]).fetchone()
        names = {login, login.partition("@")[0], plain(row[0] or "") if row else ""}
        if _squeezed(password) in {_squeezed(name) for name in names}:
            raise Invalid(field, "password-is-name")
        if is_common(password):
            raise Invalid(field, "password-common")

    def _access(self) -> Access:
        with self._service.asking() as cursor:
            return self._service.directory.at(cursor, BEYOND).access


def plain(login: str) -> str:
    """As it is stored: however it is typed, it is the same."""
    return unicodedata.normalize("NFKC", login).casefold()


def is_common(password: str) -> bool:
    """One that is guessed first: a word of the list, also several times over, with figures and
    signs around it; these alone; a row of keys; or hardly any different characters.
    """
    squeezed = _squeezed(password)
    core = squeezed.strip("0123456789!?.,-_@#$%*+")
    return (
        len(set(squeezed)) < 4
        or any(core == word or core == word * (len(core) // len(word)) for word in _COMMONEST)
        or any(squeezed in row * 2 or squeezed in row[::-1] * 2 for row in _ROWS)
    )


def _squeezed(text: str) -> str:
    return "".join(plain(text).split())


def _prepared(password: str) -> str:
    """RFC 8265, OpaqueString: composed, so that every keyboard's accents are the same."""
    return unicodedata.normalize("NFC", password)


def _hash(code: str) -> bytes:
    return sha256(code.encode()).digest()
