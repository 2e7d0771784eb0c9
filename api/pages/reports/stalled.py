"""Stalled deals as a page: how long each is silent beside what is usual for it, what is at stake,
and what could be done next.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from fastapi import APIRouter, Response
from markupsafe import Markup

from api.pages.blocks import Block, Cell, Cells, block_file
from api.pages.charts import chart, stroke, text
from api.pages.frame import Page, gettext, ngettext, show
from api.pages.reports.choosing import chosen
from api.pages.sheets import Column
from api.pages.visit import Visit, VisitDep

router = APIRouter(route_class=Page, include_in_schema=False)

ASKED = ("minimum_days", "factor")
SHOWN, DRAWN = 40, 12
"""Rows of a table, and deals in the picture: those with most at stake."""


@router.get("/reports/stalled")
async def stalled(visit: VisitDep) -> Response:
    found = await chosen(visit, "stalled", ASKED, limit=1_000)
    return show(
        visit,
        "report_stalled.html",
        chosen=found,
        drawn=[_silences(visit, found.answer, narrow=narrow) for narrow in (False, True)],
        blocks=stalled_blocks(found.cells(visit), found.answer),
        shown=SHOWN,
    )


@router.get("/reports/stalled/{file}")
async def taken_along(file: str, visit: VisitDep) -> Response:
    """One table, as `deals.excel.csv`."""
    found = await chosen(visit, "stalled", ASKED, limit=1_000)
    blocks = stalled_blocks(found.cells(visit), found.answer)
    return block_file(visit, file, blocks, "stalled", found.answer, found.answer["currency"])


def stalled_blocks(cells: Cells, answer: Mapping[str, Any]) -> Sequence[Block]:
    return deals_block(cells, answer["deals"], answer["number"]), _managers(cells, answer)


def deals_block(cells: Cells, deals: Sequence[Mapping[str, Any]], number: int) -> Block:
    say = cells.say
    columns = [
        Column(say("Deal"), "text"),
        *(Column(say(one), "text") for one in ("Client", "Owner")),
        *(Column(say(one), "money") for one in ("In work", "Claimed")),
        Column(say("Last done"), "date"),
        Column(say("Silent, days"), "count"),
        Column(say("Usually, days"), "count"),
        *(Column(say(one), "text") for one in ("Rule", "Last action", "What next")),
        Column(say("Would add"), "money"),
    ]
    rows = [
        (
            cells.deal(one), cells.text(one["client"]), cells.manager(one["owner"]),
            cells.money(one["active"]), cells.money(one["claimed"]),
            cells.date(one["silent_since"]), cells.count(one["silent_days"]),
            cells.count(one["median_gap"]), cells.text(_rule(cells, one)),
            _kind(cells, one["last_action"]), *_next(cells, one),
        )
        for one in deals
    ]  # fmt: skip
    return Block("deals", say("Deals"), "", "", columns, rows, number)


def _managers(cells: Cells, answer: Mapping[str, Any]) -> Block:
    say = cells.say
    columns = [
        Column(say("Manager"), "text"),
        Column(say("Deals"), "count"),
        *(Column(say(one), "money") for one in ("In work", "Claimed")),
    ]
    rows = [
        (
            cells.manager(one["manager_id"]), cells.count(one["deals"]),
            cells.money(one["active"]), cells.money(one["claimed"]),
        )
        for one in answer["managers"]
    ]  # fmt: skip
    return Block("managers", say("By manager"), "", "", columns, rows, len(rows))


def _rule(cells: Cells, one: Mapping[str, Any]) -> str:
    own, few = cells.say("own pace"), cells.say("few actions")
    return own if one["rule"] == "own" else few


def _kind(cells: Cells, action: Mapping[str, Any] | None) -> Cell:
    if action is None:
        return cells.text("")
    return cells.text(cells.kinds.get(action["action_type"], action["action_type"]))


def _next(cells: Cells, one: Mapping[str, Any]) -> tuple[Cell, Cell]:
    """What adds most, with the way to record it, and by how much."""
    if not one["next_actions"]:
        return cells.text(""), Cell(None, "")
    best = one["next_actions"][0]
    title = cells.kinds.get(best["action_type"], best["action_type"])
    link = cells.visit.link(
        "/record", deal_id=one["deal_id"], action_type=best["action_type"], as_of=None
    )
    return Cell(title, title, link), cells.money(best["amount"])


def _silences(visit: Visit, answer: Mapping[str, Any], *, narrow: bool) -> Markup:
    """A bar of days for each deal: up to where it stalls, and beyond."""
    deals = answer["deals"][:DRAWN]
    left, width, height = (162.0, 358, 26) if narrow else (420.0, 1360, 28)
    longest = max((one["silent_days"] for one in deals), default=1)
    scale = (width - left - 80) / longest
    drawn = []
    for row, one in enumerate(deals):
        y = row * height
        end = left + one["silent_days"] * scale
        usual = left + _limit(answer, one) * scale
        title = _shortened(one["title"], 20 if narrow else 56)
        days = ngettext(visit.language)("%(num)s day", "%(num)s days", one["silent_days"])
        drawn.append(
            f"{text('lab', 0, y + height * 0.64, title)}"
            f'<rect class="bar-usual" x="{left:.1f}" y="{y + 7}" width="{usual - left:.1f}"'
            f' height="{height - 14}"/>'
            f'<rect class="bar-late" x="{usual:.1f}" y="{y + 7}"'
            f' width="{max(0.0, end - usual):.1f}" height="{height - 14}"/>'
            f"{stroke('zero', usual, usual, y + 4, y + height - 4)}"
            f"{text('ax', end + 6, y + height * 0.64, days)}"
        )
    label = gettext(visit.language)("Days of silence by deal; the same is in the table")
    return chart(label, (width, height * max(1, len(deals))), drawn, narrow=narrow)


def _limit(answer: Mapping[str, Any], one: Mapping[str, Any]) -> int:
    """The days of silence from which on it stalls."""
    own = answer["factor"] * (one["median_gap"] or 0)
    return int(min(one["silent_days"], max(answer["minimum_days"], own)))


def _shortened(text: str, most: int) -> str:
    return text if len(text) <= most else f"{text[: most - 1].rstrip()}…"
