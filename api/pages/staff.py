"""Teams and who is in them on a day; managers are registered, teams made, people moved."""

from asyncio import gather
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

from fastapi import APIRouter, Response
from fastapi.responses import RedirectResponse

from api.pages.forms import Typed, read_own_form, record, typed
from api.pages.frame import Page, gettext, show
from api.pages.people import People
from api.pages.sheets import Column, Sheet, sheet
from api.pages.visit import Visit, VisitDep, parsed_day
from api.problems import Problem
from domain.access import Task

router = APIRouter(route_class=Page, include_in_schema=False)

LISTED = 1_000


class Members(NamedTuple):
    """`team_id` None: whoever is in no team. Ids of managers, by their names."""

    team_id: str | None
    name: str
    managers: Sequence[str]


class Found(NamedTuple):
    """`answer` says at which point; `people` are those of then."""

    answer: Mapping[str, Any]
    teams: Sequence[Members]
    people: People


@router.get("/people")
async def people(visit: VisitDep) -> Response:
    return await _page(visit, Typed())


@router.get("/people.{kind}")
async def exported(kind: str, visit: VisitDep) -> Response:
    found, say = await _found(visit), gettext(visit.language)
    called = found.people.name
    columns = [Column(say(one), "text") for one in ("Team", "Manager", "Id")]
    rows = [(team.name, called(who), who) for team in found.teams for who in team.managers]
    return sheet(visit, kind, Sheet("people", columns, rows, found.answer, ""))


@router.post("/people/{name}")
async def recorded(name: str, visit: VisitDep) -> Response:
    form = await read_own_form(visit)
    if name not in FORMS:
        raise Problem("not-found", what="address")
    what, command = FORMS[name]
    try:
        path, body = command(form)
        position = await record(visit, form, path, body)
    except Exception as error:  # noqa: BLE001 - what is no refusal is raised again
        return await _page(visit, typed(visit, name, form, error, FIELDS))
    return RedirectResponse(visit.link("/people", recorded=f"{what}-{position}"), 303)


Form = Mapping[str, str]
Command = tuple[str, Mapping[str, str]]
"""Address in /v1 and body."""


def _registering(form: Form) -> Command:
    return "/managers", _said(form, "name", "manager_id", "team_id")


def _making(form: Form) -> Command:
    return "/teams", _said(form, "name")


def _moving(form: Form) -> Command:
    """Raises Problem where nobody is chosen."""
    if not form.get("manager_id"):
        raise Problem("validation", errors=(("manager_id", "missing", {}),))
    return f"/managers/{form['manager_id']}/team-changes", _said(form, "team_id", "effective_on")


def _said(form: Form, *names: str) -> dict[str, str]:
    """What is left empty is left out."""
    return {name: said for name in names if (said := form.get(name, "").strip())}


FIELDS = ("name", "manager_id", "team_id", "effective_on")
FORMS: Mapping[str, tuple[str, Callable[[Form], Command]]] = {
    "manager": ("managers", _registering),
    "team": ("teams", _making),
    "move": ("team-changes", _moving),
}
"""Of each form the word that is said when it is recorded, and what it comes to."""


async def _page(visit: Visit, given: Typed) -> Response:
    found = await _found(visit)
    now = found if _is_now(visit) else await _found(visit, now=True)
    page = show(
        visit,
        "people.html",
        found=found,
        as_of=parsed_day(visit.asked.get("as_of"), visit.today),
        typed=given,
        may_staff=visit.may(Task.STAFF),
        everybody=sorted(now.people.names.items(), key=lambda one: one[1]),
        teams=[(team.team_id, team.name) for team in now.teams if team.team_id],
    )
    page.status_code = given.status
    return page


def _is_now(visit: Visit) -> bool:
    return not (visit.asked.get("as_of") or visit.asked.get("known_at"))


async def _found(visit: Visit, *, now: bool = False) -> Found:
    point = {} if now else {name: visit.asked.get(name) for name in ("as_of", "known_at")}
    teams, managers = await gather(
        visit.ask("/teams", limit=LISTED, **point), visit.ask("/managers", limit=LISTED, **point)
    )
    called = People.of(managers["managers"])
    lines = [
        Members(one["team_id"], one["name"], sorted(one["members"], key=called.name))
        for one in sorted(teams["teams"], key=lambda team: str(team["name"]))
    ]
    alone = [one["manager_id"] for one in managers["managers"] if one["team_id"] is None]
    if alone:
        nobodys = gettext(visit.language)("In no team")
        lines.append(Members(None, nobodys, sorted(alone, key=called.name)))
    return Found(teams, lines, called)
