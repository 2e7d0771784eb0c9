"""Whom a report is asked about, and what else stands behind its address."""

from asyncio import gather
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from api.pages.blocks import Cells
from api.pages.people import People
from api.pages.visit import Visit
from api.pages.why import Choice, choice_of

POINT = ("as_of", "known_at", "position", "currency", "team_id", "manager_id")
"""What every report takes."""


@dataclass(frozen=True, slots=True)
class Chosen:
    """`answer` is what /v1 says, `more` what was asked for, `choice` whom one may ask about;
    `kinds` are titles of action types.
    """

    answer: Mapping[str, Any]
    more: Mapping[str, str]
    choice: Choice
    kinds: Mapping[str, str]

    @property
    def people(self) -> People:
        return self.choice.people

    def cells(self, visit: Visit) -> Cells:
        return Cells(visit, self.people, {}, self.kinds, self.answer["currency"])


async def chosen(visit: Visit, report: str, names: Sequence[str] = (), **asked: object) -> Chosen:
    """What /v1/reports/`report` answers to what stands behind the page's address: POINT and
    `names`; `asked` is asked beside it. Raises what is a refusal.
    """
    more = {
        name: given for name in (*POINT, *names) if (given := visit.asked.get(name, "").strip())
    }
    answer, managers, teams, kinds = await gather(
        visit.ask(f"/reports/{report}", **more | asked),
        visit.ask("/managers", limit=1_000),
        visit.ask("/teams", limit=1_000),
        visit.ask("/action-types", limit=1_000),
    )
    titles = {one["code"]: one["title"][visit.language] for one in kinds["action_types"]}
    everybody = People.of(managers["managers"])
    choice = choice_of(visit, teams["teams"], managers["managers"], everybody)
    return Chosen(answer, more, choice, titles)
