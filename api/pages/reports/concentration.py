"""Concentration as a page: each portfolio cut into its largest deals and the rest."""

from collections.abc import Mapping, Sequence
from decimal import Decimal
from itertools import pairwise
from typing import Any

from fastapi import APIRouter, Response
from markupsafe import Markup

from api.pages import figures
from api.pages.blocks import Block, Cells, block_file
from api.pages.charts import chart, text
from api.pages.frame import Page, gettext, show
from api.pages.reports.choosing import Chosen, chosen
from api.pages.sheets import Column
from api.pages.visit import Visit, VisitDep

router = APIRouter(route_class=Page, include_in_schema=False)

SHOWN = 40
LARGEST = 10
"""Deals of the company that are listed."""


@router.get("/reports/concentration")
async def concentration(visit: VisitDep) -> Response:
    found = await chosen(visit, "concentration", limit=LARGEST)
    return show(
        visit,
        "report_concentration.html",
        chosen=found,
        drawn=[_bars(visit, found, narrow=narrow) for narrow in (False, True)],
        blocks=_blocks(found.cells(visit), found.answer),
        shown=SHOWN,
    )


@router.get("/reports/concentration/{file}")
async def taken_along(file: str, visit: VisitDep) -> Response:
    """One table, as `managers.excel.csv`."""
    found = await chosen(visit, "concentration", limit=LARGEST)
    blocks = _blocks(found.cells(visit), found.answer)
    answer = found.answer
    return block_file(visit, file, blocks, "concentration", answer, answer["currency"])


def _blocks(cells: Cells, answer: Mapping[str, Any]) -> Sequence[Block]:
    return _managers(cells, answer), _deals(cells, answer["total"])


def _managers(cells: Cells, answer: Mapping[str, Any]) -> Block:
    say = cells.say
    columns = [
        Column(say("Manager"), "text"),
        Column(say("Portfolio"), "money"),
        Column(say("Deals"), "count"),
        *(Column(say(one), "percent") for one in ("Largest", "Three largest", "Five largest")),
        Column(say("Herfindahl index"), "count"),
        Column(say("Without the largest"), "money"),
        Column(say("The largest deal"), "text"),
    ]
    rows = [
        (
            cells.manager(one["manager_id"]), cells.money(one["active"]), cells.count(one["deals"]),
            *(cells.percent(one[top]) for top in ("top_1", "top_3", "top_5")),
            cells.count(one["herfindahl"]), cells.money(one["without_largest"]),
            cells.deal(one["largest"][0]),
        )
        for one in answer["managers"]
    ]  # fmt: skip
    return Block("managers", say("By manager"), "", "", columns, rows, len(rows))


def _deals(cells: Cells, total: Mapping[str, Any]) -> Block:
    say = cells.say
    columns = [
        Column(say("Deal"), "text"),
        Column(say("Client"), "text"),
        Column(say("In work"), "money"),
        Column(say("Share"), "percent"),
    ]
    rows = [
        (
            cells.deal(one), cells.text(one["client"]), cells.money(one["amount"]),
            cells.percent(one["share"]),
        )
        for one in total["largest"]
    ]  # fmt: skip
    return Block("deals", say("The largest deals of all"), "", "", columns, rows, len(rows))


def _bars(visit: Visit, found: Chosen, *, narrow: bool) -> Markup:
    """All together, then each manager: the largest deal, the next two, the next two, the rest."""
    say, answer = gettext(visit.language), found.answer
    name = found.people.short if narrow else found.people.name
    lines = [
        (say("All"), answer["total"]),
        *((name(one["manager_id"]), one) for one in answer["managers"][:SHOWN]),
    ]
    left, width, height = (96.0, 358, 24) if narrow else (210.0, 1360, 28)
    scale = (width - left - 60) / 100
    drawn = []
    for row, (called, one) in enumerate(lines):
        y, tops = row * height, [Decimal(one[top]) for top in ("top_1", "top_3", "top_5")]
        ends = [Decimal(), *tops, Decimal(100) if one["deals"] else Decimal()]
        middle = y + height * 0.64
        drawn.append(text("lab", 0, middle, called))
        drawn += [
            f'<rect class="band sh-{place}" x="{left + float(begin) * scale:.1f}" y="{y + 4}"'
            f' width="{float(end - begin) * scale:.1f}" height="{height - 8}"/>'
            for place, (begin, end) in enumerate(pairwise(ends), 1)
            if end > begin
        ]
        share = f"{figures.percent(one['top_1'], visit.language)}{figures.SPACE}%"
        drawn.append(text("ax", width - 54, middle, share))
    label = say("Shares of the largest deals by manager; the same is in the table")
    return chart(label, (width, height * len(lines)), drawn, narrow=narrow)
