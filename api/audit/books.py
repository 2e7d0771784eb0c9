"""For whoever audits: the ledger as a journal that other programs add up, and what was certified
against what is known now.
"""

from datetime import date
from typing import Annotated
from urllib.parse import urlencode
from zoneinfo import ZoneInfo

from fastapi import Query, Request, Response
from fastapi.responses import PlainTextResponse, StreamingResponse
from pydantic import Field

from api.answers import (
    AMOUNT,
    Asked,
    Figure,
    Moment,
    Out,
    RestatementLineOut,
    answer,
    asked,
    restatement_line,
)
from api.asking import AskingDep, KnowledgeQuestion, PointQuestion
from api.inputs import Limit, MonthName, Position
from api.problems import language_of
from api.refusals import PAGED, QUESTION_REFUSALS
from api.routes import v1_router
from api.words import NOT_WHAT_WAS_CERTIFIED, Language
from domain.events import instant_text
from domain.values import value_text
from projections.certified import Certified, CertifiedRow, certified_from_ledger
from projections.journal import Format, Journal

router = v1_router(tags=["audit"], responses=QUESTION_REFUSALS)


class JournalQuestion(PointQuestion):
    format: Format
    manager_id: str | None = None


class CertifiedRowOut(Out):
    """`certified` is what the closing's event keeps, `replayed` the ledger at that point, `now` the
    month's last day as known at the point of the question; `difference` is now less certified. Both
    are null where what the event keeps is no amount, which is an alarm.
    """

    manager_id: str = Field(examples=["anna-sokolova"])
    currency: str = Field(examples=["RUB"])
    account: str = Field(examples=["active"])
    certified: Figure | None = Field(examples=[AMOUNT])
    replayed: Figure = Field(examples=[AMOUNT])
    now: Figure = Field(examples=["50000000.00"])
    difference: Figure | None = Field(examples=["30000000.00"])


class CertifiedLineOut(RestatementLineOut):
    """What an event that was recorded behind the closing has changed, and who recorded it."""

    actor: str = Field(examples=["7d1f4e7c-33d5-4a55-9a39-55dbd3a5a2b1"])
    currency: str = Field(examples=["RUB"])


class CertifiedOut(Out):
    """One closing. `status`: `closed`, `reopened` (the month is open), `replaced` (by a later
    closing of it). `knew` is the last position that its totals know. `alarm`, where something is
    certified that does not follow from the log any more: what that means, and what to do.
    """

    period: str = Field(examples=["2026-06"])
    last_day: date = Field(examples=["2026-06-30"])
    status: str = Field(examples=["reopened"])
    position: int = Field(examples=[1181])
    recorded_at: Moment = Field(examples=["2026-07-05T09:15:02.123456Z"])
    actor: str = Field(examples=["7d1f4e7c-33d5-4a55-9a39-55dbd3a5a2b1"])
    knew: int = Field(examples=[1180])
    alarm: str | None
    rows: list[CertifiedRowOut]
    lines: list[CertifiedLineOut]


class CertifiedAnswer(Asked):
    """The latest month first, and of one month the latest closing."""

    closings: list[CertifiedOut]


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
    text = Journal(service.reading(point), point, managers).text(
        question.format, service.settings.zone
    )
    name = f"dealfolio-{point.as_of}-{point.position}.{question.format}"
    headers = {"Content-Disposition": f'attachment; filename="{name}"'}
    return StreamingResponse(text, 200, headers, "text/plain")


class CertifiedQuestion(KnowledgeQuestion):
    period: MonthName | None = None
    """The closings of this month alone."""
    limit: Limit = 12
    cursor: Position = 0
    """From the `next` link of the page before."""


@router.get(
    "/audit/certified",
    operation_id="getCertified",
    response_model=CertifiedAnswer,
    responses=PAGED,
)
def certified(
    question: Annotated[CertifiedQuestion, Query()], request: Request, asking: AskingDep
) -> Response:
    """Of each closing of a month, by manager, currency and account: what it certified, what the
    ledger gives at that point today, and what the month's last day comes to as known now; each
    difference by its event and author. Of each row, replayed + lines = now.
    """
    language = language_of(
        request.headers.get("accept-language", ""), asking.service.settings.language
    )
    with asking.desk() as at:
        point = at.point(None, question.knowledge)
        closings = at.service.directory.closings(at.cursor, point.position)[::-1]
        if question.period is not None:
            closings = [one for one in closings if str(one.month) == question.period]
        end = question.cursor + question.limit
        page = closings[question.cursor : end]
        found = at.read(
            point.position,
            lambda cursor: [certified_from_ledger(cursor, one, point.position) for one in page],
        )
    zone = asking.service.settings.zone
    body = CertifiedAnswer(
        **asked(point), closings=[_closing(one, zone, language) for one in found]
    )
    more = question.model_copy(update={"cursor": end, "known_at": None, "position": point.position})
    following = urlencode(more.model_dump(exclude_none=True))
    links = {"next": f"{request.url.path}?{following}"} if end < len(closings) else {}
    return answer(body, links, **{"Content-Language": language, "Vary": "Accept-Language"})


def _closing(one: Certified, zone: ZoneInfo, language: Language) -> CertifiedOut:
    closing = one.closing
    return CertifiedOut(
        period=str(closing.month),
        last_day=closing.last_day,
        status=closing.status,
        position=closing.position,
        recorded_at=instant_text(closing.recorded_at),
        actor=closing.actor,
        knew=closing.knew,
        alarm=None if one.holds else NOT_WHAT_WAS_CERTIFIED[language],
        rows=[_row(row) for row in one.rows],
        lines=[
            CertifiedLineOut(
                **restatement_line(told.line, zone).model_dump(),
                actor=told.actor,
                currency=told.currency,
            )
            for told in one.lines
        ],
    )


def _row(row: CertifiedRow) -> CertifiedRowOut:
    certified = row.certified
    return CertifiedRowOut(
        manager_id=row.manager_id,
        currency=row.currency,
        account=row.account,
        certified=None if certified is None else value_text(certified),
        replayed=value_text(row.replayed),
        now=value_text(row.now),
        difference=None if certified is None else value_text(row.now - certified),
    )
