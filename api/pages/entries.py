"""Events as people read them: which deal, what, whose, both times, by whom, and how much."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any, assert_never

from api.pages import figures
from api.pages.frame import gettext
from api.pages.people import People
from api.pages.visit import Visit
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
    WeightChanged,
)
from domain.values import Money, decimal_text, value_text
from projections.lines import Line, Told
from projections.point import late_days

LATE_DAYS = 7
"""An entry recorded more than so many days after is late."""


@dataclass(frozen=True, slots=True)
class Entry:
    """`prefix` is said before `what`. `late` is in days, 0 where that is nothing to point at."""

    cause: str
    deal_id: str
    title: str
    client: str
    prefix: str
    what: str
    managers: Sequence[str]
    effective_on: date
    recorded_at: datetime
    late: int
    author: str
    position: int
    amount: str
    claimed: str


@dataclass(frozen=True, slots=True)
class Teller:
    """Tells events in the language of the visit; `kinds` are the catalogue's action types."""

    visit: Visit
    people: People
    kinds: Sequence[Mapping[str, Any]]

    def entries(
        self, lines: Iterable[Line], told: Mapping[int, Told], *, late_after: int = LATE_DAYS
    ) -> list[Entry]:
        """A confirmation holds from the date of its action, so it is late only where all are
        (`late_after` is 0).
        """
        zone = self.visit.service.settings.zone
        titles = {kind["code"]: kind["title"][self.visit.language] for kind in self.kinds}
        entries = []
        for line in lines:
            one = told[line.position]
            recorded = one.recorded
            late = late_days(recorded.recorded_at, line.effective_on, zone)
            if late <= late_after or (late_after and line.cause == "ActionConfirmed"):
                late = 0
            kind = one.action.action_type if one.action else ""
            prefix, what = self._said(recorded.event, titles.get(kind, kind))
            entries.append(
                Entry(
                    line.cause, str(recorded.originator_id), one.title, one.client, prefix, what,
                    line.managers, line.effective_on, recorded.recorded_at.astimezone(zone), late,
                    one.author, line.position, value_text(line.active), value_text(line.claimed),
                )
            )  # fmt: skip
        return entries

    def _said(self, event: DealEvent, kind: str) -> tuple[str, str]:  # noqa: C901, PLR0911, PLR0912 - one for each event
        say = gettext(self.visit.language)
        match event:
            case DealOpened():
                return "", say("Deal opened")
            case ActionPerformed():
                return "", kind
            case ActionConfirmed():
                return say("confirmed:"), kind
            case ActionRejected():
                return say("rejected:"), f"{kind}: {event.reason}"
            case WeightChanged():
                weight = figures.percent(decimal_text(event.weight), self.visit.language)
                return "", f"{kind}: → {weight}{figures.SPACE}%. {event.reason}"
            case ActionWithdrawn():
                return say("withdrawn:"), f"{kind}: {event.reason}"
            case PotentialCheckRevised():
                check = self._money(event.potential_check)
                return say("the check became"), f"{check}: {event.reason}"
            case ExpectedCloseRevised():
                day = figures.long_date(event.expected_close_on, self.visit.language)
                return say("expected to close"), day
            case DealHandedOver():
                name = self.people.name(event.to_manager_id)
                return say("handed over to"), f"{name}: {event.reason}"
            case DealSuspended():
                return say("suspended:"), event.reason
            case DealResumed():
                return "", say("Work goes on")
            case DealWon():
                return say("contract for"), self._money(event.contract)
            case DealLost():
                return say("lost:"), event.reason
            case DealReopened():
                return say("reopened:"), event.reason
            case _:
                assert_never(event)

    def _money(self, money: Money) -> str:
        return figures.compact(decimal_text(money.amount), money.currency, self.visit.language)
