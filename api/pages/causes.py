"""The causes by which portfolios change, as people tell them apart: each with its events."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from decimal import Decimal
from typing import Any

from api.pages.entries import Entry
from api.pages.frame import gettext
from api.pages.visit import Visit
from api.pages.waterfall import Bar, Waterfall
from domain.values import Account

FEW, MANY = 6, 1_000
"""Events of each cause on a page, and when one of them is opened whole."""
OPEN_GROUPS = 3


@dataclass(frozen=True, slots=True)
class Cause:
    """Types of events that are one row."""

    key: str
    title: str
    hint: str
    events: tuple[str, ...]


_LATER_CAUSES = (
    Cause("withdrawn", "Withdrawn", "actions taken back", ("ActionWithdrawn", "ActionRejected")),
    Cause("weights", "New weights", "actions re-rated", ("WeightChanged",)),
    Cause("checks", "New checks", "potential check revised", ("PotentialCheckRevised",)),
    Cause("handovers", "Handovers", "to others, from others", ("DealHandedOver",)),
    Cause("suspended", "Suspended", "left the portfolio", ("DealSuspended",)),
    Cause("resumed", "Resumed", "came back", ("DealResumed",)),
    Cause("won", "Won", "went to what is won", ("DealWon",)),
    Cause("lost", "Lost", "went to what is lost", ("DealLost",)),
    Cause("reopened", "Reopened", "came back", ("DealReopened",)),
    Cause("other", "Other", "the deal itself", ("DealOpened", "ExpectedCloseRevised")),
)
MOVED = (
    Cause("actions", "Actions", "recorded and confirmed", ("ActionPerformed", "ActionConfirmed")),
    *_LATER_CAUSES,
)
RESTATED = (
    Cause("late", "Late actions", "recorded afterwards", ("ActionPerformed",)),
    Cause("confirmed", "Confirmations", "came afterwards", ("ActionConfirmed",)),
    *_LATER_CAUSES,
)


@dataclass(frozen=True, slots=True)
class Group:
    """A cause with its events, the largest first: `number` of them, not all of which are here."""

    cause: Cause
    amount: Decimal
    number: int
    entries: Sequence[Entry]
    is_open: bool = False

    @property
    def more(self) -> int:
        return self.number - len(self.entries)


def groups_of(
    causes: Sequence[Cause],
    answered: Sequence[Mapping[str, Any]],
    entries: Sequence[Entry],
    numbers: Mapping[str, int],
    opened: str | None,
    *,
    most: int = FEW,
    account: str = Account.ACTIVE,
) -> list[Group]:
    """The amounts are the answer's, of that account; of the groups the largest are open, or the one
    asked for.
    """
    groups = []
    for cause in causes:
        amount = sum(
            (
                Decimal(line["amount"])
                for line in answered
                if line["account"] == account and line["cause"] in cause.events
            ),
            Decimal(),
        )
        number = sum(numbers.get(event, 0) for event in cause.events)
        own = [entry for entry in entries if entry.cause in cause.events]
        if amount or number:
            shown = own[: MANY if cause.key == opened else most]
            groups.append(Group(cause, amount, number, shown, cause.key == opened))
    largest = sorted(groups, key=lambda group: -abs(group.amount))[:OPEN_GROUPS]
    wide = {group.cause.key for group in largest}
    return [replace(group, is_open=group.is_open or group.cause.key in wide) for group in groups]


def waterfall_of(
    visit: Visit, groups: Sequence[Group], first: Bar, last: Bar, page: str = ""
) -> Waterfall:
    """Each cause leads to its events on `page`."""
    say = gettext(visit.language)
    bars = [
        Bar(
            say(group.cause.title), say(group.cause.hint), str(group.amount),
            f"{page}#{group.cause.key}",
        )
        for group in groups
    ]  # fmt: skip
    return Waterfall(first, bars, last, visit.language)
