"""Which reports there are, and what each answers."""

from typing import NamedTuple

from fastapi import APIRouter, Response

from api.pages.frame import Page, show
from api.pages.visit import VisitDep
from domain.access import Task

router = APIRouter(route_class=Page, include_in_schema=False)


class Report(NamedTuple):
    """`title` and `answers` are msgids."""

    path: str
    title: str
    answers: str
    task: Task = Task.SEE


REPORTS: tuple[Report, ...] = (
    Report(
        "/reports/digest",
        "The week",
        "What moved, what was closed, what stands still, what waits and what was entered late",
    ),
    Report(
        "/reports/months",
        "Empty months",
        "By manager and month: deals closed, progress without a closing, or nothing",
    ),
    Report(
        "/reports/stalled",
        "Stalled deals",
        "Deals that are silent for longer than usual, what is at stake, and what comes next",
    ),
    Report(
        "/reports/concentration",
        "Concentration",
        "On how few deals the portfolios stand, and what remains without the largest",
    ),
)


@router.get("/reports")
async def reports(visit: VisitDep) -> Response:
    return show(visit, "reports.html", reports=[one for one in REPORTS if visit.may(one.task)])
