"""Imports that somebody follows on a page: files are taken, checked, and then recorded as a whole.

Where one stands is in the database, so that any process can tell it. A process that ends leaves
nothing half done, for an import is one transaction; whoever waits sees that nobody works on it any
more, and begins it again, and what was recorded after all is known by its rows.
"""

import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict
from datetime import datetime
from pathlib import Path
from threading import Thread
from time import monotonic
from typing import Any, LiteralString, NamedTuple
from uuid import UUID

from psycopg.rows import class_row
from psycopg.types.json import Jsonb

from api.imports.csv_records import Sent, records
from api.imports.importing import ImportReport, import_files
from api.imports.mapping import read_mapping
from api.imports.words import Flaw
from api.service import Service
from api.words import Language
from application.orders import Unavailable
from domain.errors import NotFound

MAPPINGS = {path.stem: path for path in sorted((Path(__file__).parent / "mappings").glob("*.toml"))}
FOUND_OUT = "?"
"""For a mapping that is told by the files' headings."""
MOST_BYTES = 16 * 2**20
"""Of all files of an import together; larger ones are the command line's."""
MOST_ERRORS = 1_000
"""That are shown; the rest is counted."""
TOLD_EVERY_SECONDS = 0.5
SILENT_SECONDS = 60.0
"""Who works on an import tells how far it is more often than this."""
_LOGGER = logging.getLogger("dealfolio.imports")

_COLUMNS: LiteralString = (
    "import_id, account_id, begun_at, language, mapping, names, phase, done, total, told_at, report"
)
_TAKE: LiteralString = """
INSERT INTO books.imports (import_id, account_id, language, mapping, names, contents, phase)
VALUES (%s, %s, %s, %s, %s, %s, 'checking') ON CONFLICT DO NOTHING RETURNING import_id
"""
_BEGIN: LiteralString = """
UPDATE books.imports SET phase = %(phase)s, done = 0, total = 0, told_at = now(), report = NULL
WHERE import_id = %(id)s AND (
    phase IN ('checked', 'failed')
    OR (phase <> 'recorded' AND told_at < now() - make_interval(secs => %(silent)s)))
RETURNING import_id
"""
_TELL: LiteralString = """
UPDATE books.imports SET done = %s, total = %s, told_at = now() WHERE import_id = %s
"""
_FINISH: LiteralString = """
UPDATE books.imports SET phase = %(phase)s, mapping = %(mapping)s, report = %(report)s,
    told_at = now(),
    contents = CASE WHEN %(phase)s = 'recorded' THEN '{}'::bytea[] ELSE contents END
WHERE import_id = %(id)s
"""


class Followed(NamedTuple):
    """An import as it stands. `phase` is checking, checked, recording, recorded or failed; `report`
    an ImportReport, of a failed one empty. `mapping` as in MAPPINGS, empty for our own columns.
    """

    import_id: UUID
    account_id: UUID
    begun_at: datetime
    language: Language
    mapping: str
    names: list[str]
    phase: str
    done: int
    total: int
    told_at: datetime
    report: Mapping[str, Any] | None
    silent: bool

    @property
    def is_under_way(self) -> bool:
        return self.phase in ("checking", "recording") and not self.silent

    @property
    def errors(self) -> Sequence[Mapping[str, Any]]:
        return self.report["errors"] if self.report else ()

    @property
    def may_be_recorded(self) -> bool:
        return self.phase == "checked" and not self.errors


class Imports:
    """Of one service. Whether whoever calls may import is the caller's to ask."""

    def __init__(self, service: Service) -> None:
        self._service = service

    def take(
        self,
        import_id: UUID,
        account_id: UUID,
        language: Language,
        mapping: str,
        files: Sequence[Sent],
    ) -> None:
        """Keep the files and begin to check them; once, however often they come under one id."""
        self._service.forget_files()
        with self._service.asking() as cursor:
            names, contents = [one.name for one in files], [one.content for one in files]
            given = [import_id, account_id, language, mapping, names, contents]
            taken = cursor.execute(_TAKE, given).fetchone()
        if taken:
            self._start(import_id, dry_run=True)

    def check(self, import_id: UUID) -> None:
        """Again, when nobody works on it any more."""
        self._begin(import_id, "checking")

    def record(self, import_id: UUID) -> None:
        """What was checked, once: who calls meanwhile changes nothing."""
        self._begin(import_id, "recording")

    def _begin(self, import_id: UUID, phase: str) -> None:
        with self._service.asking() as cursor:
            asked = {"id": import_id, "phase": phase, "silent": SILENT_SECONDS}
            begun = cursor.execute(_BEGIN, asked).fetchone()
        if begun:
            self._start(import_id, dry_run=phase == "checking")

    def find(self, import_id: UUID) -> Followed:
        """Raises NotFound."""
        found = self._select("WHERE import_id = %(id)s", {"id": import_id})
        if not found:
            raise NotFound("import", import_id)
        return found[0]

    def latest(self) -> list[Followed]:
        """Of one day; the latest first."""
        self._service.forget_files()
        return self._select("ORDER BY begun_at DESC LIMIT 20", {})

    def _select(self, which: LiteralString, asked: Mapping[str, object]) -> list[Followed]:
        question = (
            f"SELECT {_COLUMNS}, told_at < now() - make_interval(secs => %(silent)s) AS silent"
            f" FROM books.imports {which}"
        )
        with self._service.asking() as cursor:
            rows = cursor.connection.cursor(row_factory=class_row(Followed))
            return rows.execute(question, {**asked, "silent": SILENT_SECONDS}).fetchall()

    # ------------------------------------------------------------------------ the work

    def _start(self, import_id: UUID, *, dry_run: bool) -> None:
        """Nobody waits for it to end; when the process does, so does it."""
        work = Thread(target=self._run, args=[import_id, dry_run], name="import", daemon=True)
        work.start()

    def _run(self, import_id: UUID, dry_run: bool) -> None:  # noqa: FBT001 - a thread's argument
        try:
            self._finish(import_id, *self._work(import_id, dry_run=dry_run))
        except Exception as error:
            if not isinstance(error, Unavailable):
                _LOGGER.exception("import %s failed", import_id)
            try:
                self._finish(import_id, "failed", self.find(import_id).mapping, None)
            except (Unavailable, NotFound):
                _LOGGER.warning("import %s: nobody could be told that it failed", import_id)

    def _work(self, import_id: UUID, *, dry_run: bool) -> tuple[str, str, ImportReport]:
        one, files = self.find(import_id), self._files(import_id)
        mapping = _told_by(files) if one.mapping == FOUND_OUT else one.mapping
        report = import_files(
            self._service,
            files,
            mapping=MAPPINGS.get(mapping),
            dry_run=dry_run,
            language=one.language,
            progress=self._teller(import_id),
            actor=str(one.account_id),
        )
        return "recorded" if report.stored else "checked", mapping, report

    def _files(self, import_id: UUID) -> list[Sent]:
        question: LiteralString = "SELECT names, contents FROM books.imports WHERE import_id = %s"
        with self._service.asking() as cursor:
            row = cursor.execute(question, [import_id]).fetchone()
        names, contents = row or ([], [])
        return [Sent(*one) for one in zip(names, contents, strict=True)]

    def _teller(self, import_id: UUID) -> Callable[[int, int], None]:
        told = 0.0

        def tell(done: int, total: int) -> None:
            nonlocal told
            if monotonic() - told >= TOLD_EVERY_SECONDS:
                told = monotonic()
                with self._service.asking() as cursor:
                    cursor.execute(_TELL, [done, total, import_id])

        return tell

    def _finish(
        self, import_id: UUID, phase: str, mapping: str, report: ImportReport | None
    ) -> None:
        told = None if report is None else asdict(report)
        if told is not None:
            told |= {"errors": told["errors"][:MOST_ERRORS], "wrong": len(told["errors"])}
        kept = None if told is None else Jsonb(told)
        asked = {"id": import_id, "phase": phase, "mapping": mapping, "report": kept}
        with self._service.asking() as cursor:
            cursor.execute(_FINISH, asked)


def _told_by(files: Sequence[Sent]) -> str:
    """The mapping of which some file has all columns; empty when there is none."""
    headings = [_headings(file) for file in files]
    for name, path in MAPPINGS.items():
        wanted = set(read_mapping(path).headings)
        if any(wanted <= there for there in headings):
            return name
    return ""


def _headings(file: Sent) -> set[str]:
    """None of a file that cannot be read: that is told when it is."""
    try:
        return {cell.strip() for cell in next(records(file)).cells}
    except Flaw:
        return set()
