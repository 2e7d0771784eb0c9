"""One manager: what the portfolio is, how it came to be, its deals, and what was done last."""

from asyncio import gather
from bisect import bisect_right
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from typing import Annotated, Any

from fastapi import APIRouter, Path, Response
from markupsafe import Markup

from api.asking import Desk
from api.inputs import Slug
from api.pages import charts, figures
from api.pages.causes import MOVED, groups_of, waterfall_of
from api.pages.entries import Entry, Teller
from api.pages.frame import Page, gettext, show
from api.pages.home import year_before
from api.pages.people import People
from api.pages.sheets import Column, Sheet, sheet
from api.pages.visit import Visit, VisitDep, parsed_day
from api.pages.waterfall import Bar, Waterfall
from domain.errors import NotFound
from domain.values import ManagerId
from projections.lines import Line, Told, latest_from_ledger, told
from projections.point import Knowledge

router = APIRouter(route_class=Page, include_in_schema=False)

FEED = 12
MARKED = 400
"""Events of a year that are marked on the axis at most."""
STATUSES = {"open": "Open", "suspended": "Suspended", "won": "Won", "lost": "Lost"}
UNDER_WAY = ("open", "suspended")
Id = Annotated[Slug, Path()]


@dataclass(frozen=True, slots=True)
class Manager:
    """What the page shows. `moved` is None where the reader may not see the compared date. `teams`
    is empty: there is nothing to choose.
    """

    as_of: date
    compared: date
    answer: Mapping[str, Any]
    held: Mapping[str, Any]
    others: Sequence[Mapping[str, Any]]
    team: str
    colour: str
    teller: Teller
    moved: Mapping[str, Any] | None
    teams: tuple[()] = ()

    @property
    def manager_id(self) -> str:
        return str(self.answer["manager_id"])

    @property
    def name(self) -> str:
        return str(self.answer["name"] or self.manager_id)

    @property
    def currency(self) -> str:
        return str(self.held["currency"])

    @property
    def change(self) -> Decimal | None:
        if self.moved is None:
            return None
        return Decimal(self.moved["closing"]["active"]) - Decimal(self.moved["opening"]["active"])

    @property
    def part(self) -> Decimal | None:
        """The change in percent; None where there was nothing."""
        before = Decimal(self.moved["opening"]["active"]) if self.moved else Decimal()
        return 100 * self.change / before if before and self.change is not None else None

    @property
    def deals(self) -> Sequence[Mapping[str, Any]]:
        """Under way first, the largest part first."""
        return sorted(
            self.held["deals"],
            key=lambda deal: (
                deal["status"] not in UNDER_WAY, -Decimal(deal["active"]),
                -Decimal(deal["suspended"]), deal["title"],
            ),
        )  # fmt: skip

    @property
    def credit(self) -> str:
        """Of the open deals in this currency: what the rows add up to."""
        credits_held = (
            Decimal(one["credit"]) for one in self.held["deals"] if one["status"] == "open"
        )
        return str(sum(credits_held, Decimal("0.00")))

    def part_of(self, deal: Mapping[str, Any]) -> str | None:
        """Of the portfolio, in percent; None of nothing."""
        whole = Decimal(self.held["active"])
        if not whole:
            return None
        return str((100 * Decimal(deal["active"]) / whole).quantize(Decimal("0.01")))


@router.get("/managers/{manager_id}")
async def manager(manager_id: Id, visit: VisitDep) -> Response:
    found = await _found(visit, manager_id)
    first = year_before(found.as_of)
    series, (lines, known) = await gather(
        visit.ask(
            f"/managers/{manager_id}/portfolio/series", to=found.as_of, step="day",
            position=found.answer["position"], currency=found.currency, **{"from": first},
        ),
        visit.look(lambda at: _latest(at, found, first)),
    )  # fmt: skip
    entries = found.teller.entries(lines, known)
    deals = found.deals
    under_way = [deal for deal in deals if deal["status"] in UNDER_WAY]
    return show(
        visit,
        "manager.html",
        found=found,
        statuses=STATUSES,
        pictures=_charts(visit, found, series["points"], entries),
        deals=deals if visit.asked.get("closed") == "1" else under_way,
        closed=len(deals) - len(under_way),
        progress=lambda deal: _progress(deal, found.colour),
        fall=_fall(visit, found),
        feed=entries[:FEED],
        people=found.teller.people,
    )


@router.get("/managers/{manager_id}/deals.{kind}")
async def taken_along(manager_id: Id, kind: str, visit: VisitDep) -> Response:
    """All deals, also those that are over."""
    found = await _found(visit, manager_id)
    say = gettext(visit.language)
    columns = [
        Column(say("Deal"), "text"),
        Column(say("Client"), "text"),
        Column(say("Status"), "text"),
        Column(say("Potential check"), "money"),
        Column(f"{say('Progress')}, %", "percent"),
        Column(f"{say('Credit')}, %", "percent"),
        *(
            Column(say(name), "money")
            for name in ("Portfolio", "Claimed", "Suspended", "Lost", "Won")
        ),
    ]
    statuses = {status: say(name) for status, name in STATUSES.items()}
    rows = [
        (
            deal["title"], deal["client"], statuses[deal["status"]],
            deal["potential_check"]["amount"], deal["deal_progress"], deal["credit"],
            *(deal[account] for account in ("active", "claimed", "suspended", "lost", "won")),
        )
        for deal in found.deals
    ]  # fmt: skip
    return sheet(visit, kind, Sheet("deals", columns, rows, found.answer, found.currency))


async def _found(visit: Visit, manager_id: str) -> Manager:
    as_of = parsed_day(visit.asked.get("as_of"), visit.today)
    compared = visit.compared(as_of)
    answer, moved, teams, people, kinds = await gather(
        visit.ask(
            f"/managers/{manager_id}/portfolio",
            as_of=visit.asked.get("as_of") or None, known_at=visit.asked.get("known_at") or None,
        ),
        _moved(visit, manager_id, compared, as_of),
        visit.ask("/teams", limit=1_000),
        visit.ask("/managers", limit=1_000),
        visit.ask("/action-types", limit=1_000),
    )  # fmt: skip
    held, *others = answer["currencies"]
    everybody = People.of(people["managers"])
    called = {team["team_id"]: team["name"] for team in teams["teams"]}
    return Manager(
        as_of, compared, answer, held, others, called.get(everybody.teams[manager_id], ""),
        everybody.colour(manager_id), Teller(visit, everybody, kinds["action_types"]), moved,
    )  # fmt: skip


async def _moved(
    visit: Visit, manager_id: str, compared: date, as_of: date
) -> Mapping[str, Any] | None:
    """A head is told of the time in the team."""
    if compared > as_of:
        return None
    try:
        moved: Mapping[str, Any] = await visit.ask(
            "/portfolios/movement",
            to=as_of,
            manager_id=manager_id,
            known_at=visit.asked.get("known_at") or None,
            **{"from": compared},
        )
    except NotFound:
        return None
    return moved


def _latest(at: Desk, found: Manager, first: date) -> tuple[list[Line], Mapping[int, Told]]:
    """Of the days on which the reader may see the manager."""
    point = at.point(found.as_of, Knowledge(position=found.answer["position"]))
    manager = at.require_manager(found.manager_id, point.as_of)
    lines = at.read(
        point.position,
        lambda cursor: latest_from_ledger(
            cursor, first, point.as_of, point.position, found.currency, ManagerId(manager), MARKED
        ),
    )
    seen = [line for line in lines if at.sees(manager, line.effective_on)]
    return seen, told(at.cursor, [line.position for line in seen])


def _charts(
    visit: Visit, found: Manager, points: Sequence[Mapping[str, Any]], entries: Sequence[Entry]
) -> Sequence[Markup]:
    """Steps of the twelve months, with a mark for each action done; wide, and for a phone."""
    if not points:
        return []
    say, language = gettext(visit.language), visit.language
    days = [date.fromisoformat(point["as_of"]) for point in points]
    highest = max(Decimal(point["active"]) for point in points)
    unit, divided_by = (say("bn"), 1e9) if highest >= 10**9 else (say("m"), 1e6)
    values = [float(point["active"]) / divided_by for point in points]
    compared = None
    if days[0] <= found.compared <= days[-1]:
        place = bisect_right(days, found.compared) - 1
        amount = figures.compact(points[place]["active"], found.currency, language)
        when = figures.short_date(found.compared, language, visit.today)
        compared = place, f"{when}: {amount}"
    markers = [
        charts.Marker(
            bisect_right(days, entry.effective_on) - 1,
            found.colour,
            bool(entry.late),
            f"{figures.short_date(entry.effective_on, language, visit.today)}: {entry.what}",
        )
        for entry in entries
        if entry.cause == "ActionPerformed" and entry.effective_on >= days[0]
    ]
    return [
        charts.stack(
            days,
            [charts.Band(found.name, found.colour, values)],
            label=say("The portfolio over 12 months, in steps, with the actions on the axis"),
            unit=f"{unit} {figures.symbol(found.currency, language)}",
            months=[figures.month_name(day, language) for day in days if day.day == 1],
            language=language,
            compared=compared,
            narrow=narrow,
            markers=sorted(markers, key=lambda one: one.is_late),
        )
        for narrow in (False, True)
    ]


def _progress(deal: Mapping[str, Any], colour: str) -> Markup:
    """The deal's progress, and in colour what of it is the manager's; both of 100."""
    whole, own = (min(100.0, max(0.0, float(deal[name]))) for name in ("deal_progress", "credit"))
    bars = "".join(
        f'<rect class="{kind}" x="0" y="2" width="{width:.2f}" height="8"/>'
        for kind, width in (("track", 100), ("part", whole), (colour, own))
    )
    return Markup(  # noqa: S704 - numbers, our own classes
        '<svg class="pbar" viewBox="0 0 100 12" preserveAspectRatio="none" aria-hidden="true">'
        f"{bars}</svg>"
    )


def _fall(visit: Visit, found: Manager) -> Waterfall | None:
    """Each cause leads to its events; None where nothing moved."""
    if found.moved is None or not found.moved["lines"]:
        return None
    groups = groups_of(MOVED, found.moved["lines"], [], {}, None)
    if not groups:
        return None
    asked = {"from": found.compared, "to": found.as_of, "manager_id": found.manager_id}
    path = f"/managers/{found.manager_id}"
    amounts = found.moved["opening"]["active"], found.moved["closing"]["active"]
    first, last = (
        Bar(figures.long_date(day, visit.language), "", amount, visit.link(path, as_of=day))
        for day, amount in zip((found.compared, found.as_of), amounts, strict=True)
    )
    return waterfall_of(visit, groups, first, last, visit.link("/movement", **asked))
