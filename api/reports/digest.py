"""Monday's page as an answer: a week's movement, closings, what stands still, waits, came late."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Annotated, Any
from zoneinfo import ZoneInfo

from fastapi import Query, Response
from psycopg import Cursor
from pydantic import Field

from api.answers import Asked, Figure, Moment, Out, Uuid, asked
from api.asking import AskingDep, Desk, PointQuestion
from api.inputs import Currency, Day, Id, Limit
from api.refusals import QUESTION_REFUSALS
from api.reports.kept import Fields, kept
from api.reports.stalled import FACTOR, MINIMUM_DAYS, StalledDeal, stalled_deal, standstill
from api.routes import told_again, v1_router
from api.service import Service
from api.v1.portfolios import counted
from domain.catalogue import Catalogue
from domain.deal import Status
from domain.errors import Invalid
from domain.events import instant_text
from domain.values import ManagerId, value_text
from projections.actions import ActionLine
from projections.lines import Line, Told
from projections.point import Knowledge, Point, last_positions, late_days
from projections.reports.digest import Digest, Recorded, Week, digest_from_ledger
from projections.reports.months import Closing
from projections.reports.stalled import Pace

router = v1_router(tags=["reports"], responses=QUESTION_REFUSALS)

PACE = Pace(MINIMUM_DAYS, FACTOR)
MOST = 10


class DigestQuestion(PointQuestion):
    week: Day | None = None
    """Any day of the week, from Monday to Sunday; left out: the week before that of `as_of`. The
    week that has `as_of` is told as far as it has come.
    """
    manager_id: str | None = None
    team_id: Id | None = None
    """Only members of the team at the week's end."""
    currency: Currency | None = None
    limit: Limit = MOST
    """So many are told in each list, with the largest first; sums and numbers are of all."""


class Named(Out):
    """An event, and the deal that it is about."""

    position: int = Field(examples=[1204])
    event: str = Field(examples=["ActionPerformed"])
    deal_id: Uuid = Field(examples=["0f8c3a52-55a4-4b0c-9c0e-0b7e0a4b6f11"])
    title: str = Field(examples=["Холодильные витрины для сети"])
    client: str = Field(examples=["Ромашка"])
    action_type: str | None = Field(examples=["proposal-presented"])
    effective_on: date = Field(examples=["2026-06-23"])
    recorded_at: Moment = Field(examples=["2026-06-23T09:15:02.123456Z"])
    late_days: int = Field(examples=[0])
    managers: list[str] = Field(examples=[["anna-sokolova"]])


class Moved(Named):
    """What the step of the event changed in the portfolios, and in what is claimed."""

    active: Figure = Field(examples=["20000000.00"])
    claimed: Figure = Field(examples=["0.00"])


class Closed(Named):
    """`amount`: by contract where the deal was won, the lost value where it was lost."""

    status: Status = Field(examples=["won"])
    amount: Figure = Field(examples=["380000000.00"])
    currency: str = Field(examples=["RUB"])


class Changed(Out):
    manager_id: str = Field(examples=["anna-sokolova"])
    name: str | None = Field(examples=["Анна Соколова"])
    opening: Figure = Field(examples=["8000000.00"])
    closing: Figure = Field(examples=["28000000.00"])
    change: Figure = Field(examples=["20000000.00"])


class Waiting(Out):
    """A claim, and for how many days it has waited since it was recorded."""

    deal_id: Uuid = Field(examples=["0f8c3a52-55a4-4b0c-9c0e-0b7e0a4b6f11"])
    title: str = Field(examples=["Холодильные витрины для сети"])
    client: str = Field(examples=["Ромашка"])
    action_id: Uuid = Field(examples=["5b0e6c1e-3d5f-4a6b-8a57-0d6a54f2b7c1"])
    action_type: str = Field(examples=["proposal-presented"])
    effective_on: date = Field(examples=["2026-06-23"])
    waits_days: int = Field(examples=[4])
    managers: list[str] = Field(examples=[["anna-sokolova"]])
    amount: Figure = Field(examples=["20000000.00"])


class StalledPart(Out):
    number: int = Field(examples=[3])
    active: Figure = Field(examples=["28000000.00"])
    claimed: Figure = Field(examples=["0.00"])
    deals: list[StalledDeal]


class WaitingPart(Out):
    """`number` up to 1000; `amount` is all that is claimed by those asked about. The claims that
    have waited longest are told.
    """

    number: int = Field(examples=[2])
    amount: Figure = Field(examples=["40000000.00"])
    actions: list[Waiting]


class LatePart(Out):
    """What was recorded in the week and changed the portfolios, or what was claimed, at the end of
    the day before it: the restatement of that day.
    """

    number: int = Field(examples=[1])
    active: Figure = Field(examples=["5000000.00"])
    claimed: Figure = Field(examples=["0.00"])
    entries: list[Moved]


class DigestAnswer(Asked):
    """`as_of` is the last day that is told of the week. opening + change = closing, and change is
    the sum of all managers' changes. Of the steps that moved a portfolio, the largest gains and the
    largest losses are told, with their causes.
    """

    first_day: date = Field(examples=["2026-06-22"])
    last_day: date = Field(examples=["2026-06-28"])
    currency: str = Field(examples=["RUB"])
    opening: Figure = Field(examples=["8000000.00"])
    closing: Figure = Field(examples=["28000000.00"])
    change: Figure = Field(examples=["20000000.00"])
    managers: list[Changed]
    gains: list[Moved]
    losses: list[Moved]
    closings: list[Closed]
    stalled: StalledPart
    waiting: WaitingPart
    late: LatePart


@router.get("/reports/digest", operation_id="getDigest", response_model=DigestAnswer)
@told_again
def digest(question: Annotated[DigestQuestion, Query()], asking: AskingDep) -> Response:
    """A week in one page: what moved and why, what was closed, what stands still, what waits to be
    confirmed, and what was entered late. A head is told of those who were in the team on the eve of
    the week and at its end, and are today.
    """
    with asking.desk_at(question.as_of, question.knowledge) as (at, now):
        week = _week(question, now.as_of)
        point = Point(week.last, now.known_at, now.position)
        currency = at.currency(question.currency)
        who = counted(at, point, question.manager_id, question.team_id, week.eve)
        recorded = _recorded_in(at.cursor, at.service.settings.zone, week, point)
        teller = _teller(at.service, at.cursor, point, week, currency, question.limit)

        def told() -> Fields:
            still = standstill(at, point, currency, PACE, who, question.limit)
            return teller.answer(
                at.read(
                    point.position,
                    lambda cursor: digest_from_ledger(
                        cursor, point, week, recorded, currency, who, still, question.limit
                    ),
                )
            )

        return kept(at, point, question, teller.called, told)


def digest_for(at: Desk, week: Week, position: int) -> Fields:
    """A DigestAnswer of everybody whom the account may see, in the company's currency, as known at
    `position`.
    """
    service, cursor, currency = at.service, at.cursor, at.currency(None)
    point = at.point(week.last, Knowledge(position=position))
    who = counted(at, point, None, None, week.eve)
    recorded = _recorded_in(cursor, service.settings.zone, week, point)
    still = standstill(at, point, currency, PACE, who, MOST)
    found = digest_from_ledger(cursor, point, week, recorded, currency, who, still, MOST)
    told = _teller(service, cursor, point, week, currency, MOST).answer(found)
    return {**asked(point), **told}


def _teller(
    service: Service, cursor: Cursor[Any], point: Point, week: Week, currency: str, most: int
) -> "Teller":
    catalogue = service.directory.at(cursor, point.position).catalogue
    called, zone = service.directory.names(cursor), service.settings.zone
    return Teller(point, week, currency, catalogue, called, zone, most)


def _week(question: DigestQuestion, as_of: date) -> Week:
    """Raises Invalid."""
    day = as_of - timedelta(days=7) if question.week is None else question.week
    week = Week.of(day)
    if week.first > as_of:
        raise Invalid("week", "after-as-of")
    return week.up_to(as_of)


def _recorded_in(cursor: Cursor[Any], zone: ZoneInfo, week: Week, point: Point) -> Recorded:
    """What of the log was recorded in the week and is known at the point."""
    return Recorded(*last_positions(cursor, [week.eve, week.last], zone, point))


@dataclass(frozen=True, slots=True)
class Teller:
    """Tells a digest, with at most so many rows in each list."""

    point: Point
    week: Week
    currency: str
    catalogue: Catalogue
    called: Mapping[ManagerId, str]
    zone: ZoneInfo
    most: int

    def answer(self, found: Digest) -> Fields:
        """A DigestAnswer."""
        opening, closing = found.opening.active, found.closing.active
        return {
            "first_day": self.week.first,
            "last_day": self.week.last,
            "currency": self.currency,
            "opening": value_text(opening),
            "closing": value_text(closing),
            "change": value_text(closing - opening),
            "managers": self._managers(found),
            "gains": self._moved(found, found.gains),
            "losses": self._moved(found, found.losses),
            "closings": self._closings(found),
            "stalled": {
                "number": found.stalled.total.deals,
                "active": value_text(found.stalled.total.active),
                "claimed": value_text(found.stalled.total.claimed),
                "deals": [
                    stalled_deal(
                        one,
                        found.still[one.position],
                        self.catalogue,
                        self.week.last,
                        self.currency,
                        self.called,
                    )
                    for one in found.stalled.deals
                ],
            },
            "waiting": {
                "number": len(found.waiting),
                "amount": value_text(found.closing.claimed),
                "actions": [self._waiting(one) for one in found.waiting[: self.most]],
            },
            "late": {
                "number": len(found.late),
                "active": value_text(sum(one.active for one in found.late)),
                "claimed": value_text(sum(one.claimed for one in found.late)),
                "entries": [
                    self._line(found.told[one.position], one.managers, one.active, one.claimed)
                    for one in found.late[: self.most]
                ],
            },
        }

    def _managers(self, found: Digest) -> list[Fields]:
        """Whoever's changed, those with the largest change first: each a Changed."""
        changes = {who: after.active - before.active for who, (before, after) in found.held.items()}
        return [
            {
                "manager_id": who,
                "name": self.called.get(who),
                "opening": value_text(found.held[who][0].active),
                "closing": value_text(found.held[who][1].active),
                "change": value_text(change),
            }
            for who, change in sorted(changes.items(), key=lambda one: (-abs(one[1]), one[0]))
            if change
        ]

    def _moved(self, found: Digest, lines: Sequence[Line]) -> list[Fields]:
        return [
            self._line(found.told[one.position], one.managers, one.active, one.claimed)
            for one in lines
        ]

    def _closings(self, found: Digest) -> list[Fields]:
        """In book order, each once, whoever has a part in it: a Closed."""
        events: dict[int, list[Closing]] = {}
        for one in found.closings:
            events.setdefault(one.position, []).append(one)
        return [
            {
                **self._named(found.told[position], [one.manager_id for one in own]),
                "status": own[0].status,
                "amount": value_text(sum(one.amount for one in own)),
                "currency": own[0].currency,
            }
            for position, own in events.items()
        ]

    def _waiting(self, one: ActionLine) -> Fields:
        """A Waiting."""
        return {
            "deal_id": one.deal_id,
            "title": one.deal.title,
            "client": one.deal.client,
            "action_id": one.action.action_id,
            "action_type": one.action.action_type,
            "effective_on": one.action.effective_on,
            "waits_days": max(0, -late_days(one.recorded_at, self.week.last, self.zone)),
            "managers": [entry.manager_id for entry in one.action.entries],
            "amount": value_text(one.amount),
        }

    def _line(self, told: Told, managers: Sequence[ManagerId], active: int, claimed: int) -> Fields:
        """A Moved."""
        return {
            **self._named(told, managers),
            "active": value_text(active),
            "claimed": value_text(claimed),
        }

    def _named(self, told: Told, managers: Collection[ManagerId]) -> Fields:
        """A Named."""
        recorded = told.recorded
        assert recorded.effective_on is not None, "a deal's event has a date"
        return {
            "position": recorded.position,
            "event": recorded.type,
            "deal_id": recorded.originator_id,
            "title": told.title,
            "client": told.client,
            "action_type": None if told.action is None else told.action.action_type,
            "effective_on": recorded.effective_on,
            "recorded_at": instant_text(recorded.recorded_at),
            "late_days": late_days(recorded.recorded_at, recorded.effective_on, self.zone),
            "managers": [*managers],
        }
