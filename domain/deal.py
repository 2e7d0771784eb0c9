"""The deal: what its history allows, and what each event does to it (design, section 4).

`obstacle` says why an event is not allowed; `evolve` changes state and never refuses: what it is
given has happened. State is immutable, so a decision that comes to nothing leaves nothing behind.
"""

from collections.abc import Iterable, Mapping
from datetime import date
from enum import StrEnum
from types import MappingProxyType
from typing import NamedTuple, assert_never

from domain.errors import Obstacle
from domain.events import (
    ActionConfirmed,
    ActionPerformed,
    ActionRejected,
    ActionWithdrawn,
    DealEvent,
    DealHandedOver,
    DealLost,
    DealOpened,
    DealReopened,
    DealResumed,
    DealSuspended,
    DealWon,
    ExpectedCloseRevised,
    PotentialCheckRevised,
    Recorded,
    WeightChanged,
)
from domain.growing import GrowingDict
from domain.values import WHOLE, ActionId, ActionTypeCode, ManagerId, split


class Status(StrEnum):
    OPEN = "open"
    SUSPENDED = "suspended"
    WON = "won"
    LOST = "lost"


class Entry(NamedTuple):
    """One manager's line in one action: nominal weight and the credit of it, in basis points."""

    manager_id: ManagerId
    weight: int
    credit: int


Entries = tuple[Entry, ...]


class Taking(NamedTuple):
    """What a setback took from one entry of one action."""

    action_id: ActionId
    entry: int
    amount: int


class Action(NamedTuple):
    """An action as the deal knows it. Entries keep their order and are never merged."""

    action_id: ActionId
    action_type: ActionTypeCode
    position: int
    effective_on: date
    performers: tuple[ManagerId, ...]
    entries: Entries
    claimed: bool
    live: bool = True
    rejected: bool = False
    took: tuple[Taking, ...] = ()
    evidence: str | None = None
    comment: str | None = None

    @property
    def weight(self) -> int:
        """Nominal, signed: negative for a setback."""
        return sum([weight for _, weight, _ in self.entries])

    @property
    def credit(self) -> int:
        return sum([credit for _, _, credit in self.entries])

    @property
    def is_setback(self) -> bool:
        """Reported by one manager, with a negative weight that never changes."""
        return self.entries[0].weight < 0

    @property
    def state(self) -> str:
        """What has become of it: counted, claimed, withdrawn or rejected."""
        if self.live:
            return "claimed" if self.claimed else "counted"
        return "rejected" if self.rejected else "withdrawn"


class Stake(NamedTuple):
    """What one manager has in a deal: basis points of credit and of live positive claims, and the
    count of positive actions performed that are neither withdrawn nor rejected.
    """

    credit: int = 0
    claim: int = 0
    actions: int = 0

    @property
    def in_the_deal(self) -> bool:
        """Something that the deal's outcome decides about: it counts as the manager's."""
        return self.credit > 0 or self.claim > 0


NO_STAKE = Stake()


NO_ACTIONS: GrowingDict[ActionId, Action] = GrowingDict()


class Deal(NamedTuple):
    """A deal after some of its events. `progress` is the sum of all credit, 0 to `cap`, which in
    the books is WHOLE for every deal.

    `stakes` are the actions added up by manager, kept beside them so that a step costs the same
    however many actions went before; in no particular order.
    """

    opened_on: date
    title: str
    client: str
    owner: ManagerId
    check: int
    currency: str
    expected_close_on: date | None
    status: Status = Status.OPEN
    contract: int | None = None
    cap: int = WHOLE
    actions: GrowingDict[ActionId, Action] = NO_ACTIONS
    stakes: Mapping[ManagerId, Stake] = MappingProxyType({})
    progress: int = 0

    @property
    def room(self) -> int:
        return self.cap - self.progress

    @property
    def is_open(self) -> bool:
        return self.status is Status.OPEN

    def has_terms_of(self, other: "Deal") -> bool:
        """Both are open, with one check and one owner: they differ by what was done at most."""
        return (
            self.status is other.status is Status.OPEN
            and self.check == other.check
            and self.owner == other.owner
        )


def obstacle(deal: Deal | None, recorded: Recorded[DealEvent]) -> Obstacle | None:
    """Why `recorded` may not follow in the state `deal`; None when it may."""
    event = recorded.event
    if deal is None:
        return None if isinstance(event, DealOpened) else Obstacle.NOT_OPEN
    match event:
        case ActionPerformed():
            return None if deal.is_open else Obstacle.NOT_OPEN
        case ActionConfirmed():
            return _not_open(deal) or _not_claimed(deal, event.action_id)
        case ActionRejected():
            return _not_claimed(deal, event.action_id)
        case WeightChanged():
            return (
                _not_underway(deal)
                or _not_live(deal, event.action_id)
                or _not_positive(deal.actions[event.action_id].weight, event.weight)
            )
        case ActionWithdrawn():
            return _not_underway(deal) or _not_live(deal, event.action_id)
        case DealHandedOver():
            same = event.to_manager_id == deal.owner
            return _not_underway(deal) or (Obstacle.SAME_OWNER if same else None)
        case DealSuspended():
            return _not_open(deal)
        case DealResumed():
            return None if deal.status is Status.SUSPENDED else Obstacle.NOT_SUSPENDED
        case DealReopened():
            return Obstacle.NOT_CLOSED if _not_underway(deal) is None else None
        case PotentialCheckRevised() | ExpectedCloseRevised() | DealWon() | DealLost():
            return _not_underway(deal)
        case DealOpened():
            return Obstacle.ALREADY_OPENED
        case _:
            assert_never(event)


def _not_open(deal: Deal) -> Obstacle | None:
    return None if deal.is_open else Obstacle.NOT_OPEN


def _not_underway(deal: Deal) -> Obstacle | None:
    underway = deal.status is Status.OPEN or deal.status is Status.SUSPENDED
    return None if underway else Obstacle.NOT_OPEN_OR_SUSPENDED


def _not_live(deal: Deal, action_id: ActionId) -> Obstacle | None:
    action = deal.actions.get(action_id)
    if action is None:
        return Obstacle.BEFORE_ITS_ACTION
    return None if action.live else Obstacle.ACTION_NOT_LIVE


def _not_claimed(deal: Deal, action_id: ActionId) -> Obstacle | None:
    if dead := _not_live(deal, action_id):
        return dead
    return None if deal.actions[action_id].claimed else Obstacle.ACTION_NOT_CLAIMED


def _not_positive(old: int, new: int) -> Obstacle | None:
    return None if old > 0 and new > 0 else Obstacle.WEIGHT_NOT_POSITIVE


def evolve(deal: Deal | None, recorded: Recorded[DealEvent]) -> Deal:
    """The deal after `recorded`, which `obstacle` has let pass."""
    event = recorded.event
    if deal is None:
        assert isinstance(event, DealOpened), "a deal begins with DealOpened"
        return _opened(recorded, event)
    match event:
        case ActionPerformed():
            return _performed(deal, recorded, event)
        case ActionConfirmed():
            return _confirmed(deal, deal.actions[event.action_id])
        case ActionRejected():
            rejected = deal.actions[event.action_id]._replace(live=False, rejected=True)
            return _with(deal, rejected)
        case WeightChanged():
            return _reweighted(deal, deal.actions[event.action_id], event.weight)
        case ActionWithdrawn():
            return _withdrawn(deal, deal.actions[event.action_id])
        case PotentialCheckRevised():
            return deal._replace(check=event.potential_check.amount)
        case ExpectedCloseRevised():
            return deal._replace(expected_close_on=event.expected_close_on)
        case DealHandedOver():
            return _handed_over(deal, event)
        case DealSuspended():
            return deal._replace(status=Status.SUSPENDED)
        case DealWon():
            return deal._replace(status=Status.WON, contract=event.contract.amount)
        case DealLost():
            return deal._replace(status=Status.LOST)
        case DealResumed() | DealReopened():
            return deal._replace(status=Status.OPEN, contract=None)
        case DealOpened():
            return _opened(recorded, event)
        case _:
            assert_never(event)


def fold(events: Iterable[Recorded[DealEvent]]) -> Deal | None:
    """The deal after `events`, given in book order; None if there are none."""
    deal: Deal | None = None
    for recorded in events:
        deal = evolve(deal, recorded)
    return deal


def _opened(recorded: Recorded[DealEvent], event: DealOpened) -> Deal:
    assert recorded.effective_on is not None
    return Deal(
        opened_on=recorded.effective_on,
        title=event.title,
        client=event.client,
        owner=event.manager_id,
        check=event.potential_check.amount,
        currency=event.potential_check.currency,
        expected_close_on=event.expected_close_on,
    )


def _performed(deal: Deal, recorded: Recorded[DealEvent], event: ActionPerformed) -> Deal:
    assert recorded.effective_on is not None
    claimed = event.needs_confirmation
    nominal = tuple([Entry(credit.manager_id, credit.weight, 0) for credit in event.credits])
    action = Action(
        event.action_id,
        event.action_type,
        recorded.position,
        recorded.effective_on,
        tuple([manager for manager, _, _ in nominal]),
        entries=nominal if claimed else _counted(deal, nominal),
        claimed=claimed,
        evidence=event.evidence,
        comment=event.comment,
    )
    deal = _added(deal, action)
    return _set_back(deal, action) if action.is_setback and not claimed else deal


def _confirmed(deal: Deal, action: Action) -> Deal:
    action = action._replace(claimed=False, entries=_counted(deal, action.entries))
    return _set_back(deal, action) if action.is_setback else _with(deal, action)


def _added(deal: Deal, action: Action) -> Deal:
    """The deal with one more action, its last; stakes and progress follow."""
    actions, stakes = deal.actions.adding(action.action_id, action), dict(deal.stakes)
    _stake(stakes, action, 1)
    return Deal(*deal[:-3], actions, stakes, deal.progress + action.credit)


def _with(deal: Deal, *changed: Action) -> Deal:
    """The same with the `changed` actions, each once, in their places."""
    stakes, progress = dict(deal.stakes), deal.progress
    for action in changed:
        before = deal.actions[action.action_id]
        _stake(stakes, before, -1)
        _stake(stakes, action, 1)
        progress += action.credit - before.credit
    actions = deal.actions.replacing({action.action_id: action for action in changed})
    return Deal(*deal[:-3], actions, stakes, progress)


def _stake(stakes: dict[ManagerId, Stake], action: Action, sign: int) -> None:
    """Add `action` to the stakes, or with sign -1 take it out; nobody keeps a stake of nothing."""
    counted = action.live and not action.is_setback
    claimed = action.claimed and counted
    done = sign if counted else 0
    for (manager, weight, credit), performer in zip(action.entries, action.performers, strict=True):
        claim = weight if claimed else 0
        if manager == performer:
            _add(stakes, manager, sign * credit, sign * claim, done)
        else:  # the credit was handed over; what was done was not
            _add(stakes, manager, sign * credit, sign * claim, 0)
            _add(stakes, performer, 0, 0, done)


def _add(
    stakes: dict[ManagerId, Stake], manager: ManagerId, credit: int, claim: int, actions: int
) -> None:
    held = stakes.get(manager, NO_STAKE)
    stake = Stake(held.credit + credit, held.claim + claim, held.actions + actions)
    if stake == NO_STAKE:
        stakes.pop(manager, None)
    else:
        stakes[manager] = stake


def _counted(deal: Deal, entries: Entries) -> Entries:
    """An action begins to count: a positive one is granted up to 100 %, a setback nothing."""
    weight = sum([weight for _, weight, _ in entries])
    if weight < 0:
        return entries
    if weight <= deal.room:  # as nearly always: everybody is granted all of theirs
        return tuple([Entry(manager, weight, weight) for manager, weight, _ in entries])
    return _granted(entries, deal.room)


def _granted(entries: Entries, amount: int) -> Entries:
    """`amount` more credit, over the entries in proportion to their nominal weights."""
    return _credited(entries, split(amount, [entry.weight for entry in entries]))


def _taken(entries: Entries, amount: int) -> Entries:
    """`amount` less credit (at most what they have), in proportion to the credits."""
    shares = split(amount, [entry.credit for entry in entries])
    return _credited(entries, [-share for share in shares])


def _credited(entries: Entries, changes: Iterable[int]) -> Entries:
    return tuple(
        [
            Entry(manager, weight, credit + change)
            for (manager, weight, credit), change in zip(entries, changes, strict=True)
        ]
    )


def _set_back(deal: Deal, setback: Action) -> Deal:
    """Take from all existing credits in proportion, in the order in which they stand."""
    amount = min(-setback.weight, deal.progress)
    if amount == 0:
        return _with(deal, setback)
    held = [
        (action.action_id, number, entry.credit)
        for action in deal.actions.values()
        for number, entry in enumerate(action.entries)
    ]
    shares = split(amount, [credit for _, _, credit in held])
    took = tuple(
        Taking(action_id, number, share)
        for (action_id, number, _), share in zip(held, shares, strict=True)
        if share
    )
    lenders: dict[ActionId, Action] = {}
    for action_id, number, share in took:
        lender = lenders.get(action_id) or deal.actions[action_id]
        lenders[action_id] = _shifted(lender, number, -share)
    return _with(deal, *lenders.values(), setback._replace(took=took))


def _shifted(action: Action, number: int, change: int) -> Action:
    changes = [change if i == number else 0 for i in range(len(action.entries))]
    return action._replace(entries=_credited(action.entries, changes))


def _withdrawn(deal: Deal, action: Action) -> Deal:
    took = action.took
    dead = tuple(Entry(entry.manager_id, entry.weight, 0) for entry in action.entries)
    deal = _with(deal, action._replace(live=False, entries=dead, took=()))
    for taking in took:
        lender = deal.actions[taking.action_id]
        if lender.live:
            back = min(taking.amount, lender.weight - lender.credit, deal.room)
            deal = _with(deal, _shifted(lender, taking.entry, back))
    return deal


def _reweighted(deal: Deal, action: Action, weight: int) -> Deal:
    old = action.weight
    nominal = split(weight, [entry.weight for entry in action.entries])
    entries = tuple(
        [
            Entry(manager, share, credit)
            for (manager, _, credit), share in zip(action.entries, nominal, strict=True)
        ]
    )
    if not action.claimed and weight > old:
        entries = _granted(entries, min(weight - old, deal.room))
    elif (excess := action.credit - weight) > 0:
        entries = _taken(entries, excess)
    return _with(deal, action._replace(entries=entries))


def _handed_over(deal: Deal, event: DealHandedOver) -> Deal:
    """Every line of the old owner in a live action becomes the new owner's, in its place."""
    old, new = deal.owner, event.to_manager_id
    if not event.transfer_credit:
        return deal._replace(owner=new)
    passed = [
        action._replace(entries=_passed(action.entries, old, new))
        for action in deal.actions.values()
        if action.live and any(entry.manager_id == old for entry in action.entries)
    ]
    return _with(deal, *passed)._replace(owner=new)


def _passed(entries: Entries, old: ManagerId, new: ManagerId) -> Entries:
    return tuple(
        Entry(new if manager == old else manager, weight, credit)
        for manager, weight, credit in entries
    )
