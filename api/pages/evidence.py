"""What proves the log to whoever audits it: the newest checkpoint, the keys, and what to do."""

from asyncio import gather
from datetime import datetime

from fastapi import APIRouter, Response

from api.pages.frame import Page, show
from api.pages.periods import local
from api.pages.visit import VisitDep

router = APIRouter(route_class=Page, include_in_schema=False)


@router.get("/log/evidence")
async def evidence(visit: VisitDep) -> Response:
    listed, known, log = await gather(
        visit.ask("/audit/checkpoints", limit=1),
        visit.ask("/audit/keys"),
        visit.ask("/periods", limit=1),
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
    )
