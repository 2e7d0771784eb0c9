"""The deals: all that the reader may see, found by status, owner, and words of title and client."""

from asyncio import gather
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from typing import Any, NamedTuple

from fastapi import APIRouter, Response

from api.pages.deal_charts import small_bar
from api.pages.frame import Page, gettext, show
from api.pages.people import People
from api.pages.sheets import Column, Sheet, sheet
from api.pages.visit import Visit, VisitDep, parsed_day
from domain.deal import Status

router = APIRouter(route_class=Page, include_in_schema=False)

ASKED_AT_ONCE = 1_000
SHOWN = 500
"""Rows of one page, at least where there are more; so many are also put in another order."""
FILTERS = ("status", "manager_id", "q")
_PASSED_ON = ("as_of", "known_at", "status", "manager_id", "cursor")

_NEVER = "9999-12-31"
ORDERS: Mapping[str, tuple[Callable[[Mapping[str, Any]], Any], bool]] = {
    "check": (lambda deal: Decimal(deal["potential_check"]["amount"]), True),
    "progress": (lambda deal: Decimal(deal["progress"]), True),
    "close": (lambda deal: deal["expected_close_on"] or _NEVER, False),
    "opened": (lambda deal: deal["opened_on"], True),
    "title": (lambda deal: deal["title"].casefold(), False),
}
"""By what the rows can be put in order, and whether the greatest is first."""


@dataclass(frozen=True, slots=True)
class Found:
    """What the page shows. `cursor` is where the rest begins; None if these are all. `answer` says
    at which point.
    """

    as_of: date
    answer: Mapping[str, Any]
    deals: Sequence[Mapping[str, Any]]
    cursor: str | None
    people: People

    @property
    def totals(self) -> Sequence["Total"]:
        """Of the deals that are shown, by currency."""
        checks: dict[str, list[Decimal]] = defaultdict(list)
        for deal in self.deals:
            check = deal["potential_check"]
            checks[check["currency"]].append(Decimal(check["amount"]))
        return [Total(one, len(some), str(sum(some))) for one, some in checks.items()]


class Total(NamedTuple):
    """`checks` is the sum of the potential checks, exact."""

    currency: str
    deals: int
    checks: str


@router.get("/deals")
async def deals(visit: VisitDep) -> Response:
    found = await _found(visit, SHOWN)
    order = visit.asked.get("sort", "check")
    shown = list(found.deals)
    company_currency = visit.service.settings.currency
    if found.cursor is None and order in ORDERS:
        by, greatest_first = ORDERS[order]
        shown.sort(key=by, reverse=greatest_first)
        if order == "check":  # other currencies behind: their figures are no measure of ours
            shown.sort(key=lambda deal: _currency(deal, company_currency))
    return show(
        visit,
        "deals.html",
        found=found,
        deals=shown,
        order=order if found.cursor is None else None,
        greatest_first={name for name, (_, first) in ORDERS.items() if first},
        statuses=[status.value for status in Status],
        owners=_owners(visit, found.people),
        is_filtered=any(visit.asked.get(name) for name in FILTERS),
        filters={name: visit.asked.get(name) for name in FILTERS},
        company_currency=company_currency,
        totals=sorted(
            found.totals, key=lambda one: (one.currency != company_currency, one.currency)
        ),
        bar=lambda deal: small_bar(float(deal["progress"])),
    )


@router.get("/deals.{kind}")
async def exported(kind: str, visit: VisitDep) -> Response:
    """Every one that the filters let pass."""
    found = await _found(visit, None)
    say = gettext(visit.language)
    columns = [
        Column(say("Deal"), "text"),
        Column(say("Client"), "text"),
        Column(say("Status"), "text"),
        Column(say("Owner"), "text"),
        Column(say("Potential check"), "money"),
        Column(say("Currency"), "text"),
        Column(f"{say('Progress')}, %", "percent"),
        Column(say("Opened on"), "date"),
        Column(say("Expected close"), "date"),
        Column(say("Deal's id"), "text"),
    ]

    def status(deal: Mapping[str, Any]) -> str:
        name: str = deal["status"]
        return say(name)

    rows = [
        (
            deal["title"],
            deal["client"],
            status(deal),
            found.people.name(deal["owner"]),
            deal["potential_check"]["amount"],
            deal["potential_check"]["currency"],
            deal["progress"],
            deal["opened_on"],
            deal["expected_close_on"],
            deal["deal_id"],
        )
        for deal in found.deals
    ]
    currencies = sorted({deal["potential_check"]["currency"] for deal in found.deals})
    return sheet(visit, kind, Sheet("deals", columns, rows, found.answer, ", ".join(currencies)))


async def _found(visit: Visit, most: int | None) -> Found:
    """`most` None: all."""
    managers, (answer, kept, cursor) = await gather(
        visit.ask("/managers", limit=ASKED_AT_ONCE), _matching(visit, most)
    )
    as_of = parsed_day(visit.asked.get("as_of"), visit.today)
    return Found(as_of, answer, kept, cursor, People.of(managers["managers"]))


async def _matching(
    visit: Visit, most: int | None
) -> tuple[Mapping[str, Any], Sequence[Mapping[str, Any]], str | None]:
    """The first answer, the deals with all words in title or client, and where the rest begins."""
    words = _folded(visit.asked.get("q", "")).split()
    answers: list[Mapping[str, Any]] = []
    kept: list[Mapping[str, Any]] = []
    cursor = None
    async for listed in visit.pages(
        "/deals",
        **{name: visit.asked.get(name) for name in _PASSED_ON},
        limit=ASKED_AT_ONCE if most is None else min(most, ASKED_AT_ONCE),
    ):
        answers.append(listed.answer)
        cursor = listed.cursor
        kept += [
            deal
            for deal in listed.answer["deals"]
            if all(word in _folded(f"{deal['title']} {deal['client']}") for word in words)
        ]
        if most is not None and len(kept) >= most:
            break
    return answers[0], kept, cursor


def _currency(deal: Mapping[str, Any], companys: str) -> tuple[bool, str]:
    currency = str(deal["potential_check"]["currency"])
    return currency != companys, currency


def _folded(text: str) -> str:
    """As it is compared: «Ёлка» is found by «елка»."""
    return text.casefold().replace("ё", "е")


def _owners(visit: Visit, people: People) -> Sequence[tuple[str, str]]:
    """Whom the reader can choose: those whose deals they may see."""
    seen = [who for who in people.names if people.is_seen_by(visit.grant, who)]
    return sorted(((who, people.name(who)) for who in seen), key=lambda one: one[1])
