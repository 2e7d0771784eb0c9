"""For whoever audits: where the books were written unusually, as counts and places."""

from collections.abc import Mapping, Sequence
from datetime import date, timedelta
from typing import Annotated, NamedTuple
from uuid import UUID

from fastapi import Query, Response
from psycopg import Cursor
from pydantic import Field

from api.answers import AMOUNT, Asked, Figure, Moment, Out, Uuid, answer, asked
from api.asking import AskingDep, Desk, PointQuestion
from api.inputs import (
    Currency,
    Day,
    DaysOfMonth,
    Id,
    Limit,
    QuarterOfDays,
    Weight,
    WorkingDays,
)
from api.refusals import QUESTION_REFUSALS
from api.routes import v1_router
from application.dealfolio import RUSSIAN
from domain.errors import Invalid
from domain.events import instant_text
from domain.values import ManagerId, decimal_text, value_text
from projections.directory import Reopening
from projections.integrity import (
    LateAuthor,
    MonthEnd,
    Pair,
    Raise,
    Reopened,
    Repeated,
    Unconfirmed,
    Use,
    Window,
    Withdrawal,
    WithdrawalAuthor,
    by_author,
    confirming_pairs,
    deals_called,
    even_share,
    late_entries,
    month_ends,
    raises_near_weights,
    reopened_months,
    repeated_evidence,
    share,
    unconfirmed_value,
    window_at,
    withdrawals,
)
from projections.point import Point
from projections.portfolio import About

router = v1_router(tags=["audit"], responses=QUESTION_REFUSALS)

QUARTER = timedelta(days=91)
USES = 20
"""So many actions are told of one piece of evidence; of all of them their number."""


class IntegrityQuestion(PointQuestion):
    from_: Day | None = Field(default=None, alias="from")
    """What was recorded on this day or later; left out: 91 days before `to`."""
    to: Day | None = None
    """What was recorded on this day or earlier; today when left out."""
    currency: Currency | None = None
    team_id: Id | None = None
    """Of the members of this team on `as_of` alone."""
    manager_id: str | None = None
    late_after: WorkingDays = 2
    """An entry is late that was recorded more than so many working days after it held."""
    month_end: DaysOfMonth = 3
    """So many last days of a month are its end."""
    near: QuarterOfDays = 7
    """A raise is near an action within so many days."""
    high_weight: Weight = 500
    """An action of this weight or more is a heavy one."""
    limit: Limit = 100
    """Of events in each list."""


class Blocks(NamedTuple):
    """What was found, by the questions of projections.integrity."""

    late: list[LateAuthor]
    month_ends: list[MonthEnd]
    raises: list[Raise]
    pairs: list[Pair]
    repeated: list[Repeated]
    withdrawals: list[Withdrawal]
    reopened: list[Reopened]
    unconfirmed: list[Unconfirmed]
    called: Mapping[UUID, About]


class LateAuthorOut(Out):
    """`late` of all `entries` came later than asked about. `lags` counts all entries by working
    days: none, 1 to 2, 3 to 5, 6 to 20, more. `median` and `most` are of the late ones; `position`
    is the first of those that came latest.
    """

    actor: str = Field(examples=["7d1f4e7c-33d5-4a55-9a39-55dbd3a5a2b1"])
    entries: int = Field(examples=[120])
    late: int = Field(examples=[9])
    share: Figure = Field(examples=["7.50"])
    lags: list[int] = Field(examples=[[80, 31, 5, 3, 1]])
    median: int = Field(examples=[4])
    most: int = Field(examples=[23])
    position: int = Field(examples=[1181])


class MonthEndOut(Out):
    """Positive actions of the manager, and the value that each added as it was recorded; and the
    parts of both that are dated, and that were recorded, on the last days of a month.
    """

    manager_id: str = Field(examples=["anna-sokolova"])
    actions: int = Field(examples=[20])
    actions_dated: int = Field(examples=[9])
    actions_recorded: int = Field(examples=[12])
    value: Figure = Field(examples=[AMOUNT])
    value_dated: Figure = Field(examples=[AMOUNT])
    value_recorded: Figure = Field(examples=[AMOUNT])
    dated_share: Figure = Field(examples=["45.00"])
    recorded_share: Figure = Field(examples=["60.00"])


class MonthEndsOut(Out):
    """`even` is the percentage of the days asked about that are such last days."""

    even: Figure = Field(examples=["9.78"])
    managers: list[MonthEndOut]


class RaiseOut(Out):
    """A weight (percent) or a check (major units) that was raised, and the nearest action of high
    weight: `days` after the raise was recorded, negative: before. `heavy` counts such actions.
    """

    position: int = Field(examples=[1181])
    deal_id: Uuid = Field(examples=["0f8c3a52-55a4-4b0c-9c0e-0b7e0a4b6f11"])
    title: str
    event: str = Field(examples=["PotentialCheckRevised"])
    actor: str
    recorded_at: Moment
    effective_on: date
    before: Figure = Field(examples=["400000000.00"])
    after: Figure = Field(examples=["450000000.00"])
    currency: str = Field(examples=["RUB"])
    action_id: Uuid
    action_position: int = Field(examples=[1184])
    action_type: str = Field(examples=["proposal-presented"])
    weight: Figure = Field(examples=["5.00"])
    days: int = Field(examples=[2])
    heavy: int = Field(examples=[1])


class PairOut(Out):
    """`confirmed` claims of the manager by the author, who confirmed `of_author` in all, while
    `of_manager` of this manager's were confirmed by anybody. `position` is the last of them.
    """

    actor: str
    manager_id: str = Field(examples=["anna-sokolova"])
    confirmed: int = Field(examples=[12])
    of_author: int = Field(examples=[40])
    of_manager: int = Field(examples=[13])
    author_share: Figure = Field(examples=["30.00"])
    manager_share: Figure = Field(examples=["92.30"])
    position: int = Field(examples=[1181])


class EvidenceUseOut(Out):
    position: int = Field(examples=[1181])
    deal_id: Uuid = Field(examples=["0f8c3a52-55a4-4b0c-9c0e-0b7e0a4b6f11"])
    title: str
    action_type: str = Field(examples=["proposal-presented"])
    actor: str
    recorded_at: Moment
    effective_on: date
    managers: list[str]


class RepeatedOut(Out):
    """`text` as it stands at the first of the `number` actions; `uses` are the first of them."""

    text: str = Field(examples=["Протокол № 7"])
    number: int = Field(examples=[2])
    deals: int = Field(examples=[2])
    uses: list[EvidenceUseOut]


class WithdrawalAuthorOut(Out):
    """`weight` is the sum; `median` and `most` are days from recording to withdrawal."""

    actor: str
    withdrawals: int = Field(examples=[3])
    weight: Figure = Field(examples=["12.00"])
    median: int = Field(examples=[1])
    most: int = Field(examples=[40])


class WithdrawalOut(Out):
    """`weight` is what the action weighed then; `days` from its recording to the withdrawal's."""

    position: int = Field(examples=[1181])
    deal_id: Uuid = Field(examples=["0f8c3a52-55a4-4b0c-9c0e-0b7e0a4b6f11"])
    title: str
    actor: str
    recorded_at: Moment
    effective_on: date
    reason: str
    action_type: str = Field(examples=["proposal-presented"])
    action_position: int = Field(examples=[1101])
    weight: Figure = Field(examples=["5.00"])
    days: int = Field(examples=[40])


class MeanwhileOut(Out):
    actor: str
    entries: int = Field(examples=[4])


class ReopenedOut(Out):
    """`entries` were recorded of days of the month until it was `closed_again` (a position) or,
    where that is null, until now; `first` is the first of them.
    """

    period: str = Field(examples=["2026-06"])
    position: int = Field(examples=[1181])
    recorded_at: Moment
    actor: str
    reason: str
    closed_again: int | None = Field(examples=[1190])
    entries: int = Field(examples=[4])
    first: int | None = Field(examples=[1183])
    authors: list[MeanwhileOut]


class UnconfirmedOut(Out):
    """`share` is what is claimed, of that and what is active."""

    manager_id: str = Field(examples=["anna-sokolova"])
    active: Figure = Field(examples=[AMOUNT])
    claimed: Figure = Field(examples=["5000000.00"])
    share: Figure = Field(examples=["20.00"])


class IntegrityAnswer(Asked):
    """What was recorded on the days from `first_day` to `last_day`. Lists of events are cut at the
    `limit`; the numbers of all of them stand beside. Shares are percentages, rounded down.
    """

    first_day: date = Field(examples=["2026-04-01"])
    last_day: date = Field(examples=["2026-06-30"])
    currency: str = Field(examples=["RUB"])
    late: list[LateAuthorOut]
    month_ends: MonthEndsOut
    raises: list[RaiseOut]
    raises_number: int = Field(examples=[3])
    pairs: list[PairOut]
    repeated: list[RepeatedOut]
    repeated_number: int = Field(examples=[1])
    withdrawn_by: list[WithdrawalAuthorOut]
    withdrawals: list[WithdrawalOut]
    withdrawals_number: int = Field(examples=[3])
    reopened: list[ReopenedOut]
    unconfirmed: list[UnconfirmedOut]


@router.get("/audit/integrity", operation_id="getIntegrity", response_model=IntegrityAnswer)
def integrity(question: Annotated[IntegrityQuestion, Query()], asking: AskingDep) -> Response:
    """How the books were written: late entries, ends of months, raises near heavy actions, who
    confirms whom, evidence used twice, withdrawals, reopened months, unconfirmed value. Each is a
    count with the place where it is found, and has innocent reasons, too.
    """
    with asking.desk() as at:
        point = at.point(question.as_of, question.knowledge)
        first, last = _days_asked(at, question)
        managers = _managers(at, point, question)
        reopenings = at.service.directory.reopenings(at.cursor, point.position)
        currency, zone = at.currency(question.currency), asking.service.settings.zone

        def found(cursor: Cursor[object]) -> tuple[Window, Blocks]:
            window = window_at(cursor, point, first, last, zone, currency, managers)
            return window, _blocks(cursor, window, question, reopenings)

        window, blocks = at.read(point.position, found)
    return answer(_answer(question, window, blocks))


def _days_asked(at: Desk, question: IntegrityQuestion) -> tuple[date, date]:
    """Raises InTheFuture; Invalid for days that are out of order."""
    clock = at.service.clock
    last = clock.today if question.to is None else clock.require_past(question.to)
    first = last - QUARTER if question.from_ is None else question.from_
    if first > last:
        raise Invalid("from", "from-after-to")
    return first, last


def _managers(at: Desk, point: Point, question: IntegrityQuestion) -> frozenset[ManagerId] | None:
    """Raises NotFound."""
    one, team = question.manager_id, question.team_id
    some = [] if one is None else [{at.require_manager(one, point.as_of)}]
    if team is not None:
        some.append({*at.team(team, point)})
    return frozenset.intersection(*map(frozenset, some)) if some else None


def _blocks(
    cursor: Cursor[object],
    window: Window,
    question: IntegrityQuestion,
    reopenings: Sequence[Reopening],
) -> Blocks:
    raises = raises_near_weights(cursor, window, question.near, question.high_weight)
    repeated = repeated_evidence(cursor, window)
    withdrawn = withdrawals(cursor, window)
    shown = {
        *(one.deal_id for one in raises[: question.limit]),
        *(one.deal_id for one in withdrawn[: question.limit]),
        *(use.deal_id for one in repeated[: question.limit] for use in one.uses[:USES]),
    }
    return Blocks(
        late_entries(cursor, window, RUSSIAN.between, question.late_after),
        month_ends(cursor, window, question.month_end),
        raises,
        confirming_pairs(cursor, window),
        repeated,
        withdrawn,
        reopened_months(cursor, window, reopenings),
        unconfirmed_value(cursor, window),
        deals_called(cursor, shown),
    )


def _answer(question: IntegrityQuestion, window: Window, found: Blocks) -> IntegrityAnswer:
    most, called = question.limit, found.called
    return IntegrityAnswer(
        **asked(window.point),
        first_day=window.first,
        last_day=window.last,
        currency=window.currency,
        late=[_late(one) for one in found.late],
        month_ends=MonthEndsOut(
            even=decimal_text(even_share(window, question.month_end)),
            managers=[_month_end(one) for one in found.month_ends],
        ),
        raises=[_raise(one, called) for one in found.raises[:most]],
        raises_number=len(found.raises),
        pairs=[_pair(one) for one in found.pairs],
        repeated=[_repeated(one, called) for one in found.repeated[:most]],
        repeated_number=len(found.repeated),
        withdrawn_by=[_withdrawn_by(one) for one in by_author(found.withdrawals)],
        withdrawals=[_withdrawal(one, called) for one in found.withdrawals[:most]],
        withdrawals_number=len(found.withdrawals),
        reopened=[_reopened(one) for one in found.reopened],
        unconfirmed=[_unconfirmed(one) for one in found.unconfirmed],
    )


def _percent(part: int, whole: int) -> str:
    return decimal_text(share(part, whole))


def _late(one: LateAuthor) -> LateAuthorOut:
    return LateAuthorOut(
        **one._asdict() | {"lags": [*one.lags]}, share=_percent(one.late, one.entries)
    )


def _month_end(one: MonthEnd) -> MonthEndOut:
    values = {name: value_text(value) for name, value in one._asdict().items() if "value" in name}
    return MonthEndOut(
        **one._asdict() | values,
        dated_share=_percent(one.actions_dated, one.actions),
        recorded_share=_percent(one.actions_recorded, one.actions),
    )


def _raise(one: Raise, called: Mapping[UUID, About]) -> RaiseOut:
    deal = called[one.deal_id]
    return RaiseOut(
        position=one.position,
        deal_id=str(one.deal_id),
        title=deal.title,
        event=one.type,
        actor=one.actor,
        recorded_at=instant_text(one.recorded_at),
        effective_on=one.effective_on,
        before=decimal_text(one.before),
        after=decimal_text(one.after),
        currency=deal.currency,
        action_id=str(one.action_id),
        action_position=one.action_position,
        action_type=one.action_type,
        weight=decimal_text(one.weight),
        days=one.days,
        heavy=one.heavy,
    )


def _pair(one: Pair) -> PairOut:
    return PairOut(
        **one._asdict(),
        author_share=_percent(one.confirmed, one.of_author),
        manager_share=_percent(one.confirmed, one.of_manager),
    )


def _repeated(one: Repeated, called: Mapping[UUID, About]) -> RepeatedOut:
    return RepeatedOut(
        text=one.text,
        number=len(one.uses),
        deals=len({use.deal_id for use in one.uses}),
        uses=[_use(use, called) for use in one.uses[:USES]],
    )


def _use(one: Use, called: Mapping[UUID, About]) -> EvidenceUseOut:
    return EvidenceUseOut(
        position=one.position,
        deal_id=str(one.deal_id),
        title=called[one.deal_id].title,
        action_type=one.action_type,
        actor=one.actor,
        recorded_at=instant_text(one.recorded_at),
        effective_on=one.effective_on,
        managers=[*one.managers],
    )


def _withdrawn_by(one: WithdrawalAuthor) -> WithdrawalAuthorOut:
    return WithdrawalAuthorOut(**one._asdict() | {"weight": decimal_text(one.weight)})


def _withdrawal(one: Withdrawal, called: Mapping[UUID, About]) -> WithdrawalOut:
    return WithdrawalOut(
        position=one.position,
        deal_id=str(one.deal_id),
        title=called[one.deal_id].title,
        actor=one.actor,
        recorded_at=instant_text(one.recorded_at),
        effective_on=one.effective_on,
        reason=one.reason,
        action_type=one.action_type,
        action_position=one.action_position,
        weight=decimal_text(one.weight),
        days=one.days,
    )


def _reopened(one: Reopened) -> ReopenedOut:
    told = one.reopening
    return ReopenedOut(
        period=str(told.month),
        position=told.position,
        recorded_at=instant_text(told.recorded_at),
        actor=told.actor,
        reason=told.reason,
        closed_again=told.closed_again,
        entries=sum(number for _, number in one.entries),
        first=one.position,
        authors=[MeanwhileOut(actor=actor, entries=number) for actor, number in one.entries],
    )


def _unconfirmed(one: Unconfirmed) -> UnconfirmedOut:
    return UnconfirmedOut(
        manager_id=one.manager_id,
        active=value_text(one.active),
        claimed=value_text(one.claimed),
        share=_percent(one.claimed, one.active + one.claimed),
    )
