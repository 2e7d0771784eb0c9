"""One file as rows of ours: what its columns are, what each row says, and all that is wrong."""

from collections import Counter
from collections.abc import Mapping as Map
from dataclasses import dataclass, field

from api.imports.csv_records import File, Record, records
from api.imports.mapping import Mapping
from api.imports.rows import (
    COLUMNS,
    REQUIRED,
    Cells,
    Kind,
    Origin,
    Row,
    action_row,
    day,
    deal_row,
)
from api.imports.words import Flaw
from api.words import Language


@dataclass(slots=True)
class Table:
    """`deals_amiss` are the external ids of deals that the file names in rows that are flawed.

    `whole` False: something could not be read at all, so nobody knows what else it names.
    """

    file: str
    rows: list[Row] = field(default_factory=list)
    flaws: list[tuple[Origin, Flaw]] = field(default_factory=list)
    skipped: Counter[str] = field(default_factory=Counter)
    ignored: tuple[str, ...] = ()
    deals_amiss: set[str] = field(default_factory=set)
    whole: bool = True

    def broken(self, flaw: Flaw) -> None:
        self.flaws.append((Origin(self.file, flaw.line, {}), flaw))
        self.whole = False


def read_table(path: File, mapping: Mapping | None, language: Language) -> Table:
    """In our own columns, or in those of `mapping` when the file has them."""
    table = Table(str(path))
    try:
        found = records(path)
        header = next(found)
        layout = _layout(header, mapping)
        table.ignored = layout.ignored
        record = None
        for record in found:
            _take(table, layout, record, language)
        if record is None:
            table.broken(Flaw("header-only", line=header.line))
    except Flaw as flaw:
        table.broken(flaw)
    return table


@dataclass(frozen=True, slots=True)
class Layout:
    """How a file's columns are ours. `columns` are ours as the file calls them."""

    kind: Kind
    header: tuple[str, ...]
    columns: Map[str, str]
    ignored: tuple[str, ...]
    mapping: Mapping | None = None

    def cells(self, theirs: Map[str, str]) -> Cells:
        if self.mapping is None:
            return Cells({name: theirs[heading] for name, heading in self.columns.items()}, day)
        mapping = self.mapping
        return Cells(mapping.translated(theirs), mapping.read_day, mapping.decimal_mark)


def _take(table: Table, layout: Layout, record: Record, language: Language) -> None:
    origin = Origin(table.file, record.line, layout.columns)
    if len(record.cells) != len(layout.header):
        flaw = Flaw("fields", found=len(record.cells), expected=len(layout.header))
        table.flaws.append((origin, flaw))
        table.whole = False
        return
    theirs = dict(zip(layout.header, map(str.strip, record.cells), strict=True))
    if layout.mapping and (skip := layout.mapping.skipped(theirs)):
        table.skipped[skip.reason.in_(language)] += 1
        return
    _read(table, layout, origin, layout.cells(theirs))


def _read(table: Table, layout: Layout, origin: Origin, cells: Cells) -> None:
    row = (deal_row if layout.kind == "deals" else action_row)(origin, cells)
    if not cells.flaws:
        table.rows.append(row)
        return
    table.flaws += [(origin, flaw) for flaw in cells.flaws]
    if layout.kind == "deals":
        table.deals_amiss.add(row.deal)


def _layout(header: Record, mapping: Mapping | None) -> Layout:
    headings = tuple(
        heading.strip() or f"#{number}" for number, heading in enumerate(header.cells, 1)
    )
    if mapping is None:
        return _own(header.line, headings)
    if set(mapping.headings) <= set(headings):
        return _foreign(header.line, headings, mapping)
    try:
        return _own(header.line, headings)
    except Flaw:
        missing = [name for name in mapping.headings if name not in headings]
        raise Flaw("missing-columns", line=header.line, names=", ".join(missing)) from None


def _foreign(line: int, headings: tuple[str, ...], mapping: Mapping) -> Layout:
    _refuse_double(line, [heading for heading in headings if heading in mapping.headings])
    ignored = tuple(heading for heading in headings if heading not in mapping.headings)
    return Layout(mapping.rows, headings, mapping.columns, ignored, mapping)


def _own(line: int, headings: tuple[str, ...]) -> Layout:
    """Raises Flaw when a required column is missing, or one is there twice."""
    plain = [_plain(heading) for heading in headings]
    kind: Kind = "actions" if _ONLY_ACTIONS & set(plain) else "deals"
    ours = [_NAMES[kind].get(heading) for heading in plain]
    _refuse_double(line, [name for name in ours if name])
    if missing := [name for name in REQUIRED[kind] if name not in ours]:
        raise Flaw("missing-columns", line=line, names=", ".join(missing))
    pairs = list(zip(ours, headings, strict=True))
    columns = {name: heading for name, heading in pairs if name}
    return Layout(kind, headings, columns, tuple(heading for name, heading in pairs if not name))


def _refuse_double(line: int, names: list[str]) -> None:
    if double := sorted(name for name, times in Counter(names).items() if times > 1):
        raise Flaw("double-column", line=line, names=", ".join(double))


def _plain(heading: str) -> str:
    return " ".join(heading.casefold().replace("_", " ").split())


_NAMES: dict[Kind, dict[str, str]] = {
    kind: {_plain(heading): name for name, ru in columns.items() for heading in (name, ru)}
    for kind, columns in COLUMNS.items()
}
_ONLY_ACTIONS = {
    _plain(heading)
    for name in ("action", "action_type")
    for heading in (name, COLUMNS["actions"][name])
}
"""Headings by which a file is known to hold actions."""
