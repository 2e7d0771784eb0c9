"""The portfolio on a date: everybody's, beside an earlier one, with the twelve months before it."""

from asyncio import gather
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from decimal import Decimal
from operator import attrgetter
from typing import Any, NamedTuple

from fastapi import APIRouter, Response
from fastapi.responses import RedirectResponse
from markupsafe import Markup

from api.pages import charts, figures
from api.pages.frame import Page, gettext, show
from api.pages.people import People
from api.pages.sheets import Column, Sheet, sheet
from api.pages.visit import Visit, VisitDep, parsed_day
from domain.access import Task
from domain.values import FIRST_DAY

router = APIRouter(route_class=Page, include_in_schema=False)

MONTHS = 12
SHOWN = 30
"""Managers in the table, those with the largest portfolios; the rest is one line, unless all are
asked for.
"""
SUMMED = ("active", "claimed", "suspended", "progress", "deals")


class Row(NamedTuple):
    """One manager: `line` is what the answer says, `change` how much `active` is more than on the
    compared date.
    """

    line: Mapping[str, Any]
    active: Decimal
    change: Decimal
    team: str
    colour: str

    @property
    def name(self) -> str:
        return str(self.line["name"] or self.line["manager_id"])


@dataclass(frozen=True, slots=True)
class Rest:
    """What is not shown line by line: how many managers, and their sums."""

    number: int
    line: Mapping[str, str]
    change: Decimal


@dataclass(frozen=True, slots=True)
class Portfolio:
    """What the page shows, in the company's currency and in others."""

    as_of: date
    compared: date
    answer: Mapping[str, Any]
    currency: str
    rows: Sequence[Row]
    total: Mapping[str, Any]
    total_before: Mapping[str, Any]
    others: Sequence[Mapping[str, Any]]
    teams: Sequence[Mapping[str, Any]]
    wants_all: bool

    @property
    def shown(self) -> Sequence[Row]:
        return self.rows if self.wants_all else self.rows[:SHOWN]

    @property
    def rest(self) -> Rest | None:
        """What the shown rows lack to the total; None where all are shown."""
        rows = self.rows[len(self.shown) :]
        if not rows:
            return None
        left = {one: Decimal(self.total[one]) for one in SUMMED}
        for row in self.shown:
            for one in SUMMED:
                left[one] -= Decimal(row.line[one])
        change = sum((row.change for row in rows), Decimal())
        return Rest(len(rows), {one: f"{held:f}" for one, held in left.items()}, change)

    @property
    def change(self) -> Decimal:
        return Decimal(self.total["active"]) - Decimal(self.total_before["active"])

    @property
    def part(self) -> Decimal | None:
        """The change in percent; None where there was nothing."""
        before = Decimal(self.total_before["active"])
        return 100 * self.change / before if before else None


@router.get("/")
async def home(visit: VisitDep) -> Response:
    if not visit.may(Task.SEE):
        return RedirectResponse(visit.link("/accounts"), 303)
    found = await _portfolio(visit)
    if not found.rows or not any(row.line["deals"] or row.line["actions"] for row in found.rows):
        kinds = await visit.ask("/action-types", limit=1_000)
        return show(visit, "empty.html", found=found, kinds=len(kinds["action_types"]))
    widest = max((abs(row.change) for row in found.rows), default=Decimal())
    return show(
        visit,
        "home.html",
        found=found,
        rest=found.rest,
        bar=lambda row: charts.change_bar(float(row.change), float(widest)),
    )


@router.get("/portfolio.{kind}")
async def exported(kind: str, visit: VisitDep) -> Response:
    found = await _portfolio(visit)
    say = gettext(visit.language)
    columns = [
        Column(say("Manager"), "text"),
        Column(say("Team"), "text"),
        *(
            Column(say(name), "money")
            for name in ("Portfolio", "Claimed", "Suspended", "Lost", "Won")
        ),
        Column(f"{say('Progress')}, %", "percent"),
        Column(say("Actions"), "count"),
        Column(say("Deals"), "count"),
        Column(say("Change"), "money"),
    ]
    accounts = ("active", "claimed", "suspended", "lost", "won")
    rows = [
        (
            row.name,
            row.team,
            *(row.line[account] for account in accounts),
            row.line["progress"],
            row.line["actions"],
            row.line["deals"],
            str(row.change),
        )
        for row in found.rows
    ]
    return sheet(visit, kind, Sheet("portfolio", columns, rows, found.answer, found.currency))


@router.get("/portfolio/months")
async def months(visit: VisitDep) -> Response:
    """The chart and the small lines of the table: fetched behind the page, for they take longer."""
    found = await _portfolio(visit)
    first = year_before(found.as_of)
    named = [row.line["manager_id"] for row in found.rows if row.colour != "rest"]
    shown = [row.line["manager_id"] for row in found.shown]
    managers = [*dict.fromkeys([*shown, *named])]
    asked = {
        "from": first, "to": found.as_of, "currency": found.currency,
        "step": "day" if len(managers) <= 2 * charts.SLOTS else "week",
        "known_at": visit.asked.get("known_at"),
    }  # fmt: skip
    whole, *series = await gather(
        visit.ask("/portfolios/series", team_id=visit.asked.get("team_id"), **asked),
        *(visit.ask(f"/managers/{manager}/portfolio/series", **asked) for manager in managers),
    )
    points = {who: one["points"] for who, one in zip(managers, series, strict=True)}
    days = [date.fromisoformat(point["as_of"]) for point in whole["points"]]
    return show(
        visit,
        "months.html",
        charts=_stacks(visit, found, days, points, whole["points"]),
        sparks=_sparks(found, days, points),
    )


def _stacks(
    visit: Visit,
    found: Portfolio,
    days: Sequence[date],
    points: Mapping[str, Any],
    whole: Sequence[Mapping[str, Any]],
) -> Sequence[Markup]:
    """Managers of a colour of their own, and what is left of the whole."""
    say = gettext(visit.language)
    unit, divided_by = say("bn"), 1e9
    if Decimal(found.total["active"]) < 10**9:
        unit, divided_by = say("m"), 1e6
    named = sorted(
        (row for row in found.rows if row.colour != "rest"),
        key=lambda row: (len(row.colour), row.colour),
    )
    bands = [
        charts.Band(
            row.name,
            row.colour,
            [float(point["active"]) / divided_by for point in points[row.line["manager_id"]]],
        )
        for row in named
    ]
    if len(named) < len(found.rows):
        of_named = [sum(values) for values in zip(*(band.values for band in bands), strict=True)]
        left = [
            max(0.0, float(point["active"]) / divided_by - own)
            for point, own in zip(whole, of_named or [0.0] * len(days), strict=True)
        ]
        bands.append(charts.Band(say("the rest"), "rest", left))
    compared = None
    if days and days[0] <= found.compared <= days[-1]:
        place = max(number for number, day in enumerate(days) if day <= found.compared)
        said = figures.compact(found.total_before["active"], found.currency, visit.language)
        when = figures.short_date(found.compared, visit.language, visit.today)
        compared = place, f"{when}: {said}"
    names = [figures.month_name(day, visit.language) for day in days if day.day == 1]
    label = say("Portfolio by manager over 12 months, in steps; the same figures are in the table")
    symbol = figures.symbol(found.currency, visit.language)
    return [
        charts.stack(
            days, bands, label=label, unit=f"{unit} {symbol}", months=names,
            language=visit.language, compared=compared, narrow=narrow,
        )
        for narrow in (False, True)
    ]  # fmt: skip


def _sparks(
    found: Portfolio, days: Sequence[date], points: Mapping[str, Any]
) -> Mapping[str, Markup]:
    span = (days[-1] - days[0]).days if days else 0
    mark = (found.compared - days[0]).days / span if span else None
    if mark is not None and not 0 <= mark <= 1:
        mark = None
    return {
        row.line["manager_id"]: charts.spark(
            [float(point["active"]) for point in points[row.line["manager_id"]]], row.colour, mark
        )
        for row in found.rows
        if row.line["manager_id"] in points
    }


async def _portfolio(visit: Visit) -> Portfolio:
    as_of = parsed_day(visit.asked.get("as_of"), visit.today)
    compared = visit.compared(as_of)
    point = {"known_at": visit.asked.get("known_at"), "team_id": visit.asked.get("team_id")}
    now, before, teams, people = await gather(
        visit.ask("/portfolios", as_of=visit.asked.get("as_of"), **point),
        visit.ask("/portfolios", as_of=compared, **point),
        visit.ask("/teams", as_of=visit.asked.get("as_of"), limit=1_000),
        visit.ask("/managers", limit=charts.SLOTS),  # whoever comes later has no own colour
    )
    company, *others = now["currencies"]
    earlier = before["currencies"][0]
    held = {line["manager_id"]: Decimal(line["active"]) for line in earlier["managers"]}
    team_of = {who: team["name"] for team in teams["teams"] for who in team["members"]}
    first = People.of(people["managers"])
    rows = []
    for line in company["managers"]:
        who, active = line["manager_id"], Decimal(line["active"])
        change = active - held.get(who, Decimal())
        rows.append(Row(line, active, change, team_of.get(who, ""), first.colour(who)))
    rows.sort(key=attrgetter("active"), reverse=True)
    return Portfolio(
        as_of, compared, now, company["currency"], rows, company["total"], earlier["total"],
        others, teams["teams"], visit.asked.get("all") == "1",
    )  # fmt: skip


def year_before(day: date) -> date:
    """The first of a month; not before the first day of all."""
    return max(FIRST_DAY, (day.replace(day=1) - timedelta(days=360)).replace(day=1))
