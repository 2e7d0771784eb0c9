"""May this account give this command? Asked under the lock, before the command is decided.

Whoever may not see a deal is told that there is none; whoever sees it and may not do this to it is
told so (design, section 7). Nobody judges what they did themselves, and nobody gives themselves
credit, whatever their role.
"""

from collections.abc import Callable, Iterable, Mapping
from datetime import date
from typing import NamedTuple

from domain.access import Grant, Reach, Task, may_see, sees_everybody
from domain.access_commands import (
    ForgetPerson,
    GrantRole,
    IssueKey,
    RevokeKey,
    RevokeRole,
    SetBackdatingLimit,
    SetSignIn,
)
from domain.deal import Action, Deal
from domain.deal_commands import (
    ChangeWeight,
    ConfirmAction,
    HandOver,
    Lose,
    OpenDeal,
    PerformAction,
    RejectAction,
    Reopen,
    Resume,
    ReviseCheck,
    ReviseExpectedClose,
    Suspend,
    Win,
    WithdrawAction,
)
from domain.decisions import Books, Command
from domain.directory_commands import (
    ChangeCatalogueWeight,
    ChangeTeam,
    ClosePeriod,
    CreateTeam,
    DefineActionType,
    RegisterManager,
    ReopenPeriod,
    RetireActionType,
)
from domain.errors import Forbidden, NotFound, Restriction
from domain.target_commands import SetTarget, WithdrawTarget
from domain.values import DealId, ManagerId

TASKS: Mapping[type[Command], Task] = {
    OpenDeal: Task.RECORD,
    PerformAction: Task.RECORD,
    ConfirmAction: Task.JUDGE,
    RejectAction: Task.JUDGE,
    ChangeWeight: Task.JUDGE,
    WithdrawAction: Task.JUDGE,
    ReviseCheck: Task.JUDGE,
    ReviseExpectedClose: Task.JUDGE,
    HandOver: Task.JUDGE,
    Suspend: Task.JUDGE,
    Resume: Task.JUDGE,
    Win: Task.JUDGE,
    Lose: Task.JUDGE,
    Reopen: Task.JUDGE,
    CreateTeam: Task.STAFF,
    RegisterManager: Task.STAFF,
    ChangeTeam: Task.STAFF,
    DefineActionType: Task.REGULATE,
    ChangeCatalogueWeight: Task.REGULATE,
    RetireActionType: Task.REGULATE,
    ClosePeriod: Task.REGULATE,
    ReopenPeriod: Task.REGULATE,
    SetBackdatingLimit: Task.REGULATE,
    SetTarget: Task.REGULATE,
    WithdrawTarget: Task.REGULATE,
    GrantRole: Task.ADMINISTER,
    RevokeRole: Task.ADMINISTER,
    IssueKey: Task.ADMINISTER,
    RevokeKey: Task.ADMINISTER,
    SetSignIn: Task.ADMINISTER,
    ForgetPerson: Task.ADMINISTER,
}
"""What is not here nobody may do."""


def require_permitted(command: Command, grant: Grant, books: Books) -> None:
    """Raises Forbidden; NotFound for what the account may not see."""
    task = TASKS.get(type(command))
    if task is None:
        raise Forbidden(Restriction.ROLE, role=grant.role.value)
    asker = _Asker(grant, books)
    if isinstance(command, OpenDeal):
        asker.require_may_open(command)
    elif isinstance(command, PerformAction):
        asker.require_may_record(command)
    elif task is Task.JUDGE:
        asker.require_may_judge(command)
    else:
        grant.reach(task)


def sees_deal(sees: Callable[[ManagerId], bool], deal: Deal) -> bool:
    """A deal belongs to its owner, and to whoever holds credit or performed an action in it or,
    while it is open, has a claim.
    """
    return sees(deal.owner) or any(
        sees(manager)
        for manager, stake in deal.stakes.items()
        if deal.is_open or stake.credit or stake.actions
    )


class _Asker(NamedTuple):
    """Whoever gives a command, on `books`. Teams are as they are today."""

    grant: Grant
    books: Books

    def require_may_open(self, command: OpenDeal) -> None:
        match self.grant.reach(Task.RECORD):
            case Reach.OWN:
                self._require_own([command.manager_id], Restriction.NOT_YOUR_DEAL)
            case Reach.TEAM:
                self._require_team([command.manager_id])
            case Reach.ALL:
                pass

    def require_may_record(self, command: PerformAction) -> None:
        self._visible(command.deal_id)
        match self.grant.reach(Task.RECORD):
            case Reach.OWN:
                self._require_own(command.performers, Restriction.NOT_YOUR_ACTION)
                self._require_recent(command.effective_on)
            case Reach.TEAM:
                self._require_team(command.performers)
            case Reach.ALL:
                pass

    def require_may_judge(self, command: Command) -> None:
        deal = self._visible(getattr(command, "deal_id"))  # noqa: B009 - every one of them has it
        reach = self.grant.reach(Task.JUDGE)
        action = self._action(command, deal)
        if reach is Reach.OWN:
            self._require_own_claim(command, action)
        if reach is Reach.TEAM:
            self._require_team([deal.owner])
        self._require_disinterested(command, action, reach)

    def _visible(self, deal_id: DealId) -> Deal:
        """Raises NotFound."""
        deal = self.books.deal(deal_id).deal
        if sees_everybody(self.grant):
            return deal
        people, today = self.books.directory.people, self.books.today
        if not sees_deal(lambda who: may_see(self.grant, people, who, today), deal):
            raise NotFound("deal", deal_id)
        return deal

    def _action(self, command: Command, deal: Deal) -> Action | None:
        """Raises NotFound."""
        action_id = getattr(command, "action_id", None)
        if action_id is None:
            return None
        if action_id not in deal.actions:
            raise NotFound("action", action_id)
        return deal.actions[action_id]

    def _require_own_claim(self, command: Command, action: Action | None) -> None:
        """All that a manager may undo is what nobody has confirmed yet."""
        mine = action is not None and action.claimed and _people_of(action) == {self._me}
        if not isinstance(command, WithdrawAction) or action is None or not mine:
            raise Forbidden(Restriction.NO_OWN_CLAIM)

    def _require_disinterested(self, command: Command, action: Action | None, reach: Reach) -> None:
        """A head judges no action of their own; nobody confirms it, raises its weight, or takes
        over the credit of others.
        """
        own = action is not None and self._me in _people_of(action)
        if own and reach is not Reach.OWN:
            if reach is Reach.TEAM or isinstance(command, ConfirmAction):
                raise Forbidden(Restriction.OWN_ACTION)
            if isinstance(command, ChangeWeight) and action and command.weight > action.weight:
                raise Forbidden(Restriction.RAISES_OWN_WEIGHT)
        takes = isinstance(command, HandOver) and command.transfer_credit
        if takes and isinstance(command, HandOver) and command.to_manager_id == self._me:
            raise Forbidden(Restriction.CREDIT_TO_ONESELF)

    @property
    def _me(self) -> ManagerId | None:
        return self.grant.manager_id

    def _require_own(self, managers: Iterable[ManagerId], otherwise: Restriction) -> None:
        if any(manager != self._me for manager in managers):
            raise Forbidden(otherwise)

    def _require_team(self, managers: Iterable[ManagerId]) -> None:
        """Raises Forbidden for a manager of another team; who is unknown is the command's rule."""
        people, today = self.books.directory.people, self.books.today
        for manager in managers:
            known = manager in people.managers
            if known and not self.grant.leads(people.team_of(manager, today)):
                raise Forbidden(Restriction.NOT_YOUR_TEAM, manager_id=manager)

    def _require_recent(self, day: date) -> None:
        """How far back a manager may date an action alone (BackdatingLimitSet). By nothing else
        does a portfolio of their own grow.
        """
        limit = self.books.directory.backdating_working_days
        if limit is None or day >= self.books.today:
            return
        earliest = self.books.working_days_before(limit)
        if day < earliest:
            raise Forbidden(Restriction.TOO_FAR_BACK, earliest=earliest, working_days=limit)


def _people_of(action: Action) -> set[ManagerId]:
    """Who performed it, and who holds a line of it."""
    return {*action.performers, *(entry.manager_id for entry in action.entries)}
