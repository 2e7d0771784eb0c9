"""Many commands in one request: all of them are recorded, or none."""

from typing import Annotated, Any

from pydantic import Field

from api.answers import BATCH
from api.door import Batch, v1_router
from api.inputs import Body, Line, example

MOST_COMMANDS = 1_000

router = v1_router(tags=["batches"])


class BatchedCommand(Body):
    """`path` and `body` of a command as it is posted alone.

    `{0}` in the path is the id that the first command of the batch makes, `{1}` the second's, and
    so on: a deal can be opened and acted on in one batch.
    """

    path: Line
    body: dict[str, Any] | None = None


class BatchBody(Body):
    model_config = example(
        commands=[
            {
                "path": "/v1/deals",
                "body": {
                    "title": "Холодильные витрины для сети «Ромашка»",
                    "client": "Ромашка",
                    "potential_check": {"amount": "400000000.00", "currency": "RUB"},
                    "manager_id": "anna-sokolova",
                    "effective_on": "2026-01-12",
                },
            },
            {
                "path": "/v1/deals/{0}/actions",
                "body": {
                    "action_type": "proposal-presented",
                    "effective_on": "2026-02-03",
                    "manager_id": "anna-sokolova",
                    "evidence": "Протокол встречи 3 февраля",
                },
            },
        ]
    )

    commands: Annotated[list[BatchedCommand], Field(min_length=1, max_length=MOST_COMMANDS)]


@router.post("/batches", operation_id="recordBatch", **BATCH)
def record_batch(body: BatchBody) -> Batch:
    """Record many commands, decided one after the other, each on what those before it left.

    With one refusal nothing is recorded, and all refusals are told.
    """
    return tuple((command.path, command.body) for command in body.commands)
