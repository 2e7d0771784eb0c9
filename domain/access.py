"""Who may do what: the matrix of design section 7, and which role each account has.

The matrix is the only place where it stands. What is not in it is not permitted. Roles are given
and taken away by events, so that they hold from the next position on, and the log says who had
which when; of a person the log knows the account's id only.
"""

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field, replace
from datetime import date
from enum import StrEnum
from types import MappingProxyType

from domain.errors import Forbidden, Restriction, SignedOut
from domain.events import (
    AccessEvent,
    KeyIssued,
    KeyRevoked,
    PersonForgotten,
    RoleGranted,
    RoleRevoked,
    SignInSet,
)
from domain.people import People
from domain.values import AccountId, KeyId, ManagerId, Role, TeamId


class Task(StrEnum):
    """A row of the matrix."""

    __hash__ = str.__hash__  # as `Account`'s

    LOOK_UP = "the catalogue, the names of people, teams and months"
    SEE = "portfolios and deals"
    RECORD = "open a deal, record an action"
    JUDGE = "confirm, reject, re-weight, withdraw, revise, hand over, close"
    STAFF = "teams, managers"
    REGULATE = "catalogue, period close and reopen, rules"
    AUDIT = "log, restatement, proofs, who read what"
    ADMINISTER = "accounts, keys, imports"


class Reach(StrEnum):
    """Whose deals and portfolios a task extends to."""

    OWN = "own"
    TEAM = "team"
    ALL = "all"


_ALL_ROLES = MappingProxyType(dict.fromkeys(Role, Reach.ALL))

MATRIX: Mapping[Task, Mapping[Role, Reach]] = {
    Task.LOOK_UP: _ALL_ROLES,
    Task.SEE: {
        Role.MANAGER: Reach.OWN,
        Role.HEAD: Reach.TEAM,
        Role.DIRECTOR: Reach.ALL,
        Role.AUDITOR: Reach.ALL,
    },
    Task.RECORD: {
        Role.MANAGER: Reach.OWN,
        Role.HEAD: Reach.TEAM,
        Role.DIRECTOR: Reach.ALL,
    },
    Task.JUDGE: {
        Role.MANAGER: Reach.OWN,  # withdraw an own claim, and nothing else
        Role.HEAD: Reach.TEAM,
        Role.DIRECTOR: Reach.ALL,
    },
    Task.STAFF: {Role.DIRECTOR: Reach.ALL, Role.ADMIN: Reach.ALL},
    Task.REGULATE: {Role.DIRECTOR: Reach.ALL},
    Task.AUDIT: {Role.DIRECTOR: Reach.ALL, Role.AUDITOR: Reach.ALL},
    Task.ADMINISTER: {Role.ADMIN: Reach.ALL},
}


@dataclass(frozen=True, slots=True)
class Grant:
    """What one account was given. `manager_id` is the manager whom the account's person is, needed
    for the role `manager` and possible for every other; `team_id` the team that a head leads.
    """

    role: Role
    manager_id: ManagerId | None = None
    team_id: TeamId | None = None

    def leads(self, team_id: TeamId | None) -> bool:
        """Nobody leads those who are in no team."""
        return team_id is not None and team_id == self.team_id

    def reach(self, task: Task) -> Reach:
        """Raises Forbidden where the role has no part in the task."""
        reach = MATRIX[task].get(self.role)
        if reach is None:
            raise Forbidden(Restriction.ROLE, role=self.role.value)
        return reach


@dataclass(frozen=True, slots=True)
class Access:
    """Every account that has a role now, and what it was given; the closed ones, with what they had
    last; every key that was taken back; and the ids, of managers and of accounts, of whoever was
    forgotten.
    """

    grants: Mapping[AccountId, Grant] = field(default_factory=dict)
    closed: Mapping[AccountId, Grant] = field(default_factory=dict)
    revoked_keys: frozenset[KeyId] = frozenset()
    forgotten: frozenset[str] = frozenset()

    def had(self, account_id: AccountId) -> Grant | None:
        """What the account was given last, also if it is closed. None: it never was there, or is
        forgotten.
        """
        return self.grants.get(account_id) or self.closed.get(account_id)

    def knows(self, account_id: AccountId) -> bool:
        """Whether it is there, or was once."""
        return self.had(account_id) is not None or str(account_id) in self.forgotten

    def accounts_of(self, manager_id: ManagerId) -> tuple[AccountId, ...]:
        """Those of the manager's person, open or closed, that are not forgotten."""
        known = {**self.closed, **self.grants}
        return tuple(who for who, grant in known.items() if grant.manager_id == manager_id)

    def grant_of(self, account_id: AccountId, key_id: KeyId | None) -> Grant:
        """What the account may do that signed in by this key. Raises SignedOut."""
        grant = self.grants.get(account_id)
        if grant is None or key_id in self.revoked_keys:
            raise SignedOut
        return grant

    def evolve(self, event: AccessEvent) -> "Access":
        match event:
            case RoleGranted():
                grant = Grant(event.role, event.manager_id, event.team_id)
                closed = _without([event.account_id], self.closed)
                return replace(self, grants={**self.grants, event.account_id: grant}, closed=closed)
            case RoleRevoked():
                gone = {who: self.grants[who] for who in [event.account_id] if who in self.grants}
                kept = _without(gone, self.grants)
                return replace(self, grants=kept, closed={**self.closed, **gone})
            case KeyIssued() | SignInSet():
                return self
            case KeyRevoked():
                return replace(self, revoked_keys=self.revoked_keys | {event.key_id})
            case PersonForgotten():
                accounts = event.account_ids or ()
                ids = (event.manager_id, *map(str, accounts))
                return replace(
                    self,
                    grants=_without(accounts, self.grants),
                    closed=_without(accounts, self.closed),
                    forgotten=self.forgotten.union(one for one in ids if one is not None),
                )


def _without(
    gone: Collection[AccountId], accounts: Mapping[AccountId, Grant]
) -> Mapping[AccountId, Grant]:
    return {who: grant for who, grant in accounts.items() if who not in gone}


@dataclass(frozen=True, slots=True)
class Sight:
    """Whose portfolios and deals an account may see; `managers` None: everybody's."""

    managers: frozenset[ManagerId] | None

    def sees(self, manager: ManagerId) -> bool:
        return self.managers is None or manager in self.managers


def sees_everybody(grant: Grant) -> bool:
    return MATRIX[Task.SEE].get(grant.role) is Reach.ALL


def may_see(grant: Grant, people: People, manager: ManagerId, *days: date) -> bool:
    """Whether the account may see that manager's figures; a head, of whoever was in the team on all
    of `days`.
    """
    own = manager == grant.manager_id
    match MATRIX[Task.SEE].get(grant.role):
        case Reach.ALL:
            return True
        case Reach.OWN:
            return own
        case Reach.TEAM:
            return own or all(grant.leads(people.team_of(manager, day)) for day in days)
        case None:
            return False


def sight(grant: Grant, people: People, *days: date) -> Sight:
    """Everybody whom the account may see."""
    if sees_everybody(grant):
        return Sight(None)
    return Sight(frozenset(who for who in people.managers if may_see(grant, people, who, *days)))
