"""The log: every event as it is stored, when it held and when it was recorded, the late ones first
to be seen.
"""

import json
from asyncio import gather
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

from fastapi import APIRouter, Response

from api.pages.frame import Page, gettext, show
from api.pages.people import called
from api.pages.periods import local
from api.pages.sheets import Column, Sheet, sheet
from api.pages.visit import Visit, VisitDep
from api.problems import Problem
from domain.events import EVENT_TYPES

router = APIRouter(route_class=Page, include_in_schema=False)

SHOWN = 100
WINDOW = 1_000
"""Events that are asked for at once when only some are wanted."""
WINDOWS = 5
"""So many are looked through for one page; from there the reader goes on."""
LATE_DAYS = 7
"""An entry recorded more than so many days after its date is late."""
TYPES: Mapping[str, str] = {
    "DealOpened": "Deal opened",
    "ActionPerformed": "Action performed",
    "ActionConfirmed": "Action confirmed",
    "ActionRejected": "Action rejected",
    "WeightChanged": "Weight of an action changed",
    "ActionWithdrawn": "Action withdrawn",
    "PotentialCheckRevised": "Check revised",
    "ExpectedCloseRevised": "Expected close revised",
    "DealHandedOver": "Deal handed over",
    "DealSuspended": "Deal suspended",
    "DealResumed": "Deal resumed",
    "DealWon": "Deal won",
    "DealLost": "Deal lost",
    "DealReopened": "Deal reopened",
    "ActionTypeDefined": "Action type defined",
    "ActionTypeWeightChanged": "Weight in the catalogue changed",
    "ActionTypeRetired": "Action type retired",
    "TeamCreated": "Team created",
    "ManagerRegistered": "Manager registered",
    "ManagerTeamChanged": "Manager changed teams",
    "PeriodClosed": "Month closed",
    "PeriodReopened": "Month reopened",
    "RoleGranted": "Role granted",
    "RoleRevoked": "Account closed",
    "KeyIssued": "Key issued",
    "KeyRevoked": "Key revoked",
    "SignInSet": "Way of signing in set",
    "BackdatingLimitSet": "Limit of backdating set",
    "PersonForgotten": "Person forgotten",
    "TargetSet": "Target set",
    "TargetWithdrawn": "Target withdrawn",
}
"""What each type of event is called, as a msgid."""


@dataclass(frozen=True, slots=True)
class Entry:
    """`late` in days, 0 for a prompt one; `stored` is the event as the answer has it."""

    event: Mapping[str, Any]
    recorded_at: datetime
    effective_on: date | None
    late: int
    subject: str
    stored: str

    @property
    def position(self) -> int:
        return int(self.event["position"])


@dataclass(frozen=True, slots=True)
class Found:
    """Latest first. `newer` and `older` are positions to read on from; None: there is nothing."""

    entries: Sequence[Entry]
    newer: int | None
    older: int | None
    last: int
    names: Mapping[str, str]
    titles: Mapping[str, str]


@router.get("/log")
async def log(visit: VisitDep) -> Response:
    found = await _found(visit)
    types = sorted(TYPES, key=lambda name: gettext(visit.language)(TYPES[name]))
    return show(visit, "log.html", found=found, types=types, called=TYPES)


@router.get("/log.{kind}")
async def exported(kind: str, visit: VisitDep) -> Response:
    """The page as it is shown."""
    found, say = await _found(visit), gettext(visit.language)
    columns = [
        Column(say("Position"), "count"),
        Column(say("Event"), "text"),
        Column(say("About"), "text"),
        Column(say("When it was"), "date"),
        Column(say("When it was recorded"), "text"),
        Column(say("Days late"), "count"),
        Column(say("Who"), "text"),
        Column(say("As stored"), "text"),
    ]
    rows = [
        (
            one.position,
            one.event["type"],
            one.event.get("deal_id") or one.subject,
            one.event.get("effective_on"),
            one.event["recorded_at"],
            one.late,
            one.event["actor"],
            one.stored,
        )
        for one in found.entries
    ]
    point = {
        "as_of": str(visit.today),
        "known_at": str(visit.service.clock.now),
        "position": found.last,
    }
    return sheet(visit, kind, Sheet("log", columns, rows, point, visit.service.settings.currency))


async def _found(visit: Visit) -> Found:
    deal_id = visit.asked.get("deal_id", "").strip()
    point = await visit.ask("/periods", limit=1)
    last = int(point["position"])
    if deal_id:
        events, newer, older = await _of_deal(visit, deal_id, last)
    else:
        events, newer, older = await _of_all(visit, last)
    names, deals = await gather(
        called(visit, {one["actor"] for one in events}), visit.ask("/deals", limit=1_000)
    )
    titles = {one["deal_id"]: one["title"] for one in deals["deals"]}
    return Found([_entry(visit, one) for one in events], newer, older, last, names, titles)


Events = tuple[list[dict[str, Any]], int | None, int | None]


async def _of_all(visit: Visit, last: int) -> Events:
    """Forwards from `after`; or backwards from `before`, from the end where it is left out."""
    after, before = _position(visit, "after"), _position(visit, "before")
    if after is not None:
        return await _forwards(visit, after, last)
    return await _backwards(visit, last + 1 if before is None else min(before, last + 1), last)


async def _forwards(visit: Visit, after: int, last: int) -> Events:
    wanted, size, at = _wanted(visit), _window(visit), after
    found: list[dict[str, Any]] = []
    for _ in range(WINDOWS):
        if at >= last or len(found) == SHOWN:
            break
        events = (await visit.ask("/events", after=at, limit=size))["events"]
        chosen = [one for one in events if wanted(one)][: SHOWN - len(found)]
        found += chosen
        at = found[-1]["position"] if len(found) == SHOWN else events[-1]["position"]
    return found[::-1], (at if at < last else None), (after + 1 if after > 0 else None)


async def _backwards(visit: Visit, end: int, last: int) -> Events:
    wanted, size, first = _wanted(visit), _window(visit), end
    found: list[dict[str, Any]] = []
    for _ in range(WINDOWS):
        if first <= 1 or len(found) == SHOWN:
            break
        start = max(0, first - 1 - size)
        events = (await visit.ask("/events", after=start, limit=first - 1 - start))["events"]
        chosen = [one for one in reversed(events) if wanted(one)][: SHOWN - len(found)]
        found += chosen
        first = found[-1]["position"] if len(found) == SHOWN else start + 1
    return found, (end - 1 if end <= last else None), (first if first > 1 else None)


def _window(visit: Visit) -> int:
    return WINDOW if visit.asked.get("type") or visit.asked.get("late") else SHOWN


async def _of_deal(visit: Visit, deal_id: str, last: int) -> Events:
    """By what the deal's history says stands where in the log."""
    told = await visit.ask(f"/deals/{deal_id}/events")
    after, before = _position(visit, "after") or 0, _position(visit, "before") or last + 1
    positions = [one["position"] for one in told["events"]]
    inside = [position for position in positions if after < position < before]
    picked = inside[:SHOWN] if "after" in visit.asked else inside[-SHOWN:]
    pages = await gather(
        *(visit.ask("/events", after=position - 1, limit=1) for position in picked)
    )
    wanted = _wanted(visit)
    events = [one for page in pages for one in page["events"] if wanted(one)]
    if not picked:
        return [], None, None
    return (
        events[::-1],
        picked[-1] if positions[-1] > picked[-1] else None,
        picked[0] if positions[0] < picked[0] else None,
    )


def _wanted(visit: Visit) -> Callable[[Mapping[str, Any]], bool]:
    """Raises Problem for a type that there is not."""
    kind, late = visit.asked.get("type"), visit.asked.get("late") == "1"
    if kind and kind not in EVENT_TYPES:
        raise Problem("validation", errors=(("type", "illegible", {}),))
    return lambda one: (not kind or one["type"] == kind) and (not late or _late(visit, one) > 0)


def _position(visit: Visit, name: str) -> int | None:
    """Raises Problem."""
    text = visit.asked.get(name, "").strip()
    if not text:
        return None
    if not (text.isascii() and text.isdecimal() and len(text) < 18):
        raise Problem("validation", errors=((name, "position", {}),))
    return int(text)


def _late(visit: Visit, event: Mapping[str, Any]) -> int:
    """Days, past LATE_DAYS; a confirmation holds from its action's date and is never late."""
    if "effective_on" not in event or event["type"] == "ActionConfirmed":
        return 0
    recorded = local(visit, event["recorded_at"]).date()
    days = (recorded - date.fromisoformat(event["effective_on"])).days
    return days if days > LATE_DAYS else 0


def _entry(visit: Visit, event: Mapping[str, Any]) -> Entry:
    on, data = event.get("effective_on"), event["data"]
    subject = next(
        (
            str(data[name])
            for name in ("period", "code", "name", "manager_id", "account_id", "team_id")
            if data.get(name)
        ),
        "",
    )
    return Entry(
        event,
        local(visit, event["recorded_at"]),
        date.fromisoformat(on) if on else None,
        _late(visit, event),
        subject,
        json.dumps(event, ensure_ascii=False, indent=2),
    )
