"""The whole log, in order, as it is stored."""

from typing import Annotated

from fastapi import Query, Request, Response

from api.answers import QUESTION_REFUSALS, EventsAnswer
from api.asking import AskingDep, Question
from api.door import v1_router
from api.inputs import Limit, Position
from projections.log import published_after

router = v1_router(tags=["log"], responses=QUESTION_REFUSALS)


class EventsQuestion(Question):
    after: Position = 0
    limit: Limit = 100


@router.get("/events", operation_id="listEvents", response_model=EventsAnswer)
def events(
    question: Annotated[EventsQuestion, Query()], request: Request, asking: AskingDep
) -> Response:
    """Everything that was ever recorded, behind the position `after`: deals, catalogue, people,
    periods. Reading on from the last position misses nothing, and nothing ever changes.
    """
    with asking.desk() as at:
        published = published_after(at.cursor, question.after, question.limit)
    headers = {}
    if len(published) == question.limit:
        last = published[-1].position
        headers["Link"] = f'<{request.url.path}?after={last}&limit={question.limit}>; rel="next"'
    body = b'{"events":[' + b",".join(one.body for one in published) + b"]}"
    return Response(body, headers=headers, media_type="application/json")
