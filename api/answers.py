"""What goes out: the shapes of answers. Amounts and weights are decimal strings, exact."""

from collections.abc import Iterable, Mapping
from datetime import date, datetime
from typing import Any

from fastapi import Response
from pydantic import BaseModel, ConfigDict, Field
from pydantic_core import to_json

from api.problems import Problem, describe
from api.words import KINDS
from domain.values import decimal_text, value_text
from projections.ledger import Balance
from projections.point import Point
from projections.portfolio import DealRow, Line, summed

_AMOUNT = "20000000.00"


class Out(BaseModel):
    model_config = ConfigDict(frozen=True)


class Recorded(Out):
    """Which of the ids are there depends on what the command is about."""

    deal_id: str | None = Field(default=None, examples=["0f8c3a52-55a4-4b0c-9c0e-0b7e0a4b6f11"])
    action_id: str | None = None
    team_id: str | None = None
    manager_id: str | None = None
    code: str | None = None
    period: str | None = None
    version: int = Field(examples=[7])
    position: int = Field(examples=[1204])
    recorded_at: str = Field(examples=["2026-11-23T09:15:02.123456Z"])


class Values(Out):
    """Value by account, in major units."""

    active: str = Field(examples=[_AMOUNT])
    claimed: str = Field(examples=["0.00"])
    suspended: str = Field(examples=["0.00"])
    lost: str = Field(examples=["0.00"])
    won: str = Field(examples=["0.00"])


class Asked(Out):
    """The point that was used: the end of `as_of`, as known at `position`."""

    as_of: date = Field(examples=["2026-06-30"])
    known_at: str = Field(examples=["2026-07-01T23:59:59.999999+03:00"])
    position: int = Field(examples=[1204])


class CheckOut(Out):
    amount: str = Field(examples=["400000000.00"])
    currency: str = Field(examples=["RUB"])


class ManagerLine(Values):
    manager_id: str = Field(examples=["anna-sokolova"])
    name: str | None = Field(examples=["Анна Соколова"])
    progress: str = Field(examples=["5.00"])
    actions: int = Field(examples=[1])
    deals: int = Field(examples=[1])


class TotalLine(Values):
    progress: str = Field(examples=["5.00"])
    actions: int = Field(examples=[1])
    deals: int = Field(examples=[1])


class CurrencyPortfolios(Out):
    currency: str = Field(examples=["RUB"])
    managers: list[ManagerLine]
    total: TotalLine


class PortfoliosAnswer(Asked):
    currencies: list[CurrencyPortfolios]


class PortfolioDeal(Values):
    """`credit` is the manager's, `deal_progress` everybody's, in percent."""

    deal_id: str = Field(examples=["0f8c3a52-55a4-4b0c-9c0e-0b7e0a4b6f11"])
    title: str = Field(examples=["Холодильные витрины для сети «Ромашка»"])
    client: str = Field(examples=["Ромашка"])
    status: str = Field(examples=["open"])
    potential_check: CheckOut
    deal_progress: str = Field(examples=["7.00"])
    credit: str = Field(examples=["5.00"])


class CurrencyPortfolio(Values):
    currency: str = Field(examples=["RUB"])
    deals: list[PortfolioDeal]


class ManagerPortfolioAnswer(Asked):
    manager_id: str = Field(examples=["anna-sokolova"])
    name: str | None = Field(examples=["Анна Соколова"])
    progress: str = Field(examples=["5.00"])
    actions: int = Field(examples=[1])
    currencies: list[CurrencyPortfolio]


class SeriesLine(Values):
    as_of: date = Field(examples=["2026-06-30"])
    progress: str = Field(examples=["5.00"])


class SeriesAnswer(Asked):
    currency: str = Field(examples=["RUB"])
    points: list[SeriesLine]


class MovementLine(Out):
    cause: str = Field(examples=["ActionPerformed"])
    account: str = Field(examples=["active"])
    amount: str = Field(examples=[_AMOUNT])


class MovementAnswer(Asked):
    currency: str = Field(examples=["RUB"])
    opening: Values
    lines: list[MovementLine]
    closing: Values


class RestatementLineOut(Out):
    position: int = Field(examples=[1204])
    recorded_at: str = Field(examples=["2026-07-11T09:15:02.123456Z"])
    event: str = Field(examples=["ActionPerformed"])
    deal_id: str = Field(examples=["0f8c3a52-55a4-4b0c-9c0e-0b7e0a4b6f11"])
    manager_id: str = Field(examples=["anna-sokolova"])
    account: str = Field(examples=["active"])
    effective_on: date = Field(examples=["2026-06-12"])
    late_days: int = Field(examples=[29])
    amount: str = Field(examples=[_AMOUNT])


class RestatementAnswer(Asked):
    """`known_at` and `position` are the later knowledge."""

    currency: str = Field(examples=["RUB"])
    from_known_at: str = Field(examples=["2026-07-01T23:59:59.999999+03:00"])
    from_position: int = Field(examples=[1180])
    earlier: Values
    lines: list[RestatementLineOut]
    later: Values


class DealSummary(Out):
    deal_id: str = Field(examples=["0f8c3a52-55a4-4b0c-9c0e-0b7e0a4b6f11"])
    title: str = Field(examples=["Холодильные витрины для сети «Ромашка»"])
    client: str = Field(examples=["Ромашка"])
    status: str = Field(examples=["open"])
    owner: str = Field(examples=["anna-sokolova"])
    potential_check: CheckOut
    progress: str = Field(examples=["7.00"])
    opened_on: date = Field(examples=["2026-01-12"])
    expected_close_on: date | None = Field(examples=["2026-12-01"])


class DealsAnswer(Asked):
    deals: list[DealSummary]


class EntryOut(Out):
    manager_id: str = Field(examples=["anna-sokolova"])
    weight: str = Field(examples=["5.00"])
    credit: str = Field(examples=["5.00"])


class ActionOut(Out):
    """`state` is claimed, counted, withdrawn or rejected; `credit` is what counts of `weight`."""

    action_id: str = Field(examples=["c9a1cf2e-0f3c-4c8e-8b43-6f3b8a7f2d10"])
    action_type: str = Field(examples=["proposal-presented"])
    effective_on: date = Field(examples=["2026-02-03"])
    recorded_at: str = Field(examples=["2026-02-05T09:15:02.123456Z"])
    late_days: int = Field(examples=[2])
    state: str = Field(examples=["counted"])
    weight: str = Field(examples=["5.00"])
    credit: str = Field(examples=["5.00"])
    credits: list[EntryOut]
    evidence: str | None = None
    comment: str | None = None


class DealAnswer(Asked, DealSummary):
    version: int = Field(examples=[7])
    contract: CheckOut | None = None
    actions: list[ActionOut]


class Change(Out):
    manager_id: str = Field(examples=["anna-sokolova"])
    account: str = Field(examples=["active"])
    amount: str = Field(examples=[_AMOUNT])
    credit: str = Field(examples=["5.00"])


class DealEventOut(Out):
    position: int = Field(examples=[1204])
    version: int = Field(examples=[7])
    recorded_at: str = Field(examples=["2026-07-11T09:15:02.123456Z"])
    effective_on: date = Field(examples=["2026-06-12"])
    late_days: int = Field(examples=[29])
    type: str = Field(examples=["ActionPerformed"])
    actor: str = Field(examples=["7d1f4e7c-33d5-4a55-9a39-55dbd3a5a2b1"])
    data: dict[str, Any]
    added: list[Change]


class DealEventsAnswer(Asked):
    """In book order; `added` is what the step of each event changed, and for whom."""

    deal_id: str = Field(examples=["0f8c3a52-55a4-4b0c-9c0e-0b7e0a4b6f11"])
    events: list[DealEventOut]


class EventOut(Out):
    position: int = Field(examples=[1204])
    recorded_at: str = Field(examples=["2026-07-11T09:15:02.123456Z"])
    type: str = Field(examples=["ActionPerformed"])
    stream_id: str = Field(examples=["0f8c3a52-55a4-4b0c-9c0e-0b7e0a4b6f11"])
    deal_id: str | None = None
    effective_on: date | None = None
    actor: str = Field(examples=["7d1f4e7c-33d5-4a55-9a39-55dbd3a5a2b1"])
    data: dict[str, Any]


class EventsAnswer(Out):
    events: list[EventOut]


class DatedWeightOut(Out):
    weight: str = Field(examples=["5.00"])
    effective_from: date = Field(examples=["2026-01-01"])


class TitleOut(Out):
    ru: str = Field(examples=["ТКП представлено лицу, принимающему решение"])
    en: str = Field(examples=["Proposal presented to the decision maker"])


class ActionTypeOut(Out):
    """`weight` is the one in force on `as_of`, null when none is."""

    code: str = Field(examples=["proposal-presented"])
    title: TitleOut
    weight: str | None = Field(examples=["5.00"])
    weights: list[DatedWeightOut]
    max_per_deal: int | None = None
    evidence_required: bool
    needs_confirmation: bool
    retired_from: date | None = None


class ActionTypesAnswer(Asked):
    action_types: list[ActionTypeOut]


class ManagerOut(Out):
    manager_id: str = Field(examples=["anna-sokolova"])
    name: str | None = Field(examples=["Анна Соколова"])
    team_id: str | None = Field(examples=["7a7c2f9e-5f0e-4b3f-8a34-1f8f6b1f7c11"])


class ManagersAnswer(Asked):
    managers: list[ManagerOut]


class TeamOut(Out):
    team_id: str = Field(examples=["7a7c2f9e-5f0e-4b3f-8a34-1f8f6b1f7c11"])
    name: str = Field(examples=["Юг"])
    members: list[str] = Field(examples=[["anna-sokolova"]])


class TeamsAnswer(Asked):
    teams: list[TeamOut]


class PeriodTotalOut(Values):
    manager_id: str = Field(examples=["anna-sokolova"])
    currency: str = Field(examples=["RUB"])


class PeriodOut(Out):
    """`status` is closed or reopened; `totals` are those of the last closing."""

    period: str = Field(examples=["2026-06"])
    status: str = Field(examples=["closed"])
    position: int = Field(examples=[1204])
    recorded_at: str = Field(examples=["2026-07-05T09:15:02.123456Z"])
    actor: str = Field(examples=["7d1f4e7c-33d5-4a55-9a39-55dbd3a5a2b1"])
    reason: str | None = None
    totals: list[PeriodTotalOut]


class PeriodsAnswer(Asked):
    periods: list[PeriodOut]


class AccountOut(Out):
    """`name` null: the person was forgotten."""

    account_id: str = Field(examples=["7d1f4e7c-33d5-4a55-9a39-55dbd3a5a2b1"])
    name: str | None = Field(examples=["Анна Соколова"])
    email: str | None = Field(examples=["anna@romashka.ru"])
    role: str = Field(examples=["manager"])
    manager_id: str | None = Field(examples=["anna-sokolova"])
    team_id: str | None = None


class NewAccount(AccountOut):
    """`token` is shown here once and kept nowhere."""

    token: str = Field(examples=["df_..."])


class BackdatingOut(Out):
    """`working_days` null: any number."""

    working_days: int | None = Field(examples=[5])


class RulesAnswer(Asked):
    backdating: BackdatingOut


class ReadOut(Out):
    """`status` is the answer's; `asked` are the parameters as they were given."""

    read_at: datetime = Field(examples=["2026-07-11T09:15:02.123456Z"])
    account_id: str = Field(examples=["7d1f4e7c-33d5-4a55-9a39-55dbd3a5a2b1"])
    question: str = Field(examples=["getManagerPortfolio"])
    status: int = Field(examples=[200])
    manager_id: str | None = Field(examples=["anna-sokolova"])
    deal_id: str | None = None
    asked: dict[str, str] = Field(examples=[{"as_of": "2026-06-30"}])


class ReadsAnswer(Out):
    reads: list[ReadOut]


class KeyOut(Out):
    """`prefix` is how the key begins, `expires_at` null: never, `last_used_at` to ten minutes."""

    key_id: str = Field(examples=["0d7c5c0e-4a3e-4a0b-8c51-9a0d4f6f2b77"])
    prefix: str = Field(examples=["df_Xk2q"])
    issued_at: datetime
    expires_at: datetime | None
    last_used_at: datetime | None


class NewKey(KeyOut):
    """`token` is shown here once and kept nowhere."""

    token: str = Field(examples=["df_..."])


class KeysAnswer(Out):
    keys: list[KeyOut]


class AccountsAnswer(Out):
    accounts: list[AccountOut]


def answer(model: Out, links: Mapping[str, str] | None = None, **headers: str) -> Response:
    """`model` as it is; `links` by relation become RFC 8288's header."""
    if links:
        headers["Link"] = ", ".join(f'<{url}>; rel="{rel}"' for rel, url in links.items())
    return Response(model.__pydantic_serializer__.to_json(model), 200, headers, "application/json")


def asked(point: Point) -> dict[str, Any]:
    """The members that say at which point a question was answered."""
    return {
        "as_of": point.as_of,
        "known_at": point.known_at.isoformat(timespec="microseconds"),
        "position": point.position,
    }


def values(balance: Balance) -> dict[str, str]:
    return {
        account: value_text(value) for account, value in zip(balance._fields, balance, strict=True)
    }


def portfolio_deal(row: DealRow) -> bytes:
    """What `PortfolioDeal` says of it, ready to send; nothing when it is not shown."""
    if not row.is_shown:
        return b""
    title, client = to_json(row.title).decode(), to_json(row.client).decode()
    active, claimed, suspended, lost, won = map(value_text, row.standing.balance)
    return (
        f'{{"deal_id":"{row.deal_id}","title":{title},"client":{client},"status":"{row.status}",'
        f'"potential_check":{{"amount":"{decimal_text(row.potential_check)}",'
        f'"currency":"{row.currency}"}},"deal_progress":"{decimal_text(row.deal_progress)}",'
        f'"credit":"{decimal_text(row.standing.credit)}","active":"{active}",'
        f'"claimed":"{claimed}","suspended":"{suspended}","lost":"{lost}","won":"{won}"}}'
    ).encode()


def portfolio_figures(lines: Iterable[Line[bytes]], company: str) -> bytes:
    """What `ManagerPortfolioAnswer` says of them, behind what it says of who and when.

    `company` is the currency that is there in any case, and first.
    """
    by_currency: dict[str, list[Line[bytes]]] = {company: []}
    for line in lines:
        by_currency.setdefault(line.currency, []).append(line)
    totals = {currency: summed(own) for currency, own in by_currency.items()}
    currencies = []
    for currency in [company, *sorted(set(by_currency) - {company})]:
        shown = [line.shown for line in by_currency[currency] if line.shown]
        if shown or currency == company:
            balance = values(Balance(*totals[currency][:5]))
            head = to_json({"currency": currency, **balance})
            currencies.append(head[:-1] + b',"deals":[' + b",".join(shown) + b"]}")
    *_, progress, actions, _ = map(sum, zip(*totals.values(), strict=True))
    head = to_json({"progress": decimal_text(progress), "actions": actions})
    return head[:-1] + b',"currencies":[' + b",".join(currencies) + b"]}"


def check(amount: int, currency: str) -> CheckOut:
    """`amount` in minor units."""
    return CheckOut(amount=decimal_text(amount), currency=currency)


def problems(slugs: Iterable[str]) -> dict[int | str, dict[str, Any]]:
    """The documentation of refusals, with an example of each."""
    result: dict[int | str, dict[str, Any]] = {}
    for slug in slugs:
        status = KINDS[slug].status
        described = result.setdefault(
            status,
            {
                "description": KINDS[slug].en[0],
                "content": {"application/problem+json": {"examples": {}}},
            },
        )
        examples = described["content"]["application/problem+json"]["examples"]
        examples[slug] = {"value": describe(Problem(slug), "en")}
    return result


_EVERYWHERE = [
    "malformed-request",
    "unknown-host",
    "request-timeout",
    "uri-too-long",
    "head-too-large",
    "internal",
    "unavailable",
]
_QUESTION = [
    "unauthenticated",
    "forbidden",
    "not-found",
    "validation",
    "rate-limited",
    "in-the-future",
]

EDGE_REFUSALS = problems(_EVERYWHERE)
"""What any request may be refused for."""
QUESTION_REFUSALS = problems([*_QUESTION, *_EVERYWHERE])
REFUSALS = problems(
    [
        *_QUESTION,
        "malformed-json",
        "version-conflict",
        "payload-too-large",
        "unsupported-media-type",
        "idempotency-key-reused",
        "not-allowed-now",
        "breaks-later-history",
        "before-opening",
        "period-closed",
        "action-limit-reached",
        "unknown-manager",
        "unknown-action-type",
        "action-type-not-in-force",
        "evidence-required",
        "currency-differs",
        *_EVERYWHERE,
    ]
)
"""What a command may be refused for."""

COMMAND: dict[str, Any] = {
    "response_model": Recorded,
    "response_model_exclude_none": True,
    "responses": REFUSALS,
}
CREATED: dict[str, Any] = COMMAND | {"status_code": 201}
