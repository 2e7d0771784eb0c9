"""What a batch would come to, told before it is recorded: to each manager, beside what they have.

It is decided as it would be, by the one writer and in the name of whoever asks, and never stored
(`Transactor.foresee_all`): so it cannot promise what the batch then does not do.
"""

from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import TimeoutError as NotInTime
from functools import reduce

from fastapi import Request, Response
from pydantic import ConfigDict, Field

from api.answers import Asked, Out, Uuid, Values, answer, asked, values
from api.asking import Asking, AskingDep, Desk
from api.problems import describe, language_of, to_problem
from api.refusals import BATCH_REFUSALS, LANGUAGE, problems
from api.routes import v1_router
from api.v1.batches import BatchBody, batch_of, orders_of, read_batch
from api.words import Language
from application.orders import LONG_PATIENCE_SECONDS, Answer, ForeseenBatch, Order, Unavailable
from domain.errors import Refusal, SignedOut
from domain.ledger import Posting
from domain.values import ManagerId
from projections.ledger import NOBODY, ZERO, Balance
from projections.point import Knowledge, Point
from projections.portfolio import portfolios_from_ledger

router = v1_router(tags=["batches"])

Changes = Mapping[str, Mapping[ManagerId, Balance]]
"""By currency and manager, of everybody whom a posting touches; also of nothing in all."""


class RefusedCommand(Out):
    """The problem of one command, as `Problem`, by its number from 0."""

    model_config = ConfigDict(frozen=True, extra="allow")

    number: int = Field(examples=[0])
    type: str = Field(examples=["/problems/period-closed"])
    title: str
    status: int = Field(examples=[409])
    detail: str


class TouchedDeal(Out):
    """`version` is the one on which it was decided: what If-Match names."""

    deal_id: Uuid = Field(examples=["0f8c3a52-55a4-4b0c-9c0e-0b7e0a4b6f11"])
    version: int = Field(examples=[6])


class ForeseenManager(Out):
    manager_id: str = Field(examples=["anna-sokolova"])
    name: str | None = Field(examples=["Анна Соколова"])
    before: Values | None
    change: Values
    after: Values | None


class ForeseenCurrency(Out):
    """`change` is everybody's."""

    currency: str = Field(examples=["RUB"])
    managers: list[ForeseenManager]
    change: Values


class BatchPreview(Asked):
    """`without_effect` are the numbers of commands by which no portfolio changes, on no date."""

    refused: list[RefusedCommand]
    without_effect: list[int]
    deals: list[TouchedDeal]
    currencies: list[ForeseenCurrency]


@router.post(
    "/batches/preview",
    operation_id="previewBatch",
    response_model=BatchPreview,
    responses={200: {"headers": LANGUAGE}, **problems([*BATCH_REFUSALS, "forbidden"])},
)
def preview_batch(body: BatchBody, request: Request, asking: AskingDep) -> Response:
    """What the batch would come to, were it recorded now. Nothing is.

    Commands that would be refused are told; the rest says what all others come to without them.
    `before` and `after` are as of today, and null of whom the account may not see.
    """
    asking.admitted()
    door = request.app.door
    commands = read_batch(batch_of(body), door.command_of)
    door.admit(asking.caller, len(commands))
    foreseen = _foreseen(asking, orders_of(commands, asking.caller, None, b""))
    wanted = request.headers.get("accept-language", "")
    language = language_of(wanted, asking.service.settings.language)
    with asking.desk_at(None, Knowledge(position=foreseen.position)) as (at, point):
        preview = BatchPreview(
            **asked(point),
            refused=_refused(foreseen, language),
            without_effect=_without_effect(foreseen),
            deals=_deals(foreseen),
            currencies=_currencies(at, point, changes_of(foreseen.postings)),
        )
    return answer(preview, None, **{"Content-Language": language})


def changes_of(postings: Iterable[Posting]) -> Changes:
    changes: dict[str, dict[ManagerId, Balance]] = {}
    for posting in postings:
        managers = changes.setdefault(posting.currency, {})
        held = managers.get(posting.manager_id, ZERO)
        managers[posting.manager_id] = held.with_posting(posting.account, posting.amount)
    return changes


def _foreseen(asking: Asking, orders: Sequence[Order]) -> ForeseenBatch:
    """Raises SignedOut, Unavailable."""
    waiting = asking.service.dealfolio.transactor.foresee_all(orders)
    try:
        foreseen = waiting.result(LONG_PATIENCE_SECONDS)
    except NotInTime:
        waiting.cancel()
        raise Unavailable("no answer from the database in time") from None
    for outcome in foreseen.outcomes:
        if isinstance(outcome, SignedOut):
            raise outcome
    return foreseen


def _refused(foreseen: ForeseenBatch, language: Language) -> list[RefusedCommand]:
    return [
        RefusedCommand(number=number, **describe(to_problem(outcome), language))
        for number, outcome in enumerate(foreseen.outcomes)
        if isinstance(outcome, Refusal)
    ]


def _without_effect(foreseen: ForeseenBatch) -> list[int]:
    posted = {posting.position for posting in foreseen.postings}
    return [
        number
        for number, outcome in enumerate(foreseen.outcomes)
        if isinstance(outcome, Answer) and outcome.position not in posted
    ]


def _deals(foreseen: ForeseenBatch) -> list[TouchedDeal]:
    """Those that are there already."""
    versions: dict[str, int] = {}
    for outcome in foreseen.outcomes:
        if isinstance(outcome, Answer) and "deal_id" in outcome.ids:
            versions.setdefault(outcome.ids["deal_id"], outcome.version - 1)
    return [TouchedDeal(deal_id=deal, version=one) for deal, one in versions.items() if one]


def _currencies(at: Desk, point: Point, changes: Changes) -> list[ForeseenCurrency]:
    touched = {manager for managers in changes.values() for manager in managers}
    held = at.read(
        point.position,
        lambda cursor: portfolios_from_ledger(cursor, point.as_of, point.position, touched),
    )
    eyes, called, company = at.sight(point.as_of), at.names(), at.currency(None)

    def line(currency: str, manager: ManagerId, change: Balance) -> ForeseenManager:
        before = held.get(currency, {}).get(manager, NOBODY).balance
        seen = eyes.sees(manager)
        return ForeseenManager(
            manager_id=manager,
            name=called.get(manager),
            before=_values(before) if seen else None,
            change=_values(change),
            after=_values(before.plus(change)) if seen else None,
        )

    return [
        ForeseenCurrency(
            currency=currency,
            managers=[line(currency, *one) for one in sorted(managers.items())],
            change=_values(reduce(Balance.plus, managers.values(), ZERO)),
        )
        for currency, managers in sorted(
            changes.items(), key=lambda one: (one[0] != company, one[0])
        )
    ]


def _values(balance: Balance) -> Values:
    return Values(**values(balance))
