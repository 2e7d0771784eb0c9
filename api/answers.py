"""What goes out: the shapes of answers. Amounts and weights are decimal strings, exact."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import date, datetime
from typing import Annotated, Any, Literal
from zoneinfo import ZoneInfo

from fastapi import Response
from pydantic import BaseModel, ConfigDict, Field, WithJsonSchema
from pydantic_core import to_json

from api.problems import Problem, describe
from api.words import KINDS
from domain.events import instant_text
from domain.values import ManagerId, decimal_text, value_text
from projections.ledger import Balance, Standing, total
from projections.point import Point, late_days
from projections.portfolio import About, Figures, Line, ShowDeal, State, is_shown, summed
from projections.restatement import RestatementLine

_AMOUNT = "20000000.00"

Figure = Annotated[str, WithJsonSchema({"type": "string", "pattern": r"^-?[0-9]+\.[0-9]{2,6}$"})]
"""Percent, or a sum in major units."""
Uuid = Annotated[str, WithJsonSchema({"type": "string", "format": "uuid"})]
Moment = Annotated[str, WithJsonSchema({"type": "string", "format": "date-time"})]


class Out(BaseModel):
    model_config = ConfigDict(frozen=True)


class Recorded(Out):
    """Which of the ids are there depends on what the command is about."""

    deal_id: Uuid | None = Field(default=None, examples=["0f8c3a52-55a4-4b0c-9c0e-0b7e0a4b6f11"])
    action_id: Uuid | None = None
    team_id: Uuid | None = None
    target_id: Uuid | None = None
    manager_id: str | None = None
    code: str | None = None
    period: str | None = None
    version: int = Field(examples=[7])
    position: int = Field(examples=[1204])
    recorded_at: Moment = Field(examples=["2026-11-23T09:15:02.123456Z"])


class RecordedBatch(Out):
    """In the order of the commands."""

    results: list[Recorded]


class Values(Out):
    """Value by account, in major units."""

    active: Figure = Field(examples=[_AMOUNT])
    claimed: Figure = Field(examples=["0.00"])
    suspended: Figure = Field(examples=["0.00"])
    lost: Figure = Field(examples=["0.00"])
    won: Figure = Field(examples=["0.00"])


class Asked(Out):
    """The point that was used: the end of `as_of`, as known at `position`."""

    as_of: date = Field(examples=["2026-06-30"])
    known_at: Moment = Field(examples=["2026-07-01T23:59:59.999999+03:00"])
    position: int = Field(examples=[1204])


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


class CheckOut(Out):
    amount: Figure = Field(examples=["400000000.00"])
    currency: str = Field(examples=["RUB"])


class ManagerLine(Values):
    manager_id: str = Field(examples=["anna-sokolova"])
    name: str | None = Field(examples=["Анна Соколова"])
    progress: Figure = Field(examples=["5.00"])
    actions: int = Field(examples=[1])
    deals: int = Field(examples=[1])


class TotalLine(Values):
    progress: Figure = Field(examples=["5.00"])
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

    deal_id: Uuid = Field(examples=["0f8c3a52-55a4-4b0c-9c0e-0b7e0a4b6f11"])
    title: str = Field(examples=["Холодильные витрины для сети «Ромашка»"])
    client: str = Field(examples=["Ромашка"])
    status: str = Field(examples=["open"])
    potential_check: CheckOut
    deal_progress: Figure = Field(examples=["7.00"])
    credit: Figure = Field(examples=["5.00"])


class CurrencyPortfolio(Values):
    currency: str = Field(examples=["RUB"])
    deals: list[PortfolioDeal]


class ManagerPortfolioAnswer(Asked):
    manager_id: str = Field(examples=["anna-sokolova"])
    name: str | None = Field(examples=["Анна Соколова"])
    progress: Figure = Field(examples=["5.00"])
    actions: int = Field(examples=[1])
    currencies: list[CurrencyPortfolio]


class SeriesLine(Values):
    as_of: date = Field(examples=["2026-06-30"])
    progress: Figure = Field(examples=["5.00"])


class SeriesAnswer(Asked):
    currency: str = Field(examples=["RUB"])
    points: list[SeriesLine]


class MovementLine(Out):
    cause: str = Field(examples=["ActionPerformed"])
    account: str = Field(examples=["active"])
    amount: Figure = Field(examples=[_AMOUNT])


class MovementAnswer(Asked):
    currency: str = Field(examples=["RUB"])
    opening: Values
    lines: list[MovementLine]
    closing: Values


class RestatementLineOut(Out):
    position: int = Field(examples=[1204])
    recorded_at: Moment = Field(examples=["2026-07-11T09:15:02.123456Z"])
    event: str = Field(examples=["ActionPerformed"])
    deal_id: Uuid = Field(examples=["0f8c3a52-55a4-4b0c-9c0e-0b7e0a4b6f11"])
    manager_id: str = Field(examples=["anna-sokolova"])
    account: str = Field(examples=["active"])
    effective_on: date = Field(examples=["2026-06-12"])
    late_days: int = Field(examples=[29])
    amount: Figure = Field(examples=[_AMOUNT])


class RestatementAnswer(Asked):
    """`known_at` and `position` are the later knowledge."""

    currency: str = Field(examples=["RUB"])
    from_known_at: Moment = Field(examples=["2026-07-01T23:59:59.999999+03:00"])
    from_position: int = Field(examples=[1180])
    earlier: Values
    lines: list[RestatementLineOut]
    later: Values


class DealSummary(Out):
    deal_id: Uuid = Field(examples=["0f8c3a52-55a4-4b0c-9c0e-0b7e0a4b6f11"])
    title: str = Field(examples=["Холодильные витрины для сети «Ромашка»"])
    client: str = Field(examples=["Ромашка"])
    status: str = Field(examples=["open"])
    owner: str = Field(examples=["anna-sokolova"])
    potential_check: CheckOut
    progress: Figure = Field(examples=["7.00"])
    opened_on: date = Field(examples=["2026-01-12"])
    expected_close_on: date | None = Field(examples=["2026-12-01"])


class DealsAnswer(Asked):
    deals: list[DealSummary]


class EntryOut(Out):
    manager_id: str = Field(examples=["anna-sokolova"])
    weight: Figure = Field(examples=["5.00"])
    credit: Figure = Field(examples=["5.00"])


class ActionOut(Out):
    """`state` is claimed, counted, withdrawn or rejected; `credit` is what counts of `weight`."""

    action_id: Uuid = Field(examples=["c9a1cf2e-0f3c-4c8e-8b43-6f3b8a7f2d10"])
    action_type: str = Field(examples=["proposal-presented"])
    effective_on: date = Field(examples=["2026-02-03"])
    recorded_at: Moment = Field(examples=["2026-02-05T09:15:02.123456Z"])
    late_days: int = Field(examples=[2])
    state: str = Field(examples=["counted"])
    weight: Figure = Field(examples=["5.00"])
    credit: Figure = Field(examples=["5.00"])
    credits: list[EntryOut]
    evidence: str | None = None
    comment: str | None = None


class NamedEntryOut(EntryOut):
    """`name` null: the person was forgotten."""

    name: str | None = Field(examples=["Анна Соколова"])


class ActionLineOut(Out):
    """An action, its deal as it is at the point, and `position`, at which it was recorded. `amount`
    is what it stands for at the deal's potential check: its credit or, of a claim, all its weight.
    """

    deal_id: Uuid = Field(examples=["0f8c3a52-55a4-4b0c-9c0e-0b7e0a4b6f11"])
    title: str = Field(examples=["Холодильные витрины для сети «Ромашка»"])
    client: str = Field(examples=["Ромашка"])
    status: str = Field(examples=["open"])
    owner: str = Field(examples=["anna-sokolova"])
    action_id: Uuid = Field(examples=["c9a1cf2e-0f3c-4c8e-8b43-6f3b8a7f2d10"])
    action_type: str = Field(examples=["proposal-presented"])
    effective_on: date = Field(examples=["2026-02-03"])
    recorded_at: Moment = Field(examples=["2026-02-05T09:15:02.123456Z"])
    late_days: int = Field(examples=[2])
    position: int = Field(examples=[1204])
    state: str = Field(examples=["claimed"])
    weight: Figure = Field(examples=["5.00"])
    credit: Figure = Field(examples=["0.00"])
    credits: list[NamedEntryOut]
    amount: Figure = Field(examples=[_AMOUNT])
    currency: str = Field(examples=["RUB"])
    evidence: str | None = None
    comment: str | None = None


class ActionsAnswer(Asked):
    actions: list[ActionLineOut]


class DealAnswer(Asked, DealSummary):
    version: int = Field(examples=[7])
    contract: CheckOut | None = None
    actions: list[ActionOut]


class Change(Out):
    manager_id: str = Field(examples=["anna-sokolova"])
    account: str = Field(examples=["active"])
    amount: Figure = Field(examples=[_AMOUNT])
    credit: Figure = Field(examples=["5.00"])


class DealEventOut(Out):
    position: int = Field(examples=[1204])
    version: int = Field(examples=[7])
    recorded_at: Moment = Field(examples=["2026-07-11T09:15:02.123456Z"])
    effective_on: date = Field(examples=["2026-06-12"])
    late_days: int = Field(examples=[29])
    type: str = Field(examples=["ActionPerformed"])
    actor: str = Field(examples=["7d1f4e7c-33d5-4a55-9a39-55dbd3a5a2b1"])
    data: dict[str, Any]
    added: list[Change]


class DealEventsAnswer(Asked):
    """In book order; `added` is what the step of each event changed, and for whom."""

    deal_id: Uuid = Field(examples=["0f8c3a52-55a4-4b0c-9c0e-0b7e0a4b6f11"])
    events: list[DealEventOut]


class EventOut(Out):
    position: int = Field(examples=[1204])
    recorded_at: Moment = Field(examples=["2026-07-11T09:15:02.123456Z"])
    type: str = Field(examples=["ActionPerformed"])
    stream_id: Uuid = Field(examples=["0f8c3a52-55a4-4b0c-9c0e-0b7e0a4b6f11"])
    deal_id: Uuid | None = None
    effective_on: date | None = None
    actor: str = Field(examples=["7d1f4e7c-33d5-4a55-9a39-55dbd3a5a2b1"])
    data: dict[str, Any]


class EventsAnswer(Out):
    events: list[EventOut]


class DatedWeightOut(Out):
    weight: Figure = Field(examples=["5.00"])
    effective_from: date = Field(examples=["2026-01-01"])


class TitleOut(Out):
    ru: str = Field(examples=["ТКП представлено лицу, принимающему решение"])
    en: str = Field(examples=["Proposal presented to the decision maker"])


class ActionTypeOut(Out):
    """`weight` is the one in force on `as_of`, null when none is."""

    code: str = Field(examples=["proposal-presented"])
    title: TitleOut
    weight: Figure | None = Field(examples=["5.00"])
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
    team_id: Uuid | None = Field(examples=["7a7c2f9e-5f0e-4b3f-8a34-1f8f6b1f7c11"])


class ManagersAnswer(Asked):
    managers: list[ManagerOut]


class TeamOut(Out):
    team_id: Uuid = Field(examples=["7a7c2f9e-5f0e-4b3f-8a34-1f8f6b1f7c11"])
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
    recorded_at: Moment = Field(examples=["2026-07-05T09:15:02.123456Z"])
    actor: str = Field(examples=["7d1f4e7c-33d5-4a55-9a39-55dbd3a5a2b1"])
    reason: str | None = None
    totals: list[PeriodTotalOut]


class PeriodsAnswer(Asked):
    periods: list[PeriodOut]


class CertifiedRowOut(Out):
    """`certified` is what the closing's event keeps, `replayed` the ledger at that point, `now` the
    month's last day as known at the point of the question; `difference` is now less certified. Both
    are null where what the event keeps is no amount, which is an alarm.
    """

    manager_id: str = Field(examples=["anna-sokolova"])
    currency: str = Field(examples=["RUB"])
    account: str = Field(examples=["active"])
    certified: Figure | None = Field(examples=[_AMOUNT])
    replayed: Figure = Field(examples=[_AMOUNT])
    now: Figure = Field(examples=["50000000.00"])
    difference: Figure | None = Field(examples=["30000000.00"])


class CertifiedLineOut(RestatementLineOut):
    """What an event that was recorded behind the closing has changed, and who recorded it."""

    actor: str = Field(examples=["7d1f4e7c-33d5-4a55-9a39-55dbd3a5a2b1"])
    currency: str = Field(examples=["RUB"])


class CertifiedOut(Out):
    """One closing. `status`: `closed`, `reopened` (the month is open), `replaced` (by a later
    closing of it). `knew` is the last position that its totals know. `alarm`, where something is
    certified that does not follow from the log any more: what that means, and what to do.
    """

    period: str = Field(examples=["2026-06"])
    last_day: date = Field(examples=["2026-06-30"])
    status: str = Field(examples=["reopened"])
    position: int = Field(examples=[1181])
    recorded_at: Moment = Field(examples=["2026-07-05T09:15:02.123456Z"])
    actor: str = Field(examples=["7d1f4e7c-33d5-4a55-9a39-55dbd3a5a2b1"])
    knew: int = Field(examples=[1180])
    alarm: str | None
    rows: list[CertifiedRowOut]
    lines: list[CertifiedLineOut]


class CertifiedAnswer(Asked):
    """The latest month first, and of one month the latest closing."""

    closings: list[CertifiedOut]


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
    value: Figure = Field(examples=[_AMOUNT])
    value_dated: Figure = Field(examples=[_AMOUNT])
    value_recorded: Figure = Field(examples=[_AMOUNT])
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
    active: Figure = Field(examples=[_AMOUNT])
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


class AccountOut(Out):
    """`name` null: the person was forgotten. `language` of letters null: that of the company."""

    account_id: Uuid = Field(examples=["7d1f4e7c-33d5-4a55-9a39-55dbd3a5a2b1"])
    name: str | None = Field(examples=["Анна Соколова"])
    email: str | None = Field(examples=["anna@romashka.ru"])
    language: Literal["ru", "en"] | None = Field(examples=["ru"])
    role: str = Field(examples=["manager"])
    manager_id: str | None = Field(examples=["anna-sokolova"])
    team_id: Uuid | None = None


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
    account_id: Uuid = Field(examples=["7d1f4e7c-33d5-4a55-9a39-55dbd3a5a2b1"])
    question: str = Field(examples=["getManagerPortfolio"])
    status: int = Field(examples=[200])
    manager_id: str | None = Field(examples=["anna-sokolova"])
    deal_id: str | None = None
    asked: dict[str, str] = Field(examples=[{"as_of": "2026-06-30"}])


class ReadsAnswer(Out):
    reads: list[ReadOut]


class KeyOut(Out):
    """`prefix` is how the key begins, `expires_at` null: never, `last_used_at` to ten minutes."""

    key_id: Uuid = Field(examples=["0d7c5c0e-4a3e-4a0b-8c51-9a0d4f6f2b77"])
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


def restatement_line(line: RestatementLine, zone: ZoneInfo) -> RestatementLineOut:
    return RestatementLineOut(
        position=line.position,
        recorded_at=instant_text(line.recorded_at),
        event=line.event,
        deal_id=str(line.deal_id),
        manager_id=line.manager_id,
        account=line.account,
        effective_on=line.effective_on,
        late_days=late_days(line.recorded_at, line.effective_on, zone),
        amount=value_text(line.amount),
    )


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


def portfolio_deal(about: About) -> ShowDeal[bytes]:
    """What `PortfolioDeal` says of it, ready to send; nothing where the manager has nothing in it
    beside the memory of an action.
    """
    deal_id, title, client, currency = about
    title, client = to_json(title).decode(), to_json(client).decode()
    named = f'{{"deal_id":"{deal_id}","title":{title},"client":{client},"status":"'
    priced = f'","currency":"{currency}"}},"deal_progress":"'

    def shown(state: State, figures: Figures) -> bytes:
        if not is_shown(figures):
            return b""
        active, claimed, suspended, lost, won, credit, *_ = figures
        status, check, progress = state
        rest = _NOTHING_ELSE
        if claimed or suspended or lost or won:
            rest = (
                f'","claimed":"{value_text(claimed)}","suspended":"{value_text(suspended)}",'
                f'"lost":"{value_text(lost)}","won":"{value_text(won)}"}}'
            )
        parts = (
            named, status, '","potential_check":{"amount":"', decimal_text(check),
            priced, decimal_text(progress), '","credit":"', decimal_text(credit),
            '","active":"', value_text(active), rest,
        )  # fmt: skip
        return "".join(parts).encode()

    return shown


_NOTHING_ELSE = '","claimed":"0.00","suspended":"0.00","lost":"0.00","won":"0.00"}'


def portfolio_deals(shown: Iterable[bytes]) -> bytes:
    """What is said of several."""
    return b",".join(filter(None, shown))


def portfolio_figures(lines: Sequence[Line[bytes]], company: str) -> bytes:
    """The rest of a `ManagerPortfolioAnswer`, behind what it says of who and when.

    `company` is the currency that is there in any case, and first.
    """
    currencies, totals = [], []
    for currency in [company, *sorted({line.currency for line in lines} - {company})]:
        own = [line for line in lines if line.currency == currency]
        totals.append(summed(own))
        deals = portfolio_deals([line.shown for line in own])
        if deals or currency == company:
            active, claimed, suspended, lost, won, *_ = map(value_text, totals[-1][:5])
            head = (
                f'{{"currency":"{currency}","active":"{active}","claimed":"{claimed}",'
                f'"suspended":"{suspended}","lost":"{lost}","won":"{won}","deals":['
            )
            currencies.append(b"".join((head.encode(), deals, b"]}")))
    progress, actions = (sum(one[place] for one in totals) for place in (6, 7))
    head = f',"progress":"{decimal_text(progress)}","actions":{actions},"currencies":['
    return b"".join((head.encode(), b",".join(currencies), b"]}"))


def currency_portfolios(
    currency: str, managers: Mapping[ManagerId, Standing], called: Mapping[ManagerId, str] | None
) -> bytes:
    """What `CurrencyPortfolios` says of them in their order, ready to send; by their ids alone when
    what they are called is None.
    """
    lines = []
    for who, held in managers.items():
        named = "" if called is None else f'"name":{_json(called.get(who))},'
        lines.append(_line_of(held, f'"manager_id":{_json(who)},{named}'))
    whole = _line_of(total(managers.values()), "")
    return f'{{"currency":"{currency}","managers":[{",".join(lines)}],"total":{whole}}}'.encode()


def _json(text: str | None) -> str:
    return to_json(text).decode()


def _line_of(held: Standing, who: str) -> str:
    """A `ManagerLine` or, of nobody, a `TotalLine`."""
    (active, claimed, suspended, lost, won), _, progress, actions, deals = held
    return (
        f'{{"active":"{value_text(active)}","claimed":"{value_text(claimed)}",'
        f'"suspended":"{value_text(suspended)}","lost":"{value_text(lost)}",'
        f'"won":"{value_text(won)}",{who}"progress":"{decimal_text(progress)}",'
        f'"actions":{actions},"deals":{deals}}}'
    )


def portfolios_answer(point: Point, currencies: Iterable[bytes]) -> bytes:
    """A `PortfoliosAnswer`, ready to send."""
    head = to_json(asked(point))[:-1]
    return b"".join((head, b',"currencies":[', b",".join(currencies), b"]}"))


def check(amount: int, currency: str) -> CheckOut:
    """`amount` in minor units."""
    return CheckOut(amount=decimal_text(amount), currency=currency)


def problems(slugs: Iterable[str]) -> dict[int | str, dict[str, Any]]:
    """The documentation of refusals, with an example of each."""
    by_status: dict[int | str, list[str]] = {}
    for slug in slugs:
        by_status.setdefault(KINDS[slug].status, []).append(slug)
    return {status: _refused(own) for status, own in by_status.items()}


def _refused(slugs: list[str]) -> dict[str, Any]:
    """What is answered with one status, and in no other form."""
    status = KINDS[slugs[0]].status
    ours = {"type": {"enum": [f"/problems/{slug}" for slug in slugs]}, "status": {"const": status}}
    content = {
        "schema": {"allOf": [{"$ref": "#/components/schemas/Problem"}, {"properties": ours}]},
        "examples": {slug: {"value": describe(Problem(slug), "en")} for slug in slugs},
    }
    return {
        "description": ", or ".join(KINDS[slug].en[0] for slug in slugs),
        "headers": {**_LANGUAGE, **_ALONG.get(status, {})},
        "content": {"application/problem+json": content},
    }


def _header(description: str, *, required: bool = True, **schema: object) -> dict[str, Any]:
    return {"description": description, "required": required, "schema": schema}


_LANGUAGE = {"Content-Language": _header("The language it is told in.", enum=["ru", "en"])}
_WAIT = "After so many seconds it may be tried again."
_ALONG = {
    401: {"WWW-Authenticate": _header("How to say who asks.", const="Bearer")},
    429: {"Retry-After": _header(_WAIT, type="integer", minimum=1)},
    503: {"Retry-After": _header(_WAIT, required=False, type="integer", minimum=1)},
}
"""Headers of refusals, by status."""
VERSIONED: dict[str, Any] = {
    "headers": {
        "ETag": _header("The version: what If-Match names.", type="string", pattern='^"[0-9]+"$')
    }
}
PAGED: dict[int | str, dict[str, Any]] = {
    200: {
        "headers": {
            "Link": _header(
                "The next page, unless this is the last.", required=False, type="string"
            )
        }
    }
}
WITH_COOKIE: dict[str, Any] = {
    "headers": {"Set-Cookie": _header("The session's, which no script can read.", type="string")}
}

EVERYWHERE = [
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

EDGE_REFUSALS = problems(EVERYWHERE)
"""What any request may be refused for."""
QUESTION_REFUSALS = problems([*_QUESTION, *EVERYWHERE])
REMOVAL_REFUSALS = problems([*_QUESTION, "not-allowed-now", *EVERYWHERE])
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
        *EVERYWHERE,
    ]
)
"""What a command may be refused for."""

COMMAND: dict[str, Any] = {
    "response_model": Recorded,
    "response_model_exclude_none": True,
    "responses": {200: VERSIONED, **REFUSALS},
}
CREATED: dict[str, Any] = COMMAND | {
    "status_code": 201,
    "responses": {201: VERSIONED, **REFUSALS},
}
_BATCH_REFUSALS = [
    "validation",
    "unauthenticated",
    "rate-limited",
    "malformed-json",
    "payload-too-large",
    "unsupported-media-type",
    "batch-refused",
    *EVERYWHERE,
]
BATCH: dict[str, Any] = {
    "status_code": 201,
    "response_model": RecordedBatch,
    "response_model_exclude_none": True,
    "responses": {
        200: {"model": RecordedBatch, "description": "Recorded, and nothing new was made."},
        **problems([*_BATCH_REFUSALS, "idempotency-key-reused"]),
    },
}
PREVIEW: dict[str, Any] = {
    "response_model": BatchPreview,
    "responses": {200: {"headers": _LANGUAGE}, **problems([*_BATCH_REFUSALS, "forbidden"])},
}
