"""What auditors take home from the command line, and what proves it."""

import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import date
from pathlib import Path
from typing import Annotated, Any, BinaryIO

import typer
from psycopg import Cursor

from api.audit.audit_verifier import check_file
from api.audit.bundle import bundle_lines
from api.operating.shown import ERRORS, OUT, progress
from api.operating.terminal import (
    Data,
    database,
    fail,
    known_manager,
    language_here,
    point_of,
    service_on,
    settings_of,
)
from api.service import Service
from projections.evidence.checkpoints import newest_signed, rotate
from projections.journal import Format, Journal
from projections.point import BEYOND, Knowledge, point_at, settled_at

app = typer.Typer(help="What auditors take home, and what proves it.", no_args_is_help=True)


@app.command(name="bundle")
def bundle(
    output: Annotated[
        Path, typer.Option("-o", "--output", help="The file to write.", dir_okay=False)
    ],
    manager: Annotated[str | None, typer.Option(help="Only this manager's deals.")] = None,
    as_of: Annotated[str | None, typer.Option(metavar="YYYY-MM-DD")] = None,
    known_at: Annotated[str | None, typer.Option(metavar="YYYY-MM-DD or instant")] = None,
    kept: Annotated[
        int | None, typer.Option(min=0, help="Size of a checkpoint that was kept earlier.")
    ] = None,
    data: Data = None,
) -> None:
    """Write a portfolio with all that proves it; without a manager everybody's, with the log."""
    settings = settings_of(data=data)
    with database(settings) as conninfo, service_on(conninfo, settings) as service:
        day, knowledge = point_of(as_of, known_at)
        with service.asking() as cursor:
            point = settled_at(cursor, service.clock, day, knowledge)
            who = known_manager(service, cursor, manager, point.position)
            lines = bundle_lines(service, cursor, point, who, kept)
            if kept is not None:
                _say_if_of_another_log(cursor, kept)
            with _whole(output) as file:
                file.writelines(lines)


def _say_if_of_another_log(cursor: Cursor[Any], kept: int) -> None:
    """Said, and no refusal: the bundle is what the finding can be shown by."""
    signed = newest_signed(cursor)
    if signed is not None and kept > signed.size:
        ERRORS.print(
            f"The log has {signed.size} events: a checkpoint of {kept} is none of it, and nothing"
            " is proven from there. That is a finding."
        )


@app.command(name="verify")
def verify_bundle(
    file: Annotated[Path, typer.Argument(help="A bundle.", exists=True, dir_okay=False)],
    key: Annotated[str | None, typer.Option(help="The log's public key, or a file.")] = None,
    kept: Annotated[
        Path | None, typer.Option(help="A checkpoint that was kept earlier.", exists=True)
    ] = None,
    witness: Annotated[
        list[str] | None,
        typer.Option(help="The public key of a witness whom you trust, or a file; repeatable."),
    ] = None,
    language: Annotated[str | None, typer.Option(metavar="ru|en")] = None,
) -> None:
    """Check a bundle, without a database: what `python audit_verifier.py` does."""
    try:
        words, holds = check_file(file, key, kept, witness or [], language or language_here())
    except (OSError, UnicodeDecodeError) as error:
        fail(f"{file}: {error}")
    OUT.print(words, markup=False, highlight=False, soft_wrap=True)
    if not holds:
        raise typer.Exit(1)


@app.command(name="rotate-key")
def rotate_key(
    data: Data = None,
    *,
    lost: Annotated[
        bool, typer.Option("--lost", help="The old key is gone: nobody vouches for the new one.")
    ] = False,
) -> None:
    """Make a new signing key, which the old one vouches for; the old one is kept beside it."""
    settings = settings_of(data=data)
    file = settings.signing_key_file
    if file is None:
        fail("There is no signing key: set DEALFOLIO_SIGNING_KEY_FILE.")
    with database(settings) as conninfo, service_on(conninfo, settings) as service:
        service.proving.catch_up()
        with service.asking() as cursor:
            vkey = rotate(cursor, file, settings.log_host, lost=lost)
    OUT.print(f"The key is now\n{vkey}", highlight=False, soft_wrap=True)


@app.command()
def journal(
    format_: Annotated[Format, typer.Option("--format", help="Which program reads it.")],
    output: Annotated[
        Path | None,
        typer.Option("--output", "-o", help="A file; without it, standard output.", dir_okay=False),
    ] = None,
    as_of: Annotated[str | None, typer.Option(metavar="YYYY-MM-DD")] = None,
    known_at: Annotated[str | None, typer.Option(metavar="YYYY-MM-DD or instant")] = None,
    manager: Annotated[str | None, typer.Option(help="Only this manager's.")] = None,
    data: Data = None,
) -> None:
    """The ledger as a journal of hledger or beancount, which add it up by themselves."""
    settings = settings_of(data=data)
    day, knowledge = point_of(as_of, known_at)
    with (
        database(settings) as conninfo,
        service_on(conninfo, settings) as service,
        progress("Postings") as told,
    ):
        write_journal(service, format_, output, day, knowledge, manager, told)


def write_journal(
    service: Service,
    format_: Format,
    output: Path | None,
    as_of: date | None,
    knowledge: Knowledge,
    manager: str | None,
    progress: Callable[[int, int], None],
) -> None:
    """Into a file, or to standard output. Raises NotFound, InTheFuture, Invalid."""
    with service.asking() as cursor:
        point = point_at(cursor, service.clock, as_of, knowledge)
        who = known_manager(service, cursor, manager, BEYOND)
    made = Journal(service.reading(point), point, None if who is None else {who})
    total = made.count()
    pieces = made.text(format_, service.settings.zone, lambda done: progress(done, total))
    if output is None:
        sys.stdout.writelines(pieces)
        return
    with _whole(output) as file:
        file.writelines(piece.encode() for piece in pieces)


@contextmanager
def _whole(output: Path) -> Iterator[BinaryIO]:
    """A file that is there only when it is whole: half of it would look like all."""
    unfinished = output.with_name(f".{output.name}.{os.getpid()}")
    try:
        with unfinished.open("wb") as file:
            yield file
        unfinished.replace(output)
    except OSError as error:
        fail(f"{output}: {error.strerror}")
    finally:
        unfinished.unlink(missing_ok=True)
