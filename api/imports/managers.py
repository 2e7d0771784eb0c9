"""Who a row means: a manager's id or name, and the id that a new name is given.

Two people are never taken for one, nor one for two, without somebody saying so: where a name is
not clear, the row is refused and asks for an id.
"""

import re
import unicodedata
from collections import defaultdict
from collections.abc import Iterable, Mapping

from api.imports.rows import Origin
from api.imports.words import Flaw
from domain.values import ManagerId

_ID = re.compile(r"(?=.*[0-9]|[^A-Z]*$)[A-Za-z0-9][A-Za-z0-9._-]{0,63}", re.ASCII)
"""What the API takes for an id, with a digit or without capitals; "Anna-Maria" is a name."""
_LATIN = dict(
    zip(
        "абвгдеёжзийклмнопрстуфхцчшщъыьэюя",
        ("a", "b", "v", "g", "d", "e", "e", "zh", "z", "i", "y", "k", "l", "m", "n", "o", "p",
         "r", "s", "t", "u", "f", "kh", "ts", "ch", "sh", "shch", "", "y", "", "e", "yu", "ya"),
        strict=True,
    )
)  # fmt: skip


class Staff:
    """The managers there are, and in `new` those that the files add, with the first row's origin.

    `names` is what people are called; somebody whose name was erased is not in it.
    """

    def __init__(self, ids: Iterable[ManagerId], names: Mapping[ManagerId, str]) -> None:
        self.new: dict[ManagerId, Origin] = {}
        self.names = dict(names)
        self._ids = set(ids)
        self._by_name: dict[str, list[ManagerId]] = defaultdict(list)
        for manager, name in names.items():
            self._by_name[_plain(name)].append(manager)

    def id_of(self, given: str, origin: Origin) -> ManagerId:
        """An id that is known, else a name that is, else somebody new. Raises Flaw."""
        if given in self._ids:
            return ManagerId(given)
        called = self._by_name[_plain(given)]
        if len(called) > 1:
            raise Flaw("manager-ambiguous", "manager", given=given, ids=", ".join(sorted(called)))
        return called[0] if called else self._newcomer(given, origin)

    def _newcomer(self, given: str, origin: Origin) -> ManagerId:
        manager = ManagerId(given if _ID.fullmatch(given) else slug(given))
        if not manager:
            raise Flaw("manager-no-slug", "manager", given=given)
        if manager not in self._ids:
            self.new[manager] = origin
            self._ids.add(manager)
        elif (other := self.names.get(manager, manager)) != manager:
            raise Flaw("manager-taken", "manager", given=given, slug=manager, other=other)
        elif manager not in self.new:
            return manager
        self.names[manager] = given
        self._by_name[_plain(given)].append(manager)
        return manager


def slug(name: str) -> str:
    """Make "petr-shchukin" of "Пётр Щукин"; 64 characters at most, and maybe none."""
    letters = unicodedata.normalize("NFC", name.casefold())
    latin = "".join(_LATIN.get(letter, letter) for letter in letters)
    ascii_ = unicodedata.normalize("NFKD", latin).encode("ascii", "ignore").decode()
    return re.sub(r"[^a-z0-9]+", "-", ascii_.replace("'", ""))[:64].strip("-")


def _plain(name: str) -> str:
    return " ".join(name.casefold().split())
