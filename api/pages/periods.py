"""Months: who closed them and when, what they came to then, and what they come to as known now."""

from asyncio import gather
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from functools import partial
from itertools import takewhile
from typing import Any

from fastapi import APIRouter, Response
from fastapi.responses import RedirectResponse

from api.pages.forms import Typed, count, read_own_form, record, typed
from api.pages.frame import Page, gettext, show
from api.pages.people import called
from api.pages.sheets import Column, Sheet, sheet
from api.pages.visit import Visit, VisitDep
from api.words import NOT_WHAT_WAS_CERTIFIED
from domain.access import Task
from domain.errors import NotFound
from domain.periods import Month
from projections.certified import value_of

router = APIRouter(route_class=Page, include_in_schema=False)

SHOWN = 12
"""Months on a page: what each comes to now is a question of its own."""


@dataclass(frozen=True, slots=True)
class Line:
    """A month. `closing` is what the list of months says of its last closing, `opening` of its
    reopening after that; `now` is what the portfolios come to on its last day.
    """

    month: Month
    closing: Mapping[str, Any] | None
    opening: Mapping[str, Any] | None
    now: Mapping[str, Any] | None
    currency: str
    is_over: bool

    @property
    def name(self) -> str:
        return str(self.month)

    @property
    def first_day(self) -> date:
        return self.month.last_day.replace(day=1)

    @property
    def is_closed(self) -> bool:
        return self.closing is not None and self.opening is None

    @property
    def state(self) -> str:
        """A msgid."""
        if self.is_closed:
            return "books closed"
        if self.opening:
            return "books reopened"
        return "books open" if self.is_over else "goes on"

    @property
    def then(self) -> Mapping[str, Decimal | None]:
        """Active value at the closing by manager, in the company's currency; None: what the closing
        has there is no amount, so it was altered.
        """
        totals = self.closing["totals"] if self.closing else []
        return {
            one["manager_id"]: None if value_of(one["active"]) is None else Decimal(one["active"])
            for one in totals
            if one["currency"] == self.currency
        }

    @property
    def is_altered(self) -> bool:
        return None in self.then.values()

    @property
    def at_closing(self) -> str | None:
        whole = _sum(self.then.values()) if self.closing else None
        return None if whole is None else str(whole)

    @property
    def active_now(self) -> str | None:
        return str(self.now["total"]["active"]) if self.now else None

    @property
    def difference(self) -> Decimal | None:
        return None if self.active_now is None else _less(self.active_now, self.at_closing)


def _sum(amounts: Iterable[Decimal | None]) -> Decimal | None:
    """None: one of them is not known."""
    known = [*amounts]
    return None if None in known else sum(filter(None, known), Decimal())


def _less(now: str, then: str | Decimal | None) -> Decimal | None:
    return None if then is None else Decimal(now) - Decimal(then)


@dataclass(frozen=True, slots=True)
class Months:
    """`answer` says at which point; `earlier` is the first month of the page behind, None: there is
    none. `closable` and `reopenable` are the months to which that can be done next; `latest` is the
    last one that is over.
    """

    answer: Mapping[str, Any]
    lines: Sequence[Line]
    earlier: Month | None
    closable: Month | None
    reopenable: Month | None
    names: Mapping[str, str]
    latest: Month

    @property
    def is_altered(self) -> bool:
        return any(line.is_altered for line in self.lines)

    @property
    def reopenable_day(self) -> date | None:
        return self.reopenable and self.reopenable.last_day


@router.get("/periods")
async def periods(visit: VisitDep) -> Response:
    return await _page(visit, Typed())


@router.get("/periods.{kind}")
async def exported(kind: str, visit: VisitDep) -> Response:
    found, say = await _months(visit), gettext(visit.language)
    columns = [
        Column(say("Month"), "text"),
        Column(say("State"), "text"),
        Column(say("Closed by"), "text"),
        Column(say("Closed at"), "text"),
        Column(say("At the closing"), "money"),
        Column(say("Now"), "money"),
        Column(say("Difference"), "money"),
    ]
    rows = [
        (
            line.name,
            say(line.state),
            found.names.get(line.closing["actor"], line.closing["actor"]) if line.closing else "",
            line.closing["recorded_at"] if line.closing else None,
            line.at_closing,
            line.active_now,
            None if line.difference is None else str(line.difference),
        )
        for line in found.lines
    ]
    currency = found.lines[0].currency if found.lines else visit.service.settings.currency
    return sheet(visit, kind, Sheet("periods", columns, rows, found.answer, currency))


@router.post("/periods/closing")
async def closed(visit: VisitDep) -> Response:
    form = await read_own_form(visit)
    return await _recorded(visit, "closing", form, {})


@router.post("/periods/reopening")
async def reopened(visit: VisitDep) -> Response:
    form = await read_own_form(visit)
    return await _recorded(visit, "reopening", form, {"reason": form.get("reason", "")})


@router.get("/periods/{name}")
async def period(name: str, visit: VisitDep) -> Response:
    """One month by manager."""
    month = month_of(name)
    if month is None:
        raise NotFound("period", name)
    found, people = await gather(_months(visit, month), visit.ask("/managers", limit=1_000))
    if not found.lines or found.lines[0].month != month:
        raise NotFound("period", name)
    (line,) = found.lines
    now = {one["manager_id"]: one["active"] for one in line.now["managers"]} if line.now else {}
    managers = [
        (one, then, Decimal(value), _less(value, then))
        for one in people["managers"]
        if (who := one["manager_id"]) in line.then or who in now
        for then, value in [(line.then.get(who, Decimal()), now.get(who, "0"))]
    ]
    managers.sort(key=lambda row: row[2], reverse=True)
    return show(
        visit,
        "period.html",
        found=found,
        line=line,
        managers=managers,
        total_then=_sum(then for _, then, _, _ in managers),
        total_now=_sum(now for _, _, now, _ in managers),
        total_difference=_sum(more for *_, more in managers),
        alarm=NOT_WHAT_WAS_CERTIFIED[visit.language],
        instant=partial(local, visit),
    )


async def _recorded(
    visit: Visit, what: str, form: Mapping[str, str], body: Mapping[str, str]
) -> Response:
    try:
        month = month_of(form.get("period", ""))
        path = f"/periods/{month or form.get('period', '') or '-'}/{what}"
        position = await record(visit, form, path, body)
    except Exception as error:  # noqa: BLE001 - what is no refusal is raised again
        return await _page(visit, typed(visit, what, form, error, ("reason",)))
    point = {"as_of": None, "known_at": None, "recorded": f"month-{what}-{position}"}
    return RedirectResponse(visit.link("/periods", **point), 303)


@router.post("/periods/backdating")
async def limited(visit: VisitDep) -> Response:
    """How far back managers may date what they record."""
    form = await read_own_form(visit)
    days = form.get("working_days", "").strip()
    body = {"working_days": count(days) if days else None, "reason": form.get("reason", "")}
    try:
        position = await record(visit, form, "/rules/backdating", body)
    except Exception as error:  # noqa: BLE001 - what is no refusal is raised again
        return await _page(visit, typed(visit, "backdating", form, error, tuple(body)))
    return RedirectResponse(visit.link("/periods", recorded=f"backdating-{position}"), 303)


async def _page(visit: Visit, given: Typed) -> Response:
    known = {"known_at": visit.asked.get("known_at")}
    found, rules = await gather(_months(visit), visit.ask("/rules", **known))
    page = show(
        visit,
        "periods.html",
        found=found,
        days_back=rules["backdating"]["working_days"],
        typed=given,
        alarm=NOT_WHAT_WAS_CERTIFIED[visit.language],
        instant=partial(local, visit),
    )
    page.status_code = given.status
    return page


async def _months(visit: Visit, last: Month | None = None) -> Months:
    """The months up to `last`, or the one that the address asks for, or this one."""
    known_at = visit.asked.get("known_at")
    answer = await visit.ask("/periods", known_at=known_at, limit=1_000)
    told = {Month.parse(one["period"]): one for one in answer["periods"]}
    current = Month(visit.today.year, visit.today.month)
    shut = sorted(month for month, one in told.items() if one["status"] == "closed")
    end = min(last or month_of(visit.asked.get("up_to", "")) or current, current)
    first = min([*told, _before(current, SHOWN - 1)])
    months = [*takewhile(lambda month: month >= first, (_before(end, n) for n in range(SHOWN)))]
    lines = await gather(
        *(_line(visit, month, told.get(month)) for month in months[: 1 if last else None])
    )
    behind = _before(months[-1], 1) if months else first
    closable = _before(shut[-1], -1) if shut else _before(current, 1)
    names = await called(
        visit,
        {one["actor"] for line in lines for one in (line.closing, line.opening) if one is not None},
    )
    return Months(
        answer,
        lines,
        behind if behind >= first else None,
        closable if closable < current and not known_at else None,
        shut[-1] if shut and not known_at else None,
        names,
        _before(current, 1),
    )


async def _line(visit: Visit, month: Month, told: Mapping[str, Any] | None) -> Line:
    closing, opening = told, None
    if told is not None and told["status"] == "reopened":
        before = await visit.ask("/periods", position=told["position"] - 1, limit=1_000)
        closing = next(one for one in before["periods"] if one["period"] == str(month))
        opening = told
    is_over, now = month.last_day < visit.today, None
    if visit.may(Task.SEE):
        answer = await visit.ask(
            "/portfolios",
            as_of=min(month.last_day, visit.today),
            known_at=visit.asked.get("known_at"),
        )
        now = answer["currencies"][0]
    currency = str(now["currency"]) if now else visit.service.settings.currency
    return Line(month, closing, opening, now, currency, is_over)


def month_of(text: str) -> Month | None:
    """Of an address; None for what is no month."""
    try:
        month = Month.parse(text)
    except ValueError:
        return None
    return month if str(month) == text and 2000 <= month.year <= 2100 else None


def _before(month: Month, number: int) -> Month:
    """So many months before; after, where it is negative."""
    place = month.year * 12 + month.month - 1 - number
    return Month(place // 12, place % 12 + 1)


def local(visit: Visit, text: str) -> datetime:
    return datetime.fromisoformat(text).astimezone(visit.service.settings.zone)
