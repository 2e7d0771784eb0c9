"""The other commands on a deal, each with its preview; and the claims that wait for a head.

One table says which fields each command has; one page shows any of them. A command is named by the
last part of its address in /v1.
"""

from asyncio import gather
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any
from uuid import UUID

from fastapi import APIRouter, Response
from fastapi.responses import RedirectResponse

from api.pages.foreseen import (
    Holders,
    Preview,
    Told,
    Typed,
    foresee,
    holders,
    is_id,
    key_for,
    key_of,
    since,
    told,
    version_of,
    version_shown,
    written_number,
)
from api.pages.forms import plain_number, read_own_form
from api.pages.frame import Page, show
from api.pages.visit import Visit, VisitDep
from api.problems import Problem
from domain.access import Reach, Task
from domain.errors import Forbidden, Restriction
from domain.values import DealId

router = APIRouter(route_class=Page, include_in_schema=False)

Answer = Mapping[str, Any]
LISTED = 1_000
_UNSAID = "-"
"""Stands for a reason that is not typed yet; it changes no figure."""


@dataclass(frozen=True, slots=True)
class Field:
    """`name` is the form's, `sent` the body's; `now` is what stands there at first, of the deal."""

    name: str
    label: str
    kind: str = "text"
    sent: str = ""
    now: Callable[[Answer, Answer | None], str] | None = None


@dataclass(frozen=True, slots=True)
class Form:
    """`title` and `button` are msgids. `of` are the states of the actions that it is about; empty
    for a command on the deal as a whole.
    """

    title: str
    button: str
    fields: Sequence[Field]
    of: Sequence[str] = ()

    @property
    def shown(self) -> Sequence[str]:
        """Names of the fields beside which the page says what is wrong with them."""
        return [*(field.name for field in self.fields), *(["action_id"] if self.of else [])]


def _day_of_action(_: Answer, action: Answer | None) -> str:
    return str(action["effective_on"]) if action else ""


def _weight(_: Answer, action: Answer | None) -> str:
    return str(action["weight"]) if action else ""


_ON = Field("effective_on", "Holds from", "date")
_ON_ITS_DAY = Field("effective_on", "Holds from", "date", now=_day_of_action)
_REASON = Field("reason", "Reason", "lines")

FORMS: Mapping[str, Form] = {
    "confirmation": Form("Confirm an action", "Confirm", (_ON_ITS_DAY,), ("claimed",)),
    "rejection": Form("Reject a claim", "Reject", (_ON_ITS_DAY, _REASON), ("claimed",)),
    "weight-changes": Form(
        "Change the weight of an action",
        "Change the weight",
        (Field("weight", "New weight, percent", "number", now=_weight), _ON, _REASON),
        ("counted", "claimed"),
    ),
    "withdrawal": Form(
        "Withdraw an action", "Withdraw", (_ON_ITS_DAY, _REASON), ("counted", "claimed")
    ),
    "check-revisions": Form(
        "Revise the check",
        "Revise",
        (
            Field(
                "amount",
                "New potential check",
                "number",
                now=lambda deal, _: str(deal["potential_check"]["amount"]),
            ),
            _ON,
            _REASON,
        ),
    ),
    "expected-close-revisions": Form(
        "Revise the expected close",
        "Revise",
        (
            Field(
                "expected_close_on",
                "Expected to close on",
                "future",
                now=lambda deal, _: str(deal["expected_close_on"] or ""),
            ),
            _ON,
        ),
    ),
    "handovers": Form(
        "Hand the deal over",
        "Hand over",
        (
            Field("manager_id", "To whom", "manager", "to_manager_id"),
            Field("transfer_credit", "Its credit", "credit", now=lambda *_: "false"),
            _ON,
            _REASON,
        ),
    ),
    "suspension": Form(
        "Suspend the deal",
        "Suspend",
        (_ON, Field("review_on", "Look at it again on", "future"), _REASON),
    ),
    "resumption": Form("Resume the deal", "Resume", (_ON,)),
    "win": Form(
        "The deal is won: the contract is signed",
        "Record the win",
        (
            Field(
                "contract_amount",
                "Sum of the contract",
                "number",
                now=lambda deal, _: str(deal["potential_check"]["amount"]),
            ),
            _ON,
        ),
    ),
    "loss": Form("The deal is lost", "Record the loss", (_ON, _REASON)),
    "reopening": Form("Open the deal again", "Reopen", (_ON, _REASON)),
}


@router.get("/deals/{deal_id}/commands/{name}")
@router.get("/deals/{deal_id}/commands/{name}/preview")
async def form(deal_id: str, name: str, visit: VisitDep) -> Response:
    return await _page(visit, deal_id, name, visit.asked)


@router.post("/deals/{deal_id}/commands/{name}/preview")
async def previewed(deal_id: str, name: str, visit: VisitDep) -> Response:
    typed = await read_own_form(visit)
    return await _page(visit, deal_id, name, typed, fragment=typed.get("fragment") == "1")


@router.post("/deals/{deal_id}/commands/{name}")
async def recorded(deal_id: str, name: str, visit: VisitDep) -> Response:
    typed = await read_own_form(visit)
    made, key = _form(deal_id, name), key_of(typed)
    try:
        path, body = _path(deal_id, name, made, typed), _body(made, typed)
        answer = await visit.command(path, body, key, version_of(typed))
    except Exception as error:  # noqa: BLE001 - `told` raises again what is no refusal
        refused = told(visit, error, made.shown)
        return await _page(visit, deal_id, name, typed, refused)
    point = {"as_of": None, "known_at": None, "recorded": f"{name}-{answer.position}"}
    back = "/confirmations" if typed.get("back") == "confirmations" else f"/deals/{deal_id}"
    return RedirectResponse(visit.link(back, **point), 303)


def _form(deal_id: str, name: str) -> Form:
    """Raises Problem for what there is not."""
    if name not in FORMS or not is_id(deal_id):
        raise Problem("not-found", what="address")
    return FORMS[name]


def _path(deal_id: str, name: str, made: Form, typed: Typed) -> str:
    """Raises Problem where no action is chosen."""
    if not made.of:
        return f"/deals/{deal_id}/{name}"
    action = typed.get("action_id", "")
    if not is_id(action):
        raise Problem("validation", errors=(("action_id", "missing", {}),))
    return f"/deals/{deal_id}/actions/{action}/{name}"


def _body(made: Form, typed: Typed) -> dict[str, Any]:
    """What is left empty is left out."""
    body: dict[str, Any] = {}
    for field in made.fields:
        text = typed.get(field.name, "").strip()
        if text:
            body[field.sent or field.name] = _said(field, text)
    return body


def _said(field: Field, text: str) -> str | bool:
    match field.kind:
        case "number":
            return plain_number(text)
        case "credit":
            return text == "true"
        case _:
            return text


async def _page(
    visit: Visit,
    deal_id: str,
    name: str,
    given: Typed,
    refused: Told | None = None,
    *,
    fragment: bool = False,
) -> Response:
    made = _form(deal_id, name)
    if visit.grant.reach(Task.JUDGE) is Reach.OWN and name != "withdrawal":
        raise Forbidden(Restriction.NO_OWN_CLAIM)
    deal, catalogue, those = await gather(
        visit.ask(f"/deals/{deal_id}"),
        visit.ask("/action-types", limit=LISTED),
        holders(visit),
    )
    titles = {one["code"]: one["title"][visit.language] for one in catalogue["action_types"]}
    actions = [one for one in deal["actions"] if one["state"] in made.of]
    chosen = next((one for one in actions if one["action_id"] == given.get("action_id")), None)
    typed = {
        field.name: given.get(field.name, _at_first(visit, field, deal, chosen))
        for field in made.fields
    } | {"action_id": given.get("action_id", ""), "back": given.get("back", "")}
    if given.get("day"):
        typed["effective_on"] = given["day"]
    preview, why_none = await _preview(visit, deal_id, name, typed, those)
    page = show(
        visit,
        "command_fragment.html" if fragment else "command.html",
        name=name,
        form=made,
        deal=deal,
        titles=titles,
        actions=actions,
        chosen=chosen,
        typed=typed,
        people=those,
        preview=preview,
        why_none=why_none,
        refused=refused,
        version=version_shown(given, deal, fragment=fragment),
        since=await since(visit, deal_id, given, refused),
        faults=refused.faults if refused else {},
        key=key_for(given, refused),
    )
    page.status_code = refused.status if refused else 200
    return page


def _at_first(visit: Visit, field: Field, deal: Answer, action: Answer | None) -> str:
    if field.now is not None:
        now = field.now(deal, action)
        return written_number(now, visit.language) if now and field.kind == "number" else now
    return str(visit.today) if field.kind == "date" else ""


async def _preview(
    visit: Visit, deal_id: str, name: str, typed: Typed, those: Holders
) -> tuple[Preview | None, Told | None]:
    """Or what is to be said instead; nothing while something is still to be chosen."""
    made = FORMS[name]
    wanted = [field.name for field in made.fields if field.kind != "lines"]
    if made.of:
        wanted.append("action_id")
    if not all(typed.get(one, "").strip() for one in wanted):
        return None, None
    unsaid = {
        field.name: _UNSAID
        for field in made.fields
        if field.kind == "lines" and not typed.get(field.name, "").strip()
    }
    try:
        body = _body(made, {**typed, **unsaid})
        path = _path(deal_id, name, made, typed)
        return await foresee(visit, path, body, DealId(UUID(deal_id)), those), None
    except Exception as error:  # noqa: BLE001 - `told` raises again what is no refusal
        return None, told(visit, error, made.shown)


@dataclass(frozen=True, slots=True)
class Claim:
    """One claimed action as /v1/actions tells it; `mine` says that the visitor has a line of it."""

    said: Answer
    title: str
    mine: bool
    days: int


@router.get("/confirmations")
async def confirmations(visit: VisitDep) -> Response:
    """The claimed actions of all open deals that the visitor may see, the oldest first."""
    reach = visit.grant.reach(Task.JUDGE)
    catalogue, those, claims = await gather(
        visit.ask("/action-types", limit=LISTED), holders(visit), _claims(visit)
    )
    titles = {one["code"]: one["title"][visit.language] for one in catalogue["action_types"]}
    rows = [
        Claim(
            said,
            str(titles.get(said["action_type"], said["action_type"])),
            any(entry["manager_id"] == visit.grant.manager_id for entry in said["credits"]),
            (visit.today - date.fromisoformat(said["effective_on"])).days,
        )
        for said in claims
        if _may_act(visit, reach, said, those)
    ]
    rows.sort(key=lambda row: (row.mine and reach is not Reach.OWN, -row.days))
    return show(
        visit,
        "confirmations.html",
        rows=rows,
        waiting=sum(1 for row in rows if not row.mine or reach is Reach.OWN),
        people=those,
        is_own=reach is Reach.OWN,
    )


async def _claims(visit: Visit) -> Sequence[Answer]:
    pages = visit.pages("/actions", state="claimed", deal_status="open", limit=LISTED)
    return [said async for answer, _ in pages for said in answer["actions"]]


def _may_act(visit: Visit, reach: Reach, claim: Answer, those: Holders) -> bool:
    """As far as the answers tell; the command decides (`domain.authority`)."""
    match reach:
        case Reach.OWN:
            return {one["manager_id"] for one in claim["credits"]} == {visit.grant.manager_id}
        case Reach.TEAM:
            team = visit.grant.team_id
            return team is not None and those.teams.get(claim["owner"]) == str(team)
        case Reach.ALL:
            return True
