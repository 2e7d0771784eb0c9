"""What proves the log to whoever audits it: the newest checkpoint, the keys, and what to do."""

from asyncio import gather
from datetime import datetime
from urllib.parse import urlencode

from fastapi import APIRouter, Response
from fastapi.responses import RedirectResponse

from api.pages.frame import Page, show
from api.pages.people import People
from api.pages.periods import local
from api.pages.visit import VisitDep

router = APIRouter(route_class=Page, include_in_schema=False)


@router.get("/log/evidence")
async def evidence(visit: VisitDep) -> Response:
    listed, known, log, managers = await gather(
        visit.ask("/audit/checkpoints", limit=1),
        visit.ask("/audit/keys"),
        visit.ask("/periods", limit=1),
        visit.ask("/managers", limit=1_000),
    )
    newest = next(iter(listed["checkpoints"]), None)
    signed_at: datetime | None = newest and local(visit, newest["signed_at"])
    return show(
        visit,
        "evidence.html",
        newest=newest,
        signed_at=signed_at,
        keys=known["keys"][::-1],
        last=log["position"],
        people=People.of(managers["managers"]),
    )


@router.get("/log/evidence/bundle")
async def bundle(visit: VisitDep) -> Response:
    """To the file that the form asks for: what is left empty in it is not asked."""
    names = ("manager_id", "as_of", "known_at", "kept")
    asked = {name: one for name in names if (one := visit.asked.get(name, "").strip())}
    return RedirectResponse(f"/v1/audit/bundle?{urlencode(asked)}", 303)
