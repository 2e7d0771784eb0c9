"""What an auditor takes home: the ledger as a journal that other programs add up."""

import os
import sys
from collections.abc import Callable
from datetime import date
from pathlib import Path
from typing import Annotated, Any

from fastapi import Query, Response
from fastapi.responses import PlainTextResponse, StreamingResponse

from api.answers import QUESTION_REFUSALS
from api.asking import AskingDep, PointQuestion
from api.routes import v1_router
from api.service import Service
from domain.errors import NotFound
from domain.values import ManagerId
from projections.journal import Format, Journal, Read
from projections.point import BEYOND, Knowledge, Point, point_at

router = v1_router(tags=["audit"], responses=QUESTION_REFUSALS)


class JournalQuestion(PointQuestion):
    format: Format
    manager_id: str | None = None


@router.get("/audit/journal", operation_id="getJournal", response_class=PlainTextResponse)
def journal(question: Annotated[JournalQuestion, Query()], asking: AskingDep) -> Response:
    """Every posting effective by `as_of` as a transaction of hledger or beancount, with the day on
    which it was recorded. People and deals are named by id.
    """
    with asking.desk() as at:
        point = at.point(question.as_of, question.knowledge)
        who = question.manager_id
        managers = None if who is None else {at.require_manager(who, point.as_of)}
    service = asking.service
    text = Journal(reading(service, point), point, managers).text(
        question.format, service.settings.zone
    )
    name = f"dealfolio-{point.as_of}-{point.position}.{question.format}"
    headers = {"Content-Disposition": f'attachment; filename="{name}"'}
    return StreamingResponse(text, 200, headers, "text/plain")


def reading(service: Service, point: Point) -> Read[Any]:
    """Each question has a connection of its own, so that a slow reader holds none."""

    def read(question: Callable[[Any], Any]) -> Any:  # noqa: ANN401 - what the question gives
        with service.asking() as cursor:
            return service.standbys.read(cursor, point.position, question)

    return read


def write_journal(
    service: Service,
    format_: Format,
    output: Path | None,
    as_of: date | None,
    knowledge: Knowledge,
    manager_id: str | None,
    progress: Callable[[int, int], None],
) -> None:
    """The same into a file, which is there only when it is whole, or to standard output. Raises
    NotFound, InTheFuture, Invalid.
    """
    with service.asking() as cursor:
        point = point_at(cursor, service.clock, as_of, knowledge)
        known = service.directory.at(cursor, BEYOND).people.managers
    if manager_id is not None and manager_id not in known:
        raise NotFound("manager", manager_id)
    managers = None if manager_id is None else {ManagerId(manager_id)}
    made = Journal(reading(service, point), point, managers)
    total = made.count()
    pieces = made.text(format_, service.settings.zone, lambda done: progress(done, total))
    if output is None:
        sys.stdout.writelines(pieces)
        return
    unfinished = output.with_name(f".{output.name}.{os.getpid()}")
    try:
        with unfinished.open("w", encoding="utf-8") as file:
            file.writelines(pieces)
        unfinished.replace(output)
    finally:
        unfinished.unlink(missing_ok=True)
