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
        "/reports/calibration",
        "Are the weights honest?",
        "Progress months before the outcome against it, by progress, action and manager.",
    ),
    Report(
        "/reports/laboratory",
        "Weight laboratory",
        "Portfolios, ranking and calibration as they would be under other regulations.",
    ),
)


@router.get("/reports")
async def reports(visit: VisitDep) -> Response:
    return show(visit, "reports.html", reports=[one for one in REPORTS if visit.may(one.task)])
