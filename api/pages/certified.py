"""A month as it was certified, against what is known now, to the event and its author."""

from asyncio import gather
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

from fastapi import APIRouter, Response

from api.pages.frame import Page, gettext, show
from api.pages.journal import TYPES
from api.pages.people import People, called
from api.pages.periods import local, month_of
from api.pages.sheets import Column, Sheet, sheet
from api.pages.visit import Visit, VisitDep
from api.words import NOT_WHAT_WAS_CERTIFIED
from domain.errors import NotFound
from domain.periods import Month

router = APIRouter(route_class=Page, include_in_schema=False)

ACCOUNTS: Mapping[str, str] = {
    "active": "In work",
    "claimed": "Claimed",
    "suspended": "Suspended",
    "lost": "Lost",
    "won": "Won",
}
STATES: Mapping[str, str] = {
    "closed": "in force",
    "reopened": "the month was reopened",
    "replaced": "replaced by a later closing",
}


@dataclass(frozen=True, slots=True)
class Found:
    """The closings of the month, the latest first, as /v1/audit/certified tells them."""

    month: Month
    answer: Mapping[str, Any]
    people: People
    authors: Mapping[str, str]

    @property
    def closings(self) -> Sequence[Mapping[str, Any]]:
        return [*self.answer["closings"]]

    @property
    def point(self) -> Mapping[str, Any]:
        """Of what is shown as now."""
        return {**self.answer, "as_of": str(self.month.last_day)}

    def author(self, account: str) -> str:
        return self.authors.get(account, account)


@router.get("/periods/{name}/certified")
async def certified(name: str, visit: VisitDep) -> Response:
    return show(
        visit,
        "certified.html",
        found=await _found(visit, name),
        accounts=ACCOUNTS,
        states=STATES,
        causes=TYPES,
        alarm=NOT_WHAT_WAS_CERTIFIED[visit.language],
        instant=partial(local, visit),
    )


@router.get("/periods/{name}/certified.{kind}")
async def totals_taken_along(name: str, kind: str, visit: VisitDep) -> Response:
    found, say = await _found(visit, name), gettext(visit.language)
    accounts = {name: say(text) for name, text in ACCOUNTS.items()}
    columns = [
        Column(say("Closing"), "count"),
        *(Column(say(one), "text") for one in ("Manager", "Currency", "Account")),
        *(Column(say(one), "money") for one in ("Certified", "Replayed", "Now", "Difference")),
    ]
    rows = [
        (
            closing["position"], found.people.name(row["manager_id"]), row["currency"],
            accounts[row["account"]], row["certified"], row["replayed"], row["now"],
            row["difference"],
        )
        for closing in found.closings
        for row in closing["rows"]
    ]  # fmt: skip
    return _taken_along(visit, kind, found, "certified", columns, rows)


@router.get("/periods/{name}/certified-lines.{kind}")
async def lines_taken_along(name: str, kind: str, visit: VisitDep) -> Response:
    found, say = await _found(visit, name), gettext(visit.language)
    accounts = {name: say(text) for name, text in ACCOUNTS.items()}
    events = {name: say(text) for name, text in TYPES.items()}
    columns = [
        Column(say("Closing"), "count"),
        Column(say("Position"), "count"),
        *(Column(say(one), "text") for one in ("When recorded", "Author", "Event", "Deal")),
        Column(say("When it was"), "date"),
        *(Column(say(one), "text") for one in ("Manager", "Currency", "Account")),
        Column(say("Amount"), "money"),
    ]
    rows = [
        (
            closing["position"], line["position"], line["recorded_at"],
            found.author(line["actor"]), events[line["event"]], line["deal_id"],
            line["effective_on"], found.people.name(line["manager_id"]), line["currency"],
            accounts[line["account"]], line["amount"],
        )
        for closing in found.closings
        for line in closing["lines"]
    ]  # fmt: skip
    return _taken_along(visit, kind, found, "certified-lines", columns, rows)


def _taken_along(
    visit: Visit, kind: str, found: Found, what: str, columns: Sequence[Column], rows: Sequence[Any]
) -> Response:
    currency = visit.service.settings.currency
    return sheet(visit, kind, Sheet(what, columns, rows, found.point, currency))


async def _found(visit: Visit, name: str) -> Found:
    """Raises NotFound for what is no month, and for one that was never closed."""
    month = month_of(name)
    if month is None:
        raise NotFound("period", name)
    asked = {"period": name, "known_at": visit.asked.get("known_at"), "limit": 1_000}
    answer, people = await gather(
        visit.ask("/audit/certified", **asked), visit.ask("/managers", limit=1_000)
    )
    if not answer["closings"]:
        raise NotFound("closing", name)
    authors = await called(
        visit,
        {one["actor"] for closing in answer["closings"] for one in (closing, *closing["lines"])},
    )
    return Found(month, answer, People.of(people["managers"]), authors)
