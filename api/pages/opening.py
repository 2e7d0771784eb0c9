"""Open a deal: for which client, what it would be worth, and whose it is."""

from asyncio import gather
from collections.abc import Sequence

from fastapi import APIRouter, Response
from fastapi.responses import RedirectResponse

from api.pages.forms import Typed, plain_number, post, read_own_form, typed
from api.pages.frame import Page, show
from api.pages.people import People
from api.pages.visit import Visit, VisitDep
from domain.access import Task
from domain.values import CURRENCIES

router = APIRouter(route_class=Page, include_in_schema=False)

FIELDS = (
    "title", "client", "potential_check.amount", "potential_check.currency", "manager_id",
    "effective_on", "expected_close_on",
)  # fmt: skip
LISTED = 1_000
"""Managers to choose from, and deals whose clients are offered while one is typed."""


@router.get("/deals/new")
async def new(visit: VisitDep) -> Response:
    return await _page(visit, Typed())


@router.post("/deals/new")
async def opened(visit: VisitDep) -> Response:
    form = await read_own_form(visit)
    body: dict[str, object] = {
        "title": form.get("title", "").strip(),
        "client": form.get("client", "").strip(),
        "potential_check": {
            "amount": plain_number(form.get("potential_check.amount", "")),
            "currency": form.get("potential_check.currency", ""),
        },
        "manager_id": form.get("manager_id", ""),
        "effective_on": form.get("effective_on", ""),
    }
    if expected := form.get("expected_close_on"):
        body["expected_close_on"] = expected
    try:
        answer = await post(visit, form, "/deals", body)
    except Exception as error:  # noqa: BLE001 - what is no refusal is raised again
        return await _page(visit, typed(visit, "new", form, error, FIELDS))
    point = {"as_of": None, "known_at": None, "recorded": f"deals-{answer.position}"}
    return RedirectResponse(visit.link(f"/deals/{answer.ids['deal_id']}", **point), 303)


async def _page(visit: Visit, given: Typed) -> Response:
    visit.grant.reach(Task.RECORD)
    managers, deals = await gather(
        visit.ask("/managers", limit=LISTED), visit.ask("/deals", limit=LISTED)
    )
    page = show(
        visit,
        "deal_new.html",
        typed=given,
        owners=People.of(managers["managers"]).recorded_for(visit.grant),
        clients=sorted({deal["client"] for deal in deals["deals"]}),
        currencies=_currencies(visit.service.settings.currency),
    )
    page.status_code = given.status
    return page


def _currencies(company: str) -> Sequence[tuple[str, str]]:
    """What is sent and what is read; the company's own first."""
    return [(one, one) for one in (company, *sorted(CURRENCIES - {company}))]
