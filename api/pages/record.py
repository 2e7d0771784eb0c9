"""Record an action: on which deal, what, when, by whom; what it will add is shown before."""

from asyncio import gather
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from decimal import Decimal, InvalidOperation
from typing import Any
from uuid import UUID

from fastapi import APIRouter, Response
from fastapi.responses import RedirectResponse

from api.pages.foreseen import (
    Holders,
    Preview,
    Told,
    Typed,
    day_of,
    foresee,
    holders,
    is_id,
    key_for,
    key_of,
    since,
    told,
    version_of,
    version_shown,
)
from api.pages.forms import plain_number, read_own_form
from api.pages.frame import Page, show
from api.pages.visit import Visit, VisitDep
from api.problems import Problem
from domain.access import Reach, Task
from domain.errors import NotFound
from domain.values import DealId

router = APIRouter(route_class=Page, include_in_schema=False)

FIELDS = (
    "deal_id", "action_type", "effective_on", "manager_id", "evidence", "comment",
    "with_1", "weight_1", "with_2", "weight_2",
)  # fmt: skip
LISTED = 1_000
"""Deals to choose from; any other is reached from its own page."""
_UNSAID = "-"
"""Stands for what is not typed yet and changes no figure."""


@dataclass(frozen=True, slots=True)
class Kind:
    """A type to choose: `why_not` is a msgid, empty for one that may be recorded."""

    code: str
    title: str
    weight: str | None
    most: int | None
    done: int
    needs_evidence: bool
    needs_confirmation: bool
    why_not: str


@router.get("/record")
@router.get("/record/preview")
async def form(visit: VisitDep) -> Response:
    return await _page(visit, visit.asked)


@router.post("/record/preview")
async def previewed(visit: VisitDep) -> Response:
    """The form again with its preview; or to a script, what of it depends on what was typed."""
    typed = await read_own_form(visit)
    return await _page(visit, typed, fragment=typed.get("fragment") == "1")


@router.post("/record")
async def recorded(visit: VisitDep) -> Response:
    typed = await read_own_form(visit)
    key = key_of(typed)
    try:
        path, body = await _command(visit, typed)
        answer = await visit.command(path, body, key, version_of(typed))
    except Exception as error:  # noqa: BLE001 - `told` raises again what is no refusal
        return await _page(visit, typed, told(visit, error, FIELDS))
    point = {"as_of": None, "known_at": None, "recorded": f"actions-{answer.position}"}
    return RedirectResponse(visit.link(f"/deals/{typed['deal_id']}", **point), 303)


async def _command(visit: Visit, typed: Typed) -> tuple[str, dict[str, Any]]:
    """Address and body. Raises Problem for what is not chosen."""
    missing = [name for name in ("action_type", "manager_id") if not typed.get(name)]
    if not is_id(typed.get("deal_id", "")):
        missing.append("deal_id")
    if missing:
        raise Problem("validation", errors=tuple((name, "missing", {}) for name in missing))
    body: dict[str, Any] = {
        name: typed[name].strip()
        for name in ("action_type", "effective_on", "evidence", "comment")
        if typed.get(name, "").strip()
    }
    doer = typed["manager_id"]
    shared = [
        {"manager_id": typed[f"with_{number}"], "weight": plain_number(typed[f"weight_{number}"])}
        for number in (1, 2)
        if typed.get(f"with_{number}") and typed.get(f"weight_{number}") is not None
    ]
    if shared:
        rest = await _rest(visit, typed, [one["weight"] for one in shared])
        body["credits"] = [{"manager_id": doer, "weight": rest}, *shared]
    else:
        body["manager_id"] = doer
    return f"/deals/{typed['deal_id']}/actions", body


async def _rest(visit: Visit, typed: Typed, shares: Sequence[str]) -> str:
    """What the catalogue's weight leaves to whoever shares it; all of it beside what is no weight,
    for which the command will be refused.
    """
    day = day_of(visit, typed.get("effective_on", ""))
    kinds = await visit.ask("/action-types", as_of=day, limit=1_000)
    weight = next(
        (one["weight"] for one in kinds["action_types"] if one["code"] == typed["action_type"]),
        None,
    )
    try:
        return str(Decimal(weight or "1") - sum(Decimal(share) for share in shares))
    except InvalidOperation:
        return str(weight or "1")


async def _page(
    visit: Visit, given: Typed, refused: Told | None = None, *, fragment: bool = False
) -> Response:
    """`given` is what was typed up to now, of which nothing is lost."""
    reach = visit.grant.reach(Task.RECORD)
    typed = {name: given.get(name, "") for name in FIELDS}
    typed["effective_on"] = given.get("day") or typed["effective_on"] or str(visit.today)
    day = day_of(visit, typed["effective_on"])
    deals, catalogue, those, deal = await gather(
        visit.ask("/deals", status="open", limit=LISTED),
        visit.ask("/action-types", as_of=day, limit=1_000),
        holders(visit),
        _deal(visit, typed["deal_id"]),
    )
    doers = those.recorded_for(visit.grant)
    typed["manager_id"] = typed["manager_id"] or _likely(visit, deal, doers)
    kinds = _kinds(visit, catalogue["action_types"], deal)
    preview, why_none = await _preview(visit, typed, those)
    page = show(
        visit,
        "record_fragment.html" if fragment else "record.html",
        typed=typed,
        deals=_choices(deals["deals"], deal),
        deal=deal,
        kinds=kinds,
        day=day,
        doers=doers,
        people=those,
        may_share=reach is not Reach.OWN,
        days=_days(visit.today),
        preview=preview,
        why_none=why_none,
        refused=refused,
        version=version_shown(given, deal, fragment=fragment),
        since=await since(visit, typed["deal_id"], given, refused),
        faults=refused.faults if refused else {},
        key=key_for(given, refused),
    )
    page.status_code = refused.status if refused else 200
    return page


async def _deal(visit: Visit, deal_id: str) -> Mapping[str, Any] | None:
    """None for one that there is not, for the visitor."""
    if not is_id(deal_id):
        return None
    try:
        return dict(await visit.ask(f"/deals/{deal_id}"))
    except NotFound:
        return None


def _choices(
    deals: Sequence[Mapping[str, Any]], chosen: Mapping[str, Any] | None
) -> Sequence[Mapping[str, Any]]:
    """By name; with the chosen one, which may be of another status."""
    extra = [chosen] if chosen and all(d["deal_id"] != chosen["deal_id"] for d in deals) else []
    return sorted([*deals, *extra], key=lambda deal: str(deal["title"]).casefold())


def _kinds(
    visit: Visit, types: Sequence[Mapping[str, Any]], deal: Mapping[str, Any] | None
) -> Sequence[Kind]:
    """In the order of the catalogue, setbacks last, then those that cannot be recorded."""
    done = Counter(
        action["action_type"]
        for action in (deal["actions"] if deal else ())
        if action["state"] in ("counted", "claimed")
    )
    kinds = [
        Kind(
            one["code"],
            one["title"][visit.language],
            one["weight"],
            one["max_per_deal"],
            done[one["code"]],
            one["evidence_required"],
            one["needs_confirmation"],
            _why_not(one, deal, done[one["code"]]),
        )
        for one in types
    ]
    return sorted(kinds, key=lambda kind: (bool(kind.why_not), (kind.weight or "")[:1] == "-"))


def _why_not(kind: Mapping[str, Any], deal: Mapping[str, Any] | None, done: int) -> str:
    """A msgid."""
    if kind["weight"] is None:
        return "not in force on this date"
    if deal is not None and deal["status"] != "open":
        return "the deal is not open"
    if kind["max_per_deal"] is not None and done >= kind["max_per_deal"]:
        return "the limit is reached"
    return ""


def _likely(visit: Visit, deal: Mapping[str, Any] | None, doers: Sequence[tuple[str, str]]) -> str:
    """Who it was unless somebody else is chosen: the visitor, or the deal's owner."""
    known = {who for who, _ in doers}
    likely = (visit.grant.manager_id, deal["owner"] if deal else None)
    return next((who for who in likely if who in known), "") or ""


def _days(today: date) -> Sequence[tuple[str, date]]:
    """Msgid and day: today, yesterday, and the last Friday before them."""
    yesterday = today - timedelta(days=1)
    friday = yesterday - timedelta(days=((yesterday.weekday() - 4) % 7 or 7))
    return [("today", today), ("yesterday", yesterday), ("Friday", friday)]


async def _preview(
    visit: Visit, typed: Typed, those: Holders
) -> tuple[Preview | None, Told | None]:
    """Or what is to be said instead; nothing while something is still to be chosen."""
    if not (typed["deal_id"] and typed["action_type"] and typed["manager_id"]):
        return None, None
    unsaid = {"evidence": _UNSAID} if not typed["evidence"].strip() else {}
    try:
        path, body = await _command(visit, {**typed, **unsaid})
        return await foresee(visit, path, body, DealId(UUID(typed["deal_id"])), those), None
    except Exception as error:  # noqa: BLE001 - `told` raises again what is no refusal
        return None, told(visit, error, FIELDS)
