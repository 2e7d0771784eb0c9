"""What if? Portfolios, ranking and calibration under other regulations, beside the books."""

import re
from collections.abc import Collection, Hashable, Iterable, Mapping, Sequence
from typing import Annotated
from uuid import UUID

from fastapi import Query, Response
from psycopg import Cursor
from pydantic import Field, PlainValidator, WithJsonSchema
from pydantic_core import PydanticCustomError

from api.answers import Asked, Figure, Out, Values, answer, asked, values
from api.asking import AskingDep, Desk
from api.inputs import Currency, Slug
from api.refusals import QUESTION_REFUSALS
from api.reports.calibration import (
    CalibrationOut,
    CalibrationQuestion,
    calibration_out,
    outcomes_at,
)
from api.routes import v1_router
from api.v1.portfolios import counted
from application.orders import Unavailable
from domain.errors import NotFound
from domain.values import WHOLE, ActionTypeCode, ManagerId, decimal_text, hundredths
from projections.ledger import NOBODY, Balance, Standing, total
from projections.point import Point
from projections.portfolio import portfolios_from_ledger
from projections.replaying import Failed
from projections.reports.calibration import HORIZONS, AsKnown, Outcome, calibration_of
from projections.reports.called import called_at
from projections.reports.kept import ledger_of
from projections.reports.laboratory import Alternative, Changes, Plan, Stood, plan_of

router = v1_router(tags=["reports"], responses=QUESTION_REFUSALS)

WAIT_SECONDS = 2.0
"""So long an answer may take; after it, it says how far it is."""
_PERCENT = r"(100(\.00?)?|[1-9][0-9]?(\.[0-9]{1,2})?|0\.(0[1-9]|[1-9][0-9]?))"
_WEIGHED = r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}:-?" + _PERCENT
_WEIGHTS = f"{_WEIGHED}(,{_WEIGHED})*"


def _weights(given: object) -> tuple[tuple[ActionTypeCode, int], ...]:
    if not isinstance(given, str) or not re.fullmatch(_WEIGHTS, given):
        raise PydanticCustomError("weights", "not weights")
    pairs = [part.split(":") for part in given.split(",")]
    found = {ActionTypeCode(code): hundredths(weight) for code, weight in pairs}
    if len(found) < len(pairs):
        raise PydanticCustomError("weights-twice", "a type twice")
    return tuple(sorted(found.items()))


def _cap(given: object) -> int:
    if isinstance(given, str) and re.fullmatch(_PERCENT, given):
        return hundredths(given)
    raise PydanticCustomError("cap", "not a cap")


Weights = Annotated[
    tuple[tuple[ActionTypeCode, int], ...],
    PlainValidator(_weights),
    WithJsonSchema(
        {"type": "string", "examples": ["call:2.50,proposal:4.00"], "pattern": f"^{_WEIGHTS}$"}
    ),
]
Cap = Annotated[
    int,
    PlainValidator(_cap),
    WithJsonSchema({"type": "string", "examples": ["80.00"], "pattern": f"^{_PERCENT}$"}),
]


class LaboratoryQuestion(CalibrationQuestion):
    weights: Weights | None = None
    """What actions of these types weigh, whenever they were done."""
    cap: Cap = WHOLE
    """What all credit of one deal may reach, in percent."""
    without_type: Slug | None = None
    """As if no action of this type had been done."""
    without_manager: str | None = None
    """As if this manager had done nothing."""
    currency: Currency | None = None

    @property
    def alternative(self) -> Alternative:
        kind, manager = self.without_type, self.without_manager
        return Alternative(
            self.weights or (),
            self.cap,
            None if kind is None else ActionTypeCode(kind),
            None if manager is None else ManagerId(manager),
        )


class WeightOut(Out):
    action_type: str = Field(examples=["proposal-presented"])
    weight: Figure = Field(examples=["4.00"])


class AlternativeOut(Out):
    """What was asked for: null, and 100.00, leave the regulations as they are."""

    weights: list[WeightOut]
    cap: Figure = Field(examples=["80.00"])
    without_type: str | None
    without_manager: str | None


class ComparedOut(Out):
    """`difference` is what the laboratory has less what the books have."""

    books: Values
    laboratory: Values
    difference: Values


class LaboratoryManager(ComparedOut):
    """Places are by the value in work, the largest first, from 1; equal values share one."""

    manager_id: str = Field(examples=["anna-sokolova"])
    name: str | None = Field(examples=["Анна Соколова"])
    place_in_books: int = Field(examples=[2])
    place_in_laboratory: int = Field(examples=[1])
    progress_in_books: Figure = Field(examples=["35.00"])
    progress_in_laboratory: Figure = Field(examples=["41.00"])


class CalibrationsOut(Out):
    books: CalibrationOut
    laboratory: CalibrationOut


class LaboratoryResult(Out):
    managers: list[LaboratoryManager]
    total: ComparedOut
    calibration: CalibrationsOut


class LaboratoryAnswer(Asked):
    """`result` is null until all `of` events are folded; so far `done` are. Ask the same again, at
    the same `as_of` and `position`.
    """

    currency: str = Field(examples=["RUB"])
    horizon_months: Annotated[int, Field(json_schema_extra={"enum": [*HORIZONS]}, examples=[6])]
    as_known: AsKnown
    alternative: AlternativeOut
    done: int = Field(examples=[120_000])
    of: int = Field(examples=[1_000_000])
    result: LaboratoryResult | None


@router.get("/reports/laboratory", operation_id="getLaboratory", response_model=LaboratoryAnswer)
def laboratory(question: Annotated[LaboratoryQuestion, Query()], asking: AskingDep) -> Response:
    """History folded once more under other weights, another cap, without a type of action or a
    manager: portfolios, ranking and calibration beside those of the books, and never in them. What
    takes long is answered in parts: ask the same again until there is a result.
    """
    with asking.desk() as at:
        point = at.point(question.as_of, question.knowledge)
        who = counted(at, point, question.manager_id, question.team_id)
        _require_known(at, point, question)
        currency = at.currency(question.currency)
        outcomes = outcomes_at(at, point, question)
        about = called_at(at.cursor, at.remembered.called, [one.position for one in outcomes])
        ids = {position: one.deal_id for position, one in about.items()}
        try:
            told = asking.service.laboratory.ask(
                at.cursor,
                _key(at.cursor, point, question),
                lambda: _plan(at.cursor, point, question, outcomes, ids),
                WAIT_SECONDS,
            )
        except Failed as error:
            raise Unavailable(str(error)) from error
        result = None
        if told.changes is not None:
            shown = [
                one for one in at.directory(point).people.managers if who is None or one in who
            ]
            held = at.read(
                point.position,
                lambda cursor: portfolios_from_ledger(cursor, point.as_of, point.position, who),
            )
            books = held.get(currency, {})
            result = _result(
                shown, books, _other(books, told.changes, currency), at.names(),
                _calibrations(outcomes, ids, told.changes, who),
            )  # fmt: skip
    return answer(
        LaboratoryAnswer(
            **asked(point),
            currency=currency,
            horizon_months=question.horizon_months,
            as_known=question.as_known,
            alternative=_alternative(question.alternative),
            done=told.done,
            of=told.of,
            result=result,
        )
    )


def _require_known(at: Desk, point: Point, question: LaboratoryQuestion) -> None:
    """Known now, whatever was known at the point. Raises NotFound."""
    other, known = question.alternative, at.now.catalogue.types
    kinds = [code for code, _ in other.weights]
    for code in kinds if other.without_type is None else [*kinds, other.without_type]:
        if code not in known:
            raise NotFound("action type", code)
    if other.without_manager is not None:
        at.require_manager(other.without_manager, point.as_of)


def _key(cursor: Cursor[object], point: Point, question: LaboratoryQuestion) -> Hashable:
    """What is told is the same for whoever asks."""
    horizon = question.horizon_months, question.as_known
    return ledger_of(cursor), point.as_of, point.position, horizon, question.alternative


def _plan(
    cursor: Cursor[object],
    point: Point,
    question: LaboratoryQuestion,
    outcomes: Iterable[Outcome],
    ids: Mapping[int, UUID],
) -> Plan:
    stood: Mapping[UUID, Stood] = {
        ids[one.position]: Stood(one.stood_on, one.known)
        for one in outcomes
        if one.progress is not None
    }
    return plan_of(cursor, question.alternative, point.as_of, point.position, stood)


def _other(
    books: Mapping[ManagerId, Standing], changes: Changes, currency: str
) -> Mapping[ManagerId, Standing]:
    changed = {who: more for (held, who), more in changes.standings.items() if held == currency}
    return {
        who: books.get(who, NOBODY).plus(changed.get(who, NOBODY)) for who in {**books, **changed}
    }


def _calibrations(
    books: Sequence[Outcome],
    ids: Mapping[int, UUID],
    changes: Changes,
    who: Collection[ManagerId] | None,
) -> CalibrationsOut:
    progress = changes.progress
    other = [one._replace(progress=progress.get(ids[one.position], one.progress)) for one in books]
    return CalibrationsOut(
        books=calibration_out(calibration_of(books, (), who)),
        laboratory=calibration_out(calibration_of(other, (), who)),
    )


def _result(
    shown: Collection[ManagerId],
    books: Mapping[ManagerId, Standing],
    other: Mapping[ManagerId, Standing],
    called: Mapping[ManagerId, str],
    calibrations: CalibrationsOut,
) -> LaboratoryResult:
    pairs = {who: (books.get(who, NOBODY), other.get(who, NOBODY)) for who in shown}
    before, after = (_places({who: pair[side] for who, pair in pairs.items()}) for side in (0, 1))
    return LaboratoryResult(
        managers=[
            LaboratoryManager(
                **dict(_compared(was, now)),
                manager_id=who,
                name=called.get(who),
                place_in_books=before[who],
                place_in_laboratory=after[who],
                progress_in_books=decimal_text(was.progress),
                progress_in_laboratory=decimal_text(now.progress),
            )
            for who, (was, now) in pairs.items()
        ],
        total=_compared(*(total(pair[side] for pair in pairs.values()) for side in (0, 1))),
        calibration=calibrations,
    )


def _places(held: Mapping[ManagerId, Standing]) -> Mapping[ManagerId, int]:
    ordered = sorted((one.balance.active for one in held.values()), reverse=True)
    first = {value: place for place, value in reversed([*enumerate(ordered, 1)])}
    return {who: first[one.balance.active] for who, one in held.items()}


def _compared(was: Standing, now: Standing) -> ComparedOut:
    less = Balance._make(b - a for a, b in zip(was.balance, now.balance, strict=True))
    return ComparedOut(
        books=Values(**values(was.balance)),
        laboratory=Values(**values(now.balance)),
        difference=Values(**values(less)),
    )


def _alternative(one: Alternative) -> AlternativeOut:
    return AlternativeOut(
        weights=[
            WeightOut(action_type=code, weight=decimal_text(weight)) for code, weight in one.weights
        ],
        cap=decimal_text(one.cap),
        without_type=one.without_type,
        without_manager=one.without_manager,
    )
