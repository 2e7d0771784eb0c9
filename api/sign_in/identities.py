"""Whom an issuer of identities vouches for, and which account is theirs.

An account is linked by an administrator; or, if the settings say so, by an e-mail address that the
issuer has verified; or it is made, with the role that the settings give to a group of the issuer's.
Only once: from then on the account has the role that administrators give it, and once it is closed
it stays closed.
"""

from collections.abc import Mapping
from threading import Lock
from typing import Any, LiteralString

import psycopg

from api.accounts import Accounts
from api.inputs import is_email
from api.problems import Problem
from api.service import Service
from api.sessions import Sessions
from domain.access import Access, Grant
from domain.errors import NotAllowedNow, NotFound, Obstacle
from domain.values import AccountId, Role, SignInMeans
from projections.point import BEYOND

ACTOR = "oidc"
"""Of what follows from what the issuer says."""
PLACELESS = frozenset({Role.DIRECTOR, Role.AUDITOR})
"""Roles that a group may give: they need no manager and no team, and make nobody an administrator.
"""
Claims = Mapping[str, Any]

_FIND: LiteralString = """
SELECT account_id FROM books.identities WHERE issuer = %s AND subject = %s
"""
_LINKED: LiteralString = "SELECT account_id FROM books.identities WHERE issuer = %s"
_LINK: LiteralString = """
INSERT INTO books.identities (issuer, subject, account_id) VALUES (%s, %s, %s)
"""
_UNLINK: LiteralString = "DELETE FROM books.identities WHERE issuer = %s AND account_id = %s"
_WITH_EMAIL: LiteralString = """
SELECT person_id FROM books.people WHERE lower(email COLLATE "C") = %s
"""


class Identities:
    """One for a process; safe for threads."""

    def __init__(self, service: Service, accounts: Accounts, sessions: Sessions) -> None:
        self._service = service
        self._settings = service.settings
        self._accounts = accounts
        self._sessions = sessions
        self._making = Lock()

    @property
    def _issuer(self) -> str:
        """Raises NotFound where the settings name none."""
        if self._settings.oidc_issuer is None:
            raise NotFound("issuer", "")
        return self._settings.oidc_issuer

    def link(self, account_id: AccountId, subject: str) -> str:
        """`subject` and nobody else, of those whom the issuer knows, has the account; sessions end.

        Returns the issuer's name. Raises NotFound where there is none; NotAllowedNow for one who
        has another account.
        """
        issuer = self._issuer
        try:
            with self._service.asking() as cursor, cursor.connection.transaction():
                cursor.execute(_UNLINK, [issuer, account_id])
                cursor.execute(_LINK, [issuer, subject, account_id])
        except psycopg.errors.UniqueViolation as error:
            raise NotAllowedNow(Obstacle.ALREADY_EXISTS, name=subject) from error
        self._sessions.end_all(account_id)
        return issuer

    def account_of(self, claims: Claims) -> AccountId:
        """Whose they are, of a token that was verified. Raises Problem where that is nobody."""
        subject = str(claims["sub"])
        with self._making:
            found = self._find(subject) or self._by_email(claims) or self._by_role(claims)
        if found is None or found not in self._access().grants:
            raise Problem("no-account", issuer=self._issuer, subject=subject)
        return found

    def _find(self, subject: str) -> AccountId | None:
        with self._service.asking() as cursor:
            row = cursor.execute(_FIND, [self._issuer, subject]).fetchone()
        return None if row is None else AccountId(row[0])

    def _by_email(self, claims: Claims) -> AccountId | None:
        """The one account whose person has the address, and whom the issuer does not know yet: an
        address may be given to somebody else in time.
        """
        email = claims.get("email")
        verified = claims.get("email_verified") is True and is_email(email)
        if not self._settings.oidc_link_by_email or not verified:
            return None
        with self._service.asking() as cursor:
            people = {person for (person,) in cursor.execute(_WITH_EMAIL, [str(email).lower()])}
            linked = {account for (account,) in cursor.execute(_LINKED, [self._issuer])}
        theirs = [account for account in self._access().grants if str(account) in people]
        if len(theirs) != 1 or theirs[0] in linked:
            return None
        self._accounts.set_sign_in(None, theirs[0], SignInMeans.IDENTITY, ACTOR)
        return self._linked(str(claims["sub"]), theirs[0])

    def _by_role(self, claims: Claims) -> AccountId | None:
        """A new account with the role that one of the groups gives."""
        role = self._role_of(claims)
        if role is None or role not in PLACELESS:
            return None
        name, subject = claims.get("name"), str(claims["sub"])
        known = name.strip()[:300] if isinstance(name, str) and name.isprintable() else ""
        account_id = self._accounts.open(None, known or subject, Grant(role), ACTOR)
        self._accounts.set_sign_in(None, account_id, SignInMeans.IDENTITY, ACTOR)
        return self._linked(subject, account_id)

    def _role_of(self, claims: Claims) -> Role | None:
        given = claims.get(self._settings.oidc_roles_claim)
        groups = given if isinstance(given, list) else [given]
        for group, role in self._settings.oidc_roles.items():
            if group in groups:
                return role
        return None

    def _linked(self, subject: str, account_id: AccountId) -> AccountId:
        """Another process may have been faster; then its link holds."""
        try:
            with self._service.asking() as cursor:
                cursor.execute(_LINK, [self._issuer, subject, account_id])
        except psycopg.errors.UniqueViolation:
            return self._find(subject) or account_id
        return account_id

    def _access(self) -> Access:
        with self._service.asking() as cursor:
            return self._service.directory.at(cursor, BEYOND).access
