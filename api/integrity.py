"""For whoever audits: where the books were written unusually, as counts and places."""

from collections.abc import Mapping, Sequence
from datetime import date, timedelta
from typing import Annotated, NamedTuple
from uuid import UUID

from fastapi import Query, Response
from psycopg import Cursor
from pydantic import Field

from api.answers import (
    QUESTION_REFUSALS,
    EvidenceUseOut,
    IntegrityAnswer,
    LateAuthorOut,
    MeanwhileOut,
    MonthEndOut,
    MonthEndsOut,
    PairOut,
    RaiseOut,
    ReopenedOut,
    RepeatedOut,
    UnconfirmedOut,
    WithdrawalAuthorOut,
    WithdrawalOut,
    answer,
    asked,
)
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
from api.routes import v1_router
from application.dealfolio import RUSSIAN
from domain.errors import Invalid
from domain.events import instant_text
from domain.values import ManagerId, decimal_text, value_text
from projections.directory import Reopening
from projections.integrity import (
    About,
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
