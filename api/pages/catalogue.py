"""The catalogue: what each action weighs, since when, and under which conditions."""

from asyncio import gather
from collections.abc import Mapping, Sequence
from datetime import date
from typing import Any

from fastapi import APIRouter, Response
from fastapi.responses import RedirectResponse

from api.pages.forms import Typed, count, plain_number, read_own_form, record, typed
from api.pages.frame import Page, gettext, show
from api.pages.sheets import Column, Sheet, sheet
from api.pages.visit import Visit, VisitDep, parsed_day
from domain.access import Task
from domain.errors import NotFound

router = APIRouter(route_class=Page, include_in_schema=False)

_WEIGHT = ("weight", "effective_from", "reason")
_RETIREMENT = ("effective_from",)
_NEW = ("code", "title.ru", "title.en", "weight", "effective_from", "max_per_deal")


@router.get("/catalogue")
async def catalogue(visit: VisitDep) -> Response:
    found = await _types(visit)
    types = sorted(found["action_types"], key=lambda one: one["weight"] is None)
    return show(visit, "catalogue.html", found=found, types=types, as_of=_day(visit))


@router.get("/catalogue.{kind}")
async def exported(kind: str, visit: VisitDep) -> Response:
    """A row for each weight that there ever was."""
    found, say = await _types(visit), gettext(visit.language)
    columns = [
        Column(say("Code"), "text"),
        Column(say("Action type"), "text"),
        Column(f"{say('Weight')}, %", "percent"),
        Column(say("In force from"), "date"),
        Column(say("At most per deal"), "count"),
        Column(say("Needs evidence"), "text"),
        Column(say("Needs confirmation"), "text"),
        Column(say("Retired from"), "date"),
    ]
    says = {True: say("yes"), False: say("no")}
    rows = [
        (
            one["code"],
            one["title"][visit.language],
            dated["weight"],
            dated["effective_from"],
            one["max_per_deal"],
            says[one["evidence_required"]],
            says[one["needs_confirmation"]],
            one["retired_from"],
        )
        for one in found["action_types"]
        for dated in one["weights"]
    ]
    return sheet(visit, kind, Sheet("catalogue", columns, rows, found, "%"))


@router.get("/catalogue/new")
async def new(visit: VisitDep) -> Response:
    visit.grant.reach(Task.REGULATE)
    return _new_page(visit, Typed())


@router.post("/catalogue/new")
async def defined(visit: VisitDep) -> Response:
    form = await read_own_form(visit)
    body: dict[str, object] = {
        "code": form.get("code", "").strip(),
        "title": {"ru": form.get("title.ru", ""), "en": form.get("title.en", "")},
        "weight": plain_number(form.get("weight", "")),
        "effective_from": form.get("effective_from", ""),
        "evidence_required": "evidence_required" in form,
        "needs_confirmation": "needs_confirmation" in form,
    }
    if most := form.get("max_per_deal", "").strip():
        body["max_per_deal"] = count(most)
    try:
        position = await record(visit, form, "/action-types", body)
    except Exception as error:  # noqa: BLE001 - what is no refusal is raised again
        return _new_page(visit, typed(visit, "new", form, error, _NEW))
    return _to(visit, f"/catalogue/types/{body['code']}", "action-types", position)


@router.get("/catalogue/types/{code}")
async def action_type(code: str, visit: VisitDep) -> Response:
    return await _type_page(visit, code, Typed())


@router.post("/catalogue/types/{code}/weight")
async def weight_changed(code: str, visit: VisitDep) -> Response:
    form = await read_own_form(visit)
    body = {
        "weight": plain_number(form.get("weight", "")),
        "effective_from": form.get("effective_from", ""),
        "reason": form.get("reason", ""),
    }
    try:
        position = await record(visit, form, f"/action-types/{code}/weights", body)
    except Exception as error:  # noqa: BLE001 - what is no refusal is raised again
        return await _type_page(visit, code, typed(visit, "weight", form, error, _WEIGHT))
    return _to(visit, f"/catalogue/types/{code}", "weights", position)


@router.post("/catalogue/types/{code}/retirement")
async def retired(code: str, visit: VisitDep) -> Response:
    form = await read_own_form(visit)
    body = {"effective_from": form.get("effective_from", "")}
    try:
        position = await record(visit, form, f"/action-types/{code}/retirement", body)
    except Exception as error:  # noqa: BLE001 - what is no refusal is raised again
        return await _type_page(visit, code, typed(visit, "retirement", form, error, _RETIREMENT))
    return _to(visit, f"/catalogue/types/{code}", "retirement", position)


def _to(visit: Visit, path: str, what: str, position: int) -> Response:
    return RedirectResponse(visit.link(path, recorded=f"{what}-{position}"), 303)


def _new_page(visit: Visit, given: Typed) -> Response:
    page = show(visit, "catalogue_new.html", typed=given)
    page.status_code = given.status
    return page


async def _type_page(visit: Visit, code: str, given: Typed) -> Response:
    found, now = await gather(_types(visit), visit.ask("/action-types", limit=1_000))
    known = {one["code"]: one for one in found["action_types"]}
    if code not in known:
        raise NotFound("action-type", code)
    latest = {one["code"]: one for one in now["action_types"]}[code]
    page = show(
        visit,
        "catalogue_type.html",
        found=found,
        one=known[code],
        latest=latest,
        history=_history(known[code]),
        as_of=_day(visit),
        typed=given,
    )
    page.status_code = given.status
    return page


def _history(one: Mapping[str, Any]) -> Sequence[Mapping[str, Any]]:
    """The weights, latest first, each with the day on which the next begins; None: none does."""
    weights = sorted(one["weights"], key=lambda dated: str(dated["effective_from"]))
    ends = [str(dated["effective_from"]) for dated in weights[1:]] + [one["retired_from"]]
    return [
        {
            "weight": dated["weight"],
            "first": date.fromisoformat(dated["effective_from"]),
            "next": date.fromisoformat(end) if end else None,
        }
        for dated, end in zip(weights, ends, strict=True)
    ][::-1]


def _day(visit: Visit) -> date:
    return parsed_day(visit.asked.get("as_of"), visit.today)


async def _types(visit: Visit) -> Any:  # noqa: ANN401 - JSON
    point = {name: visit.asked.get(name) for name in ("as_of", "known_at")}
    return await visit.ask("/action-types", limit=1_000, **point)
