"""Several managers on one chart: what they have, in all or for a deal, or from one beginning."""

from asyncio import gather
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from math import nan
from typing import Any

from fastapi import APIRouter, Response
from markupsafe import Markup

from api.asking import Desk
from api.pages import charts, figures
from api.pages.blocks import Block, Cell, Cells, block_file
from api.pages.frame import Page, gettext, show
from api.pages.home import year_before
from api.pages.people import People
from api.pages.sheets import Column
from api.pages.visit import Visit, VisitDep, parsed_day
from domain.values import ManagerId
from projections.snapshots import standings

router = APIRouter(route_class=Page, include_in_schema=False)

MOST = 8
"""Managers on a chart: more lines are not told apart."""
UNSAID = 4
"""So many are shown when nobody is chosen: those with the largest portfolios."""
MEASURES: Mapping[str, str] = {
    "absolute": "Portfolio",
    "per-deal": "For each of their deals",
    "indexed": "From one beginning",
}
SHOWN = 60
CENT = Decimal("0.01")


def chosen_as(managers: Iterable[str]) -> Mapping[str, str]:
    """As they stand in the page's address."""
    return {f"m{place}": manager for place, manager in enumerate(managers, 1)}


@dataclass(frozen=True, slots=True)
class Comparison:
    """`values` by manager, one for each of `days`; None: there is none."""

    measure: str
    answer: Mapping[str, Any]
    managers: Sequence[Mapping[str, Any]]
    chosen: Sequence[str]
    people: People
    days: Sequence[date]
    values: Mapping[str, Sequence[Decimal | None]]
    first: date
    last: date

    @property
    def currency(self) -> str:
        return str(self.answer["currencies"][0]["currency"])

    @property
    def colours(self) -> Mapping[str, str]:
        """One's own; whoever came too late for one borrows another's that is not here."""
        own = {one: self.people.colour(one) for one in self.chosen}
        free = iter(
            colour
            for slot in range(1, charts.SLOTS + 1)
            if (colour := f"m{slot}") not in own.values()
        )
        return {one: next(free) if mine == "rest" else mine for one, mine in own.items()}


@router.get("/reports/comparison")
async def comparison(visit: VisitDep) -> Response:
    found = await _found(visit)
    return show(
        visit,
        "report_comparison.html",
        found=found,
        pictures=[_chart(visit, found, narrow=narrow) for narrow in (False, True)],
        block=_block(visit, found),
        measures=MEASURES,
        most=MOST,
        shown=SHOWN,
        more={**_asked(visit), **chosen_as(found.chosen)},
    )


@router.get("/reports/comparison/{file}")
async def taken_along(file: str, visit: VisitDep) -> Response:
    """The table, as `points.excel.csv`."""
    found = await _found(visit)
    point = {**found.answer, "from": str(found.first), "as_of": str(found.last)}
    return block_file(visit, file, [_block(visit, found)], "comparison", point, found.currency)


def _asked(visit: Visit) -> Mapping[str, str]:
    names = ("from", "to", "measure", "known_at", "team_id")
    return {name: visit.asked[name] for name in names if visit.asked.get(name)}


async def _found(visit: Visit) -> Comparison:
    """Whom one may choose are those whose portfolios one may see."""
    last = parsed_day(visit.asked.get("to") or visit.asked.get("as_of"), visit.today)
    first = parsed_day(visit.asked.get("from"), year_before(last))
    answer, everybody = await gather(
        visit.ask(
            "/portfolios", as_of=visit.asked.get("to") or visit.asked.get("as_of"),
            known_at=visit.asked.get("known_at"), team_id=visit.asked.get("team_id"),
        ),
        visit.ask("/managers", limit=1_000),
    )  # fmt: skip
    managers = sorted(answer["currencies"][0]["managers"], key=lambda one: -Decimal(one["active"]))
    may = [one["manager_id"] for one in managers]
    asked = dict.fromkeys(visit.asked.get(f"m{place}", "") for place in range(1, MOST + 1))
    chosen = [one for one in asked if one in may] or may[:UNSAID]
    series = await gather(
        *(
            visit.ask(
                f"/managers/{one}/portfolio/series", to=last, step="week",
                position=answer["position"], **{"from": first},
            )
            for one in chosen
        )
    )  # fmt: skip
    held = {
        one: {date.fromisoformat(at["as_of"]): Decimal(at["active"]) for at in told["points"]}
        for one, told in zip(chosen, series, strict=True)
    }
    days = sorted({day for points in held.values() for day in points})
    measure = visit.asked.get("measure", "")
    measure = measure if measure in MEASURES else "absolute"
    deals: Mapping[tuple[str, date], int] = {}
    if measure == "per-deal":
        deals = await visit.look(lambda at: _deals(at, days, answer["position"], chosen))
    values = {one: _measured(measure, days, held[one], one, deals) for one in chosen}
    return Comparison(
        measure, answer, managers, chosen, People.of(everybody["managers"]), days, values,
        first, last,
    )  # fmt: skip


def _deals(
    at: Desk, days: Sequence[date], position: int, managers: Sequence[str]
) -> Mapping[tuple[str, date], int]:
    """How many deals each had; used of the days only that a series was told of."""
    currency, who = at.currency(None), [ManagerId(one) for one in managers]
    found: dict[tuple[str, date], int] = {}
    for day in days:
        for held_in, manager, held in standings(at.cursor, day, position, who):
            if held_in == currency:
                found[manager, day] = held.deals
    return found


def _measured(
    measure: str,
    days: Sequence[date],
    held: Mapping[date, Decimal],
    manager: str,
    deals: Mapping[tuple[str, date], int],
) -> Sequence[Decimal | None]:
    """Indexed: of the first value above 0, in percent; for a deal: of nothing there is none."""
    begun: Decimal | None = None
    values: list[Decimal | None] = []
    for day in days:
        active = held.get(day)
        begun = begun or active or None
        if active is None or measure == "absolute":
            values.append(active)
        elif measure == "indexed":
            values.append(None if begun is None else (100 * active / begun).quantize(CENT))
        else:
            number = deals.get((manager, day), 0)
            values.append((active / number).quantize(CENT) if number else None)
    return values


def _chart(visit: Visit, found: Comparison, *, narrow: bool) -> Markup:
    say, language, colours = gettext(visit.language), visit.language, found.colours
    highest = max((one for own in found.values.values() for one in own if one), default=Decimal())
    unit, divided_by = (say("bn"), 1e9) if highest >= 10**9 else (say("m"), 1e6)
    unit = f"{unit} {figures.symbol(found.currency, language)}"
    if found.measure == "indexed":
        unit, divided_by = "%", 1.0
    return charts.lines(
        found.days,
        [
            charts.Band(
                found.people.short(one),
                colours[one],
                [nan if at is None else float(at) / divided_by for at in found.values[one]],
            )
            for one in found.chosen
        ],
        label=say("Portfolios of several managers, in steps; the same figures are in the table"),
        unit=unit,
        language=language,
        narrow=narrow,
    )


def _block(visit: Visit, found: Comparison) -> Block:
    cells = Cells(visit, found.people, {}, {}, found.currency)
    say, is_share = cells.say, found.measure == "indexed"

    def cell(one: str, day: date, value: Decimal | None) -> Cell:
        if value is None:
            return Cell(None, "")
        if is_share:
            return Cell(str(value), figures.percent(str(value), visit.language))
        return cells.millions(f"{value:f}", visit.link(f"/managers/{one}", as_of=day))

    columns = [
        Column(say("Date"), "date"),
        *(
            Column(found.people.name(one) + (", %" if is_share else ""),
                   "percent" if is_share else "money")
            for one in found.chosen
        ),
    ]  # fmt: skip
    rows = [
        (
            Cell(str(day), figures.short_date(day, visit.language, visit.today)),
            *(cell(one, day, found.values[one][place]) for one in found.chosen),
        )
        for place, day in enumerate(found.days)
    ]
    return Block("points", say("Week by week"), "", "", columns, rows[::-1], len(rows))
