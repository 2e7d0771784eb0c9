"""What goes out: the shapes of answers. Amounts and weights are decimal strings, exact."""

from collections.abc import Mapping
from datetime import date
from typing import Annotated, Any
from zoneinfo import ZoneInfo

from fastapi import Response
from pydantic import BaseModel, ConfigDict, Field, WithJsonSchema

from domain.events import instant_text
from domain.values import decimal_text, value_text
from projections.ledger import Balance
from projections.point import Point, late_days
from projections.restatement import RestatementLine

AMOUNT = "20000000.00"
"""An example."""

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


class Values(Out):
    """Value by account, in major units."""

    active: Figure = Field(examples=[AMOUNT])
    claimed: Figure = Field(examples=["0.00"])
    suspended: Figure = Field(examples=["0.00"])
    lost: Figure = Field(examples=["0.00"])
    won: Figure = Field(examples=["0.00"])


class Asked(Out):
    """The point that was used: the end of `as_of`, as known at `position`."""

    as_of: date = Field(examples=["2026-06-30"])
    known_at: Moment = Field(examples=["2026-07-01T23:59:59.999999+03:00"])
    position: int = Field(examples=[1204])


class CheckOut(Out):
    amount: Figure = Field(examples=["400000000.00"])
    currency: str = Field(examples=["RUB"])


class RestatementLineOut(Out):
    position: int = Field(examples=[1204])
    recorded_at: Moment = Field(examples=["2026-07-11T09:15:02.123456Z"])
    event: str = Field(examples=["ActionPerformed"])
    deal_id: Uuid = Field(examples=["0f8c3a52-55a4-4b0c-9c0e-0b7e0a4b6f11"])
    manager_id: str = Field(examples=["anna-sokolova"])
    account: str = Field(examples=["active"])
    effective_on: date = Field(examples=["2026-06-12"])
    late_days: int = Field(examples=[29])
    amount: Figure = Field(examples=[AMOUNT])


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


def check(amount: int, currency: str) -> CheckOut:
    """`amount` in minor units."""
    return CheckOut(amount=decimal_text(amount), currency=currency)
