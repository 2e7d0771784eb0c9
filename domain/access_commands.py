"""What administrators ask for: roles, keys, forgetting; and the director's rule on backdating."""

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from domain.decisions import Books, Decision
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
    """In place of the role that the account had. Its person and team must be known."""

    account_id: AccountId
    role: Role
    manager_id: ManagerId | None = None
    team_id: TeamId | None = None

    def decide(self, books: Books) -> Decision:
        people = books.directory.people
        if self.manager_id is not None and self.manager_id not in people.managers:
            raise NotFound("manager", self.manager_id)
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
        created = self.account_id not in books.directory.access.grants
        return _on_account(self.account_id, event, created=created)


@dataclass(frozen=True, slots=True)
class RevokeRole:
    account_id: AccountId

    def decide(self, books: Books) -> Decision:
        _require_account(books, self.account_id)
        _require_another_admin(books, self.account_id)
        return _on_account(self.account_id, RoleRevoked(account_id=self.account_id))


@dataclass(frozen=True, slots=True)
class IssueKey:
    """`expires_at` (exclusive) None: never."""

    account_id: AccountId
    key_id: KeyId
    expires_at: datetime | None = None

    def decide(self, books: Books) -> Decision:
        _require_account(books, self.account_id)
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
        _require_account(books, self.account_id)
        event = SignInSet(account_id=self.account_id, means=self.means)
        return _on_account(self.account_id, event)


@dataclass(frozen=True, slots=True)
class ForgetPerson:
    """The manager, and every account that is theirs, are ids from here on, and nothing else."""

    manager_id: ManagerId

    def decide(self, books: Books) -> Decision:
        if self.manager_id not in books.directory.people.managers:
            raise NotFound("manager", self.manager_id)
        event = PersonForgotten(manager_id=self.manager_id)
        ids = {"manager_id": self.manager_id}
        accounts = (
            str(account_id)
            for account_id, grant in books.directory.access.grants.items()
            if grant.manager_id == self.manager_id
        )
        stream = stream_of("manager", self.manager_id)
        return Decision(stream, event, ids, forgets=(self.manager_id, *accounts))


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


def _require_account(books: Books, account_id: AccountId) -> None:
    if account_id not in books.directory.access.grants:
        raise NotFound("account", account_id)


def _require_another_admin(books: Books, account_id: AccountId) -> None:
    """Without an administrator nobody could make accounts any more."""
    grants = books.directory.access.grants
    admins = [who for who, grant in grants.items() if grant.role is Role.ADMIN]
    if admins == [account_id]:
        raise NotAllowedNow(Obstacle.LAST_ADMIN)
