"""CSV files become orders like the API's, and all of them are taken or none.

A file is read to its end before anything is decided, and everything is decided before anything is
stored, so that one run names all that is wrong. The same files again change nothing: every order
carries a key made of its row's external id, and is answered from its receipt.
"""

import gc
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import CancelledError
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

from api.imports.csv_records import File
from api.imports.managers import Staff
from api.imports.mapping import read_mapping
from api.imports.orders import ACTOR, Plan, Step, StepKind, plan
from api.imports.rows import Origin
from api.imports.tables import Table, read_table
from api.imports.words import Flaw, sentence
from api.problems import explain
from api.service import Service
from api.words import Language
from application.orders import Answer
from application.transactor import Outcome
from domain.errors import (
    ActionLimitReached,
    ActionTypeNotInForce,
    EvidenceRequired,
    IdempotencyKeyReused,
    NotFound,
    Refusal,
    UnknownActionType,
    UnknownManager,
)
from projections.directory import names
from projections.point import point_at


@dataclass(frozen=True)
class RowError:
    """`line` counts from 1 as an editor does; 0 is the file as a whole.

    `column` is called as in the file; None when no single column is to blame.
    """

    file: str
    line: int
    column: str | None
    reason: str


@dataclass(frozen=True)
class ImportReport:
    """`deals`, `actions` and `managers` are new; with `dry_run`, they would be; with errors, 0.

    `repeated` counts the rows of deals and actions that were imported before, or stand in the files
    twice. `skipped` is (reason, rows); `ignored_columns` is (file, heading). `stored` says that the
    books now hold everything in the files.
    """

    files: tuple[str, ...]
    deals: int = 0
    actions: int = 0
    managers: int = 0
    repeated: int = 0
    skipped: tuple[tuple[str, int], ...] = ()
    ignored_columns: tuple[tuple[str, str], ...] = ()
    errors: tuple[RowError, ...] = ()
    stored: bool = False
    dry_run: bool = False


def _silent(_done: int, _total: int) -> None:
    pass


@contextmanager
def _without_collecting() -> Iterator[None]:
    """An import makes millions of objects, and no cycles worth the time that it takes to look for
    them; nor afterwards.
    """
    was_enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_enabled:
            gc.freeze()
            gc.enable()


@_without_collecting()
def import_files(
    service: Service,
    files: Sequence[File],
    *,
    mapping: Path | None = None,
    dry_run: bool = False,
    language: Language = "en",
    progress: Callable[[int, int], None] = _silent,
    actor: str = ACTOR,
) -> ImportReport:
    """Everything in `files`, in our own columns or as `mapping` says, or nothing.

    What is wrong with the files is in the report. `progress` is told orders decided and orders in
    all, in the writer's thread. The log says that `actor` did it; rows are known again whoever
    brings them. Raises Unavailable when the database does not answer, and then nothing is known to
    be stored: run it again.
    """
    blank = ImportReport(tuple(map(str, files)), dry_run=dry_run)
    try:
        known = read_mapping(mapping) if mapping else None
    except Flaw as flaw:
        error = _error(Origin(str(mapping), flaw.line, {}), flaw, language)
        return replace(blank, errors=(error,))
    tables = [read_table(path, known, language) for path in files]
    skipped = sum((table.skipped for table in tables), Counter[str]())
    read = replace(
        blank,
        skipped=tuple(skipped.items()),
        ignored_columns=tuple((one.file, column) for one in tables for column in one.ignored),
    )
    todo = plan((row for table in tables for row in table.rows), _staff(service))
    flaws = [flaw for table in tables for flaw in table.flaws] + todo.flaws
    watch = _Watch(service, len(todo.steps), progress)
    outcomes = _decide(service, todo, watch, actor, dry_run=dry_run or bool(flaws))
    errors = [_error(origin, flaw, language) for origin, flaw in flaws]
    errors += _refused(todo, outcomes, tables, language)
    if errors:
        return replace(read, errors=_in_order(errors, read.files))
    return _counted(replace(read, stored=not dry_run), todo, outcomes, watch)


def _staff(service: Service) -> Staff:
    with service.asking() as cursor:
        position = point_at(cursor, service.clock, None).position
        people = service.directory.at(cursor, position).people
        return Staff(people.managers, names(cursor))


def _decide(
    service: Service, todo: Plan, watch: "_Watch", actor: str, *, dry_run: bool
) -> list[Outcome]:
    """An outcome for each step. Interrupted while it waits, it stores nothing if it still can."""
    orders = (step.order._replace(actor=actor, principal=ACTOR) for step in todo.steps)
    future = service.dealfolio.transactor.submit_all(orders, dry_run=dry_run, progress=watch)
    try:
        return future.result()
    except BaseException:
        watch.interrupted = True
        raise


class _Watch:
    """The batch as it goes, called in the writer's thread, under the writers' lock.

    `before` is the end of the log before the batch: asked under the lock, where nobody else can
    append, so that what lies behind it is the batch's own and what does not is a receipt's.
    """

    def __init__(self, service: Service, total: int, tell: Callable[[int, int], None]) -> None:
        self.before: int | None = None
        self.interrupted = False
        self._service = service
        self._total = total
        self._tell = tell

    def __call__(self, done: int) -> None:
        if self.before is None:
            with self._service.asking() as cursor:
                self.before = point_at(cursor, self._service.clock, None).position
        if self.interrupted:
            raise CancelledError
        self._tell(done, self._total)

    def is_new(self, outcome: Outcome) -> bool:
        assert self.before is not None, "no outcome without progress"
        return isinstance(outcome, Answer) and outcome.position > self.before


def _counted(
    report: ImportReport, todo: Plan, outcomes: Iterable[Outcome], watch: _Watch
) -> ImportReport:
    new = Counter[tuple[StepKind, bool]]()
    for step, outcome in zip(todo.steps, outcomes, strict=True):
        new[step.kind, watch.is_new(outcome)] += 1
    return replace(
        report,
        deals=new[StepKind.OPENING, True],
        actions=new[StepKind.ACTION, True],
        managers=new[StepKind.MANAGER, True],
        repeated=todo.repeated + new[StepKind.OPENING, False] + new[StepKind.ACTION, False],
    )


def _refused(
    todo: Plan, outcomes: Iterable[Outcome], tables: Iterable[Table], language: Language
) -> list[RowError]:
    """A refusal for each row that is to blame; what only follows from another error is left out."""
    amiss = todo.deals_amiss.union(*(table.deals_amiss for table in tables))
    whole = all(table.whole for table in tables)
    errors = []
    for step, outcome in zip(todo.steps, outcomes, strict=True):
        if isinstance(outcome, Answer):
            continue
        if not isinstance(outcome, Refusal):
            raise outcome
        if step.kind is StepKind.OPENING:
            amiss.add(step.deal)
        elif isinstance(outcome, NotFound) and (step.deal in amiss or not whole):
            continue
        errors.append(_error(step.origin, _flaw(step, outcome, language), language))
    return errors


def _flaw(step: Step, refusal: Refusal, language: Language) -> Flaw:
    """The refusal as something wrong with the row."""
    if step.kind is StepKind.MANAGER:
        return Flaw("manager-exists", "manager", slug=step.order.key)
    subject = "action" if step.kind is StepKind.ACTION else "deal"
    if isinstance(refusal, IdempotencyKeyReused):
        return Flaw(f"changed-{subject}", subject)
    if isinstance(refusal, NotFound):
        return Flaw("unknown-deal", "deal", given=step.deal)
    column = _BLAMED.get(type(refusal), step.dated_by)
    return Flaw("refused", column, why=explain(refusal, language)[1])


_BLAMED: Mapping[type[Refusal], str] = {
    UnknownActionType: "action_type",
    ActionTypeNotInForce: "action_type",
    ActionLimitReached: "action_type",
    EvidenceRequired: "evidence",
    UnknownManager: "manager",
}
"""The column that a rule speaks about, where it is not the date."""


def _error(origin: Origin, flaw: Flaw, language: Language) -> RowError:
    column = origin.headings.get(flaw.column, flaw.column) if flaw.column else None
    return RowError(origin.file, origin.line, column, sentence(flaw, language))


def _in_order(errors: Iterable[RowError], files: Sequence[str]) -> tuple[RowError, ...]:
    """By file as given and line, each once: an opening and an end may be refused for one reason."""
    once = dict.fromkeys(errors)
    return tuple(sorted(once, key=lambda error: (files.index(error.file), error.line)))
