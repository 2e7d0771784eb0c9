"""What administrators ask for: roles, keys, forgetting; and the director's rule on backdating."""

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from domain.decisions import Books, Decision, require_known
from domain.errors import NotAllowedNow, NotFound, Obstacle
from domain.events import (
    BackdatingLimitSet,
    Event,
    KeyIssued,
    KeyRevoked,
    PersonForgotten,
    RoleGranted,
    RoleRevoked,
    SignInSet,
)
from domain.values import (
    AccountId,
    KeyId,
    ManagerId,
    Role,
    SignInMeans,
    TeamId,
    stream_of,
)


@dataclass(frozen=True, slots=True)
class GrantRole:
    """In place of the role that the account had. Its person and team must be known.

    `unless_known`: only to an account of which the log has never heard.
    """

    account_id: AccountId
    role: Role
    manager_id: ManagerId | None = None
    team_id: TeamId | None = None
    unless_known: bool = False

    def decide(self, books: Books) -> Decision:
        people, access = books.directory.people, books.directory.access
        if self.unless_known and access.knows(self.account_id):
            raise NotAllowedNow(Obstacle.ALREADY_EXISTS, name=str(self.account_id))
        if self.manager_id is not None:
            require_known("manager", self.manager_id, people.managers)
        if self.team_id is not None:
            people.require_team(self.team_id)
        if self.role is not Role.ADMIN:
            _require_another_admin(books, self.account_id)
        event = RoleGranted(
            account_id=self.account_id,
            role=self.role,
            manager_id=self.manager_id,
            team_id=self.team_id,
        )
        created = self.account_id not in access.grants
        return _on_account(self.account_id, event, created=created)


@dataclass(frozen=True, slots=True)
class RevokeRole:
    account_id: AccountId

    def decide(self, books: Books) -> Decision:
        require_known("account", self.account_id, books.directory.access.grants)
        _require_another_admin(books, self.account_id)
        return _on_account(self.account_id, RoleRevoked(account_id=self.account_id))


@dataclass(frozen=True, slots=True)
class IssueKey:
    """`expires_at` (exclusive) None: never."""

    account_id: AccountId
    key_id: KeyId
    expires_at: datetime | None = None

    def decide(self, books: Books) -> Decision:
        require_known("account", self.account_id, books.directory.access.grants)
        event = KeyIssued(
            account_id=self.account_id, key_id=self.key_id, expires_at=self.expires_at
        )
        return _on_account(self.account_id, event, created=True)


@dataclass(frozen=True, slots=True)
class RevokeKey:
    """That the key is the account's is known where keys are kept."""

    account_id: AccountId
    key_id: KeyId

    def decide(self, books: Books) -> Decision:
        if self.key_id in books.directory.access.revoked_keys:
            raise NotFound("key", self.key_id)
        event = KeyRevoked(account_id=self.account_id, key_id=self.key_id)
        return _on_account(self.account_id, event)


@dataclass(frozen=True, slots=True)
class SetSignIn:
    """What is secret of it is kept beside the log."""

    account_id: AccountId
    means: SignInMeans

    def decide(self, books: Books) -> Decision:
        require_known("account", self.account_id, books.directory.access.grants)
        event = SignInSet(account_id=self.account_id, means=self.means)
        return _on_account(self.account_id, event)


@dataclass(frozen=True, slots=True)
class ForgetPerson:
    """`person` is a manager's id, or an account's, open or closed. Whoever it is, they and all
    their accounts are ids from here on and nothing else, and the accounts are closed.

    Once is enough: raises NotAllowedNow where nothing is left to erase; NotFound for a stranger.
    `has_account`: beside the log there is an account of that id, of which the log need not know, as
    of those that version 0.1 had closed.
    """

    person: str
    has_account: bool = False

    def decide(self, books: Books) -> Decision:
        access = books.directory.access
        manager_id, accounts = self._whose(books)
        ids = [name for name in (manager_id, *map(str, accounts)) if name is not None]
        if access.forgotten.issuperset(ids):
            raise NotAllowedNow(Obstacle.ALREADY_FORGOTTEN, name=self.person)
        _require_another_admin(books, *accounts)
        event = PersonForgotten(manager_id=manager_id, account_ids=accounts or None)
        if manager_id is None:
            return _on_account(accounts[0], event)._replace(forgets=tuple(ids))
        stream = stream_of("manager", manager_id)
        return Decision(stream, event, {"manager_id": manager_id}, forgets=tuple(ids))

    def _whose(self, books: Books) -> tuple[ManagerId | None, tuple[AccountId, ...]]:
        """The manager who the person is, if they are one, and their accounts."""
        access, manager_id = books.directory.access, ManagerId(self.person)
        if manager_id in books.directory.people.managers:
            return manager_id, access.accounts_of(manager_id)
        account_id = _account_named(self.person)
        grant = None if account_id is None else access.had(account_id)
        if grant is not None and grant.manager_id is not None:
            return grant.manager_id, access.accounts_of(grant.manager_id)
        if account_id is None or not (self.has_account or access.knows(account_id)):
            raise NotFound("person", self.person)
        return None, (account_id,)


@dataclass(frozen=True, slots=True)
class SetBackdatingLimit:
    """`working_days` back from today, 0 for today only; None: any number."""

    working_days: int | None
    reason: str

    def decide(self, books: Books) -> Decision:  # noqa: ARG002 - as every command
        event = BackdatingLimitSet(working_days=self.working_days, reason=self.reason)
        return Decision(stream_of("rule", "backdating"), event, {"code": "backdating"})


def _on_account(account_id: AccountId, event: Event, *, created: bool = False) -> Decision:
    return Decision(UUID(str(account_id)), event, {"account_id": str(account_id)}, created=created)


def _account_named(name: str) -> AccountId | None:
    try:
        return AccountId(UUID(name))
    except ValueError:
        return None


def _require_another_admin(books: Books, *gone: AccountId) -> None:
    """Without an administrator nobody could make accounts any more."""
    grants = books.directory.access.grants
    admins = {who for who, grant in grants.items() if grant.role is Role.ADMIN}
    if admins and admins <= set(gone):
        raise NotAllowedNow(Obstacle.LAST_ADMIN)
