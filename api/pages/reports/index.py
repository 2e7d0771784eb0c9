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
        "/reports/activity",
        "Who moves",
        "What each manager did in some days, what the portfolio gained by it, and how that compares with the days before.",  # noqa: E501
    ),
    Report(
        "/reports/comparison",
        "Managers side by side",
        "The portfolios of several managers on one chart: in all, for each deal, or from one beginning.",  # noqa: E501
    ),
    Report(
        "/reports/targets",
        "Targets",
        "What managers and teams are to reach, by when, and how far they have come.",
    ),
    Report(
        "/reports/digest",
        "The week",
        "What moved, what was closed, what stands still, what waits and what was entered late.",
    ),
    Report(
        "/reports/months",
        "Empty months",
        "By manager and month: deals closed, progress without a closing, or nothing.",
    ),
    Report(
        "/reports/stalled",
        "Stalled deals",
        "Deals that are silent for longer than usual, what is at stake, and what comes next.",
    ),
    Report(
        "/reports/concentration",
        "Concentration",
        "On how few deals the portfolios stand, and what remains without the largest.",
    ),
    Report(
        "/reports/forecast",
        "Forecast",
        "What will be won, when and with what chance; and how good earlier forecasts were.",
    ),
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
