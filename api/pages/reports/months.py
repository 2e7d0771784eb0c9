"""Empty months as a page: a calendar of managers and months, and the same figures as tables."""

from collections.abc import Mapping, Sequence
from datetime import date, timedelta
from decimal import Decimal
from typing import Any

from fastapi import APIRouter, Response
from markupsafe import Markup, escape

from api.pages import figures
from api.pages.blocks import Block, Cell, Cells, block_file
from api.pages.charts import chart, text
from api.pages.frame import Page, gettext, show
from api.pages.reports.choosing import Chosen, chosen
from api.pages.sheets import Column
from api.pages.visit import Visit, VisitDep
from domain.periods import Month

router = APIRouter(route_class=Page, include_in_schema=False)

ASKED = ("from", "to")
SHOWN = 20
"""Managers in the picture, and rows of a table; those with the most empty months."""
STATES = ("closed", "progress", "nothing")
SHADES = 4
"""Of progress, by percent points beside the most of a month."""


@router.get("/reports/months")
async def months(visit: VisitDep) -> Response:
    found, managers = await _found(visit)
    blocks = _blocks(visit, found, managers)
    return show(
        visit,
        "report_months.html",
        chosen=found,
        managers=managers,
        drawn=_calendars(visit, found, managers[:SHOWN]),
        blocks=blocks,
        shown=SHOWN,
        empty=sum(one["nothing"] for one in managers),
        number=sum(len(one["months"]) for one in managers),
    )


@router.get("/reports/months/{file}")
async def taken_along(file: str, visit: VisitDep) -> Response:
    """One table, as `managers.excel.csv`."""
    found, managers = await _found(visit)
    answer = found.answer
    point = {**answer, "from": answer["first_day"]}
    blocks = _blocks(visit, found, managers)
    return block_file(visit, file, blocks, "months", point, answer["currency"])


Managers = Sequence[Mapping[str, Any]]


async def _found(visit: Visit) -> tuple[Chosen, Managers]:
    """Whoever has the most empty months comes first."""
    found = await chosen(visit, "months", ASKED)
    managers = sorted(
        found.answer["managers"],
        key=lambda one: (-one["nothing"], found.people.name(one["manager_id"])),
    )
    return found, managers


def _blocks(visit: Visit, found: Chosen, managers: Managers) -> Sequence[Block]:
    cells, say = found.cells(visit), gettext(visit.language)
    names = [one["month"] for one in found.answer["total"]]
    by_manager = [
        Column(say("Manager"), "text"),
        *(Column(say(one), "count") for one in ("Closed", "With progress", "Empty")),
        *(Column(_short(visit, name), "text") for name in names),
    ]
    rows = [
        (
            cells.manager(one["manager_id"]),
            *(cells.count(one[state]) for state in STATES),
            *(_state(cells, found, one, name) for name in names),
        )
        for one in managers
    ]
    return (
        Block("managers", say("By manager"), "", "", by_manager, rows, len(rows)),
        _lines(cells, found, managers),
    )


def _lines(cells: Cells, found: Chosen, managers: Managers) -> Block:
    """Every month with its figures."""
    say = cells.say
    columns = [
        Column(say("Manager"), "text"),
        *(Column(say(one), "text") for one in ("Month", "State")),
        *(Column(say(one), "count") for one in ("Deals won", "Deals lost", "Actions")),
        Column(say("Percent points"), "percent"),
        *(Column(say(one), "money") for one in ("Gained by actions", "Won", "Lost")),
    ]
    rows = [
        (
            cells.manager(one["manager_id"]),
            Cell(line["month"], _named(cells.visit, line["month"]),
                 _moved(cells.visit, found, one["manager_id"], line["month"])),
            _told(cells, line),
            *(cells.count(line[name]) for name in ("deals_won", "deals_lost", "actions")),
            cells.percent(line["credit"]),
            *(cells.money(line[name]) for name in ("gained", "won", "lost")),
        )
        for one in managers
        for line in one["months"]
    ]  # fmt: skip
    return Block("months", say("By month"), "", "", columns, rows, len(rows))


def _state(cells: Cells, found: Chosen, one: Mapping[str, Any], name: str) -> Cell:
    line = next((line for line in one["months"] if line["month"] == name), None)
    if line is None:
        return Cell(None, "")
    link = _moved(cells.visit, found, one["manager_id"], name)
    return Cell(_told(cells, line).value, _said(cells.visit, line), link)


def _told(cells: Cells, line: Mapping[str, Any]) -> Cell:
    say = cells.say
    states = {"closed": say("closed"), "progress": say("progress"), "nothing": say("empty")}
    return cells.text(states[line["state"]])


def _said(visit: Visit, line: Mapping[str, Any]) -> str:
    """In a cell: how many were closed, the percent points, or that it is empty."""
    say = gettext(visit.language)
    match line["state"]:
        case "closed":
            number = line["deals_won"] + line["deals_lost"]
            return f"{say('closed')}{figures.SPACE}{number}"
        case "progress":
            return figures.percent(line["credit"], visit.language, signed=True)
        case _:
            return say("empty")


def _moved(visit: Visit, found: Chosen, manager: str, name: str) -> str:
    """What moved the manager's portfolio in that month."""
    first, last = (date.fromisoformat(found.answer[one]) for one in ("first_day", "last_day"))
    end = Month.parse(name).last_day
    begin = max(first, end.replace(day=1)) - timedelta(days=1)
    return visit.link(
        "/movement",
        **{"from": begin, "to": min(last, end), "manager_id": manager, "as_of": None},
    )


def _short(visit: Visit, name: str) -> str:
    day = Month.parse(name).last_day
    said = figures.month_name(day, visit.language)
    return said if day.year == visit.today.year else f"{said} {day.year}"


def _named(visit: Visit, name: str) -> str:
    return figures.month_and_year(Month.parse(name).last_day, visit.language)


# ---------------------------------------------------------------------------- the calendar


def _calendars(visit: Visit, found: Chosen, managers: Managers) -> Sequence[Markup]:
    """Once for a desk and once for a phone."""
    return [_calendar(visit, found, managers, narrow=narrow) for narrow in (False, True)]


def _calendar(visit: Visit, found: Chosen, managers: Managers, *, narrow: bool) -> Markup:
    say, people = gettext(visit.language), found.people
    names = [one["month"] for one in found.answer["total"]]
    left, width, height, top = (96.0, 358, 20, 16) if narrow else (210.0, 1360, 26, 20)
    step = (width - left) / len(names)
    most = max((Decimal(line["credit"]) for one in managers for line in one["months"]), default=0)
    drawn = [
        text("ax", left + step * place, 10, _short(visit, name))
        for place, name in enumerate(names)
        if place % (1 + len(names) // (4 if narrow else 18)) == 0
    ]
    for row, one in enumerate(managers):
        y = top + row * height
        who = one["manager_id"]
        name = people.short(who) if narrow else people.name(who)
        drawn.append(text("lab", 0, y + height * 0.68, name))
        for line in one["months"]:
            x = left + step * names.index(line["month"])
            said = f"{people.name(who)}, {_named(visit, line['month'])}: {_said(visit, line)}"
            drawn.append(
                f'<rect class="hm {_shade(line, Decimal(most))}" x="{x:.1f}" y="{y}"'
                f' width="{step - 2:.1f}" height="{height - 2}">'
                f"<title>{escape(said)}</title></rect>"
            )
            if line["state"] != "nothing" and step > 52:
                middle = x + step / 2 - 1
                drawn.append(text("hm", middle, y + height * 0.66, _said(visit, line), "middle"))
    label = say("A calendar of managers and months; the same is in the table")
    return chart(label, (width, top + len(managers) * height), drawn, narrow=narrow)


def _shade(line: Mapping[str, Any], most: Decimal) -> str:
    """Its class: closed, nothing, or by how much was gained."""
    if line["state"] != "progress":
        return f"hm-{line['state']}"
    part = max(Decimal(line["credit"]), Decimal()) / most if most else Decimal()
    return f"hm-{max(1, int(-(-part * SHADES // 1)))}"
