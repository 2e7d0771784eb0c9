"""Many commands in one request: all of them are recorded, or none."""

import re
from collections.abc import Callable, Mapping, Sequence
from typing import Annotated, Any

from fastapi.exceptions import RequestValidationError
from pydantic import Field

from api.answers import Out, Recorded
from api.inputs import Body, Line, example
from api.problems import Problem, invalid, to_problem
from api.refusals import BATCH_REFUSALS, problems
from api.routes import Batch, v1_router
from application.orders import Answer, Caller, Order
from application.transactor import Outcome
from domain.deal_commands import OpenDeal, PerformAction
from domain.decisions import Command
from domain.directory_commands import CreateTeam, DefineActionType, RegisterManager
from domain.errors import IdempotencyKeyReused, Refusal, SignedOut
from domain.target_commands import SetTarget

MOST_COMMANDS = 1_000
MOST_BATCH_BYTES = 2**20
_REFERENCE = re.compile(r"\{([0-9]{1,4})\}")
_MADE: Mapping[type, str] = {
    OpenDeal: "deal_id",
    PerformAction: "action_id",
    CreateTeam: "team_id",
    RegisterManager: "manager_id",
    DefineActionType: "code",
    SetTarget: "target_id",
}
"""The id that each command makes."""
_OF_ALL = IdempotencyKeyReused, SignedOut
"""Refusals that are not of one command, but of the batch."""
_KEY = "{key}\x1f{number}"
"""Of a command behind the first; no Idempotency-Key from outside has that character."""

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


class RecordedBatch(Out):
    """In the order of the commands."""

    results: list[Recorded]


@router.post(
    "/batches",
    operation_id="recordBatch",
    status_code=201,
    response_model=RecordedBatch,
    response_model_exclude_none=True,
    responses={
        200: {"model": RecordedBatch, "description": "Recorded, and nothing new was made."},
        **problems([*BATCH_REFUSALS, "idempotency-key-reused"]),
    },
)
def record_batch(body: BatchBody) -> Batch:
    """Record many commands, decided one after the other, each on what those before it left.

    With one refusal nothing is recorded, and all refusals are told.
    """
    return batch_of(body)


def batch_of(body: BatchBody) -> Batch:
    return tuple((command.path, command.body) for command in body.commands)


def posted(batch: Batch) -> dict[str, Any]:
    """As it is sent."""
    return {"commands": [{"path": path, "body": body} for path, body in batch]}


def read_batch(batch: Batch, read: Callable[[str, object], Command]) -> list[Command]:
    """`read` gives what is posted to a path. Raises Problem, with all that cannot be read."""
    commands: dict[int, Command] = {}
    refused: dict[int, Problem] = {}
    for number, (path, body) in enumerate(batch):
        try:
            commands[number] = read(_with_ids(path, commands), body)
        except Problem as problem:
            refused[number] = problem
        except RequestValidationError as error:
            refused[number] = invalid(error)
    if refused:
        raise Problem("batch-refused", refused=refused)
    return list(commands.values())


def _with_ids(path: str, commands: Mapping[int, Command]) -> str:
    """`{0}` is the id that the first command makes. Raises Problem."""
    if "{" not in path:
        return path

    def made(found: re.Match[str]) -> str:
        command = commands.get(int(found[1]))
        name = _MADE.get(type(command))
        if name is None:
            raise Problem("validation", errors=(("path", "makes-no-id", {}),))
        return str(getattr(command, name))

    return _REFERENCE.sub(made, path)


def orders_of(
    commands: Sequence[Command], caller: Caller, key: str | None, request: bytes
) -> list[Order]:
    """Each with a receipt of its own, for the same `request`: of a batch all are kept, or none."""
    keys = [key and _KEY.format(key=key, number=number) for number in range(len(commands))]
    return [
        Order(command, str(caller.account_id), one, request, caller=caller)
        for command, one in zip(commands, [key, *keys[1:]], strict=True)
    ]


def answers_of(outcomes: Sequence[Outcome]) -> list[Answer]:
    """Raises Problem, with all refusals; what is no refusal of one command is raised as it is."""
    answers, refused = [], dict[int, Problem]()
    for number, outcome in enumerate(outcomes):
        if isinstance(outcome, Answer):
            answers.append(outcome)
        elif isinstance(outcome, Refusal) and not isinstance(outcome, _OF_ALL):
            refused[number] = to_problem(outcome)
        else:
            raise outcome
    if refused:
        raise Problem("batch-refused", refused=refused)
    return answers
