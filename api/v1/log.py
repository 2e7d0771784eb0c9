"""The whole log, in order, as it is stored; and who read what."""

from datetime import date, datetime
from typing import Annotated, Any
from urllib.parse import urlencode

from fastapi import Query, Request, Response
from pydantic import Field
from pydantic_core import to_json

from api.answers import Asked, Moment, Out, Uuid, answer, asked
from api.asking import AskingDep, KnowledgeQuestion, Question, next_link
from api.inputs import Id, Instant, Limit, Position, Slug
from api.reads import ReadsWanted
from api.refusals import PAGED, QUESTION_REFUSALS
from api.routes import v1_router
from projections.log import published_after
from projections.point import EVERYTHING

router = v1_router(tags=["log"], responses=QUESTION_REFUSALS)


class ReadsQuestion(Question):
    """`from` is inclusive, `to` exclusive; both are instants."""

    account_id: Id | None = None
    manager_id: Slug | None = None
    deal_id: Id | None = None
    from_: Annotated[Instant | None, Field(alias="from")] = None
    to: Instant | None = None
    cursor: Position = 0
    limit: Limit = 100


class EventsQuestion(KnowledgeQuestion):
    after: Position = 0
    limit: Limit = 100


class EventOut(Out):
    position: int = Field(examples=[1204])
    recorded_at: Moment = Field(examples=["2026-07-11T09:15:02.123456Z"])
    type: str = Field(examples=["ActionPerformed"])
    stream_id: Uuid = Field(examples=["0f8c3a52-55a4-4b0c-9c0e-0b7e0a4b6f11"])
    deal_id: Uuid | None = None
    effective_on: date | None = None
    actor: str = Field(examples=["7d1f4e7c-33d5-4a55-9a39-55dbd3a5a2b1"])
    data: dict[str, Any]


class EventsAnswer(Asked):
    """`position` is where the log ended, as far as it was asked about."""

    events: list[EventOut]


class ReadOut(Out):
    """`status` is the answer's; `asked` are the parameters as they were given."""

    read_at: datetime = Field(examples=["2026-07-11T09:15:02.123456Z"])
    account_id: Uuid = Field(examples=["7d1f4e7c-33d5-4a55-9a39-55dbd3a5a2b1"])
    question: str = Field(examples=["getManagerPortfolio"])
    status: int = Field(examples=[200])
    manager_id: str | None = Field(examples=["anna-sokolova"])
    deal_id: str | None = None
    asked: dict[str, str] = Field(examples=[{"as_of": "2026-06-30"}])


class ReadsAnswer(Out):
    reads: list[ReadOut]


@router.get("/events", operation_id="listEvents", response_model=EventsAnswer, responses=PAGED)
def events(
    question: Annotated[EventsQuestion, Query()], request: Request, asking: AskingDep
) -> Response:
    """Everything that was ever recorded, behind the position `after`: deals, catalogue, people,
    periods. Reading on from the last position misses nothing, and nothing ever changes.
    """
    with asking.desk_at(None, question.knowledge) as (at, point):
        published = published_after(at.cursor, question.after, question.limit, point.position)
    headers = {}
    if len(published) == question.limit:
        following = {"after": published[-1].position, "limit": question.limit}
        if question.knowledge != EVERYTHING:
            following["position"] = point.position
        headers["Link"] = f'<{request.url.path}?{urlencode(following)}>; rel="next"'
    shown = b",".join(one.body for one in published)
    body = b'%b,"events":[%b]}' % (to_json(asked(point))[:-1], shown)
    return Response(body, headers=headers, media_type="application/json")


@router.get("/reads", operation_id="listReads", response_model=ReadsAnswer, responses=PAGED)
def reads(
    question: Annotated[ReadsQuestion, Query()], request: Request, asking: AskingDep
) -> Response:
    """Who looked at which portfolios, deals and parts of the log, as of when."""
    asking.admitted()
    wanted = ReadsWanted(
        question.account_id,
        question.manager_id,
        None if question.deal_id is None else str(question.deal_id),
        question.from_,
        question.to,
    )
    page = asking.service.reads.page(wanted, question.cursor, question.limit)
    links = next_link(request, page[-1][0]) if len(page) == question.limit else {}
    lines = [ReadOut(**one._asdict() | {"account_id": str(one.account_id)}) for _, one in page]
    return answer(ReadsAnswer(reads=lines), links)
