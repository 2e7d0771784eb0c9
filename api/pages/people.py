"""What managers are called on pages, and the colour in which each is drawn."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

from api.pages.charts import SLOTS
from api.pages.visit import Visit
from api.service import Service
from api.sign_in.signing_in import signing_in
from domain.access import MATRIX, Grant, Reach, Task
from projections.directory import names_of


@dataclass(frozen=True, slots=True)
class People:
    """Managers in the order in which they came: by it each keeps a colour for good."""

    slots: Mapping[str, int]
    names: Mapping[str, str]
    shorts: Mapping[str, str]
    teams: Mapping[str, str | None]

    @classmethod
    def of(cls, managers: Sequence[Mapping[str, Any]]) -> "People":
        """From /v1/managers."""
        ids = [one["manager_id"] for one in managers]
        names = {one["manager_id"]: one["name"] or one["manager_id"] for one in managers}
        surnames = Counter(name.split()[-1] for name in names.values())
        shorts = {
            who: last if surnames[last := name.split()[-1]] == 1 else name
            for who, name in names.items()
        }
        teams = {one["manager_id"]: one["team_id"] for one in managers}
        return cls({who: slot for slot, who in enumerate(ids, 1)}, names, shorts, teams)

    def name(self, manager_id: str) -> str:
        return self.names.get(manager_id, manager_id)

    def short(self, manager_id: str) -> str:
        """The surname, unless two have the same."""
        return self.shorts.get(manager_id, manager_id)

    def is_seen_by(self, grant: Grant, manager_id: str) -> bool:
        """Whether there is a page of that manager for whoever has this grant, by the teams of
        today: also their own, where they see portfolios at all.
        """
        is_own = manager_id == grant.manager_id and grant.role in MATRIX[Task.SEE]
        return is_own or self._is_in_reach(Task.SEE, grant, manager_id)

    def recorded_for(self, grant: Grant) -> Sequence[tuple[str, str]]:
        """Ids and names of those for whom whoever has this grant may open deals and record actions,
        as far as the teams of today tell; themselves first.
        """
        found = [
            (who, self.name(who))
            for who in self.names
            if self._is_in_reach(Task.RECORD, grant, who)
        ]
        return sorted(found, key=lambda one: (one[0] != grant.manager_id, one[1]))

    def _is_in_reach(self, task: Task, grant: Grant, manager_id: str) -> bool:
        match MATRIX[task].get(grant.role):
            case Reach.ALL:
                return True
            case Reach.TEAM:
                team = self.teams.get(manager_id)
                return team is not None and team == str(grant.team_id)
            case Reach.OWN:
                return manager_id == grant.manager_id
            case None:
                return False

    def slot(self, manager_id: str) -> int:
        return self.slots.get(manager_id, len(self.slots) + 1)

    def colour(self, manager_id: str) -> str:
        slot = self.slot(manager_id)
        return f"m{slot}" if slot <= SLOTS else "rest"


async def called(visit: Visit, accounts: Iterable[str]) -> Mapping[str, str]:
    """The names of those accounts' people; of whoever was forgotten there is none."""
    wanted = sorted(set(accounts))
    if not wanted:
        return {}
    return await signing_in(visit.request).do(partial(_names, visit.service, wanted))


def _names(service: Service, accounts: Sequence[str]) -> Mapping[str, str]:
    with service.asking() as cursor:
        return names_of(cursor, accounts)
