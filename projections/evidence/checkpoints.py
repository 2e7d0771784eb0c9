"""Checkpoints: what was signed of the tree, for ever, and who signed it too.

Whoever has kept one can prove of every later tree that it begins with that one. So nothing is ever
signed that does not: of no smaller tree than before, and of none that has become another meanwhile.
"""

from collections.abc import Collection, Iterable
from datetime import datetime
from pathlib import Path
from typing import Any, LiteralString, NamedTuple

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from psycopg import Cursor

from projections.evidence import keys, tiles
from projections.evidence.follower import is_alone
from projections.evidence.merkle import root
from projections.evidence.notes import (
    COSIGNATURE,
    Checkpoint,
    Note,
    Signature,
    VerifierKey,
    signed,
)

_NEWEST: LiteralString = """
SELECT size, note FROM evidence.checkpoints ORDER BY size DESC LIMIT 1
"""
_KEEP: LiteralString = """
INSERT INTO evidence.checkpoints (size, note) VALUES (%s, %s) ON CONFLICT DO NOTHING
"""
_WHOLE: LiteralString = """
note || array_to_string(array(
    SELECT line FROM evidence.cosignatures WHERE size = one.size ORDER BY received_at, witness
), '')
"""
_ONE: LiteralString = f"SELECT {_WHOLE} FROM evidence.checkpoints AS one WHERE size = %s"
_SIGNED: LiteralString = f"""
SELECT origin, size, {_WHOLE},
       array(SELECT vkey {keys.IN_ORDER}),
       array(SELECT note FROM evidence.rotations ORDER BY size, note)
FROM evidence.log, (SELECT * FROM evidence.checkpoints ORDER BY size DESC LIMIT 1) AS one
"""
_PAGE: LiteralString = """
SELECT size, signed_at, note FROM evidence.checkpoints
WHERE size < %s ORDER BY size DESC LIMIT %s
"""
_COSIGN: LiteralString = """
INSERT INTO evidence.cosignatures (size, witness, line) VALUES (%s, %s, %s) ON CONFLICT DO NOTHING
"""
_KEEP_ROTATION: LiteralString = "INSERT INTO evidence.rotations (size, note) VALUES (%s, %s)"


class Forked(Exception):
    """The tree is not a later state of what was signed before. Nothing is signed any more: who kept
    the earlier checkpoint would find out, and rightly so.
    """


class Listed(NamedTuple):
    size: int
    signed_at: datetime
    note: str


class Signed(NamedTuple):
    """The newest checkpoint as it was signed, with the witnesses' lines; and by what that is
    verified: the keys in the order in which they were used, and the notes that are signed by the
    key before and the key after.
    """

    origin: str
    size: int
    note: str
    keys: list[str]
    rotations: list[str]


def newest_signed(cursor: Cursor[Any]) -> Signed | None:
    """With one look, whatever it says."""
    row = cursor.execute(_SIGNED).fetchone()
    return None if row is None else Signed(*row)


def newest(cursor: Cursor[Any]) -> Checkpoint | None:
    row = cursor.execute(_NEWEST).fetchone()
    return None if row is None else _checkpoint(row[1])


def checkpoint_note(cursor: Cursor[Any], size: int) -> str | None:
    """As it was signed, with the witnesses' lines; None when that size was not signed."""
    row = cursor.execute(_ONE, [size]).fetchone()
    return None if row is None else row[0]


def page(cursor: Cursor[Any], below: int, limit: int) -> list[Listed]:
    """Those of a smaller size than `below`, the greatest first; as the log has signed them."""
    return [Listed(*row) for row in cursor.execute(_PAGE, [below, limit])]


def sign(cursor: Cursor[Any], file: Path | None, host: str, *, patiently: bool = False) -> bool:
    """Sign the tree as it is, when it has grown; whether it was signed now. Raises CannotSign,
    Forked.
    """
    with cursor.connection.transaction():
        if not is_alone(cursor, patiently=patiently):
            return False
        size, before = tiles.size_of(cursor), newest(cursor)
        if not size or (before is not None and before.size == size):
            return False
        origin = keys.origin_of(cursor, host)
        require_no_fork(cursor, file, size)
        key = keys.signing_key(cursor, file, origin, size=size)
        assert file is not None, "a key was read from it"
        _sign(cursor, file, origin, size, key)
        return True


def rotate(cursor: Cursor[Any], file: Path, host: str, *, lost: bool = False) -> str:
    """Another key in the place of the one in `file`, which both sign; its verifier key. The note
    names it in a line of its own (an extension, C2SP tlog-checkpoint): so nobody can take it for a
    change from the new key to the old. When the old one is `lost` nobody vouches for the new one,
    and who has trusted the old one must be told. Raises CannotSign, Forked.
    """
    with cursor.connection.transaction():
        is_alone(cursor, patiently=True)
        size = tiles.size_of(cursor)
        origin = keys.origin_of(cursor, host)
        require_no_fork(cursor, file, size)
        old = None if lost else keys.signing_key(cursor, file, origin)
        with keys.replaced(file, old, origin) as new:
            keys.retire(cursor, size)
            vkey = keys.announce(cursor, new, origin, size)
            both = [new] if old is None else [old, new]
            note = _sign(cursor, file, origin, size, *both, more=f"{vkey.text}\n")
            if old is not None:
                cursor.execute(_KEEP_ROTATION, [size, note])
        return vkey.text


def _sign(
    cursor: Cursor[Any],
    file: Path,
    origin: str,
    size: int,
    *by: Ed25519PrivateKey,
    more: str = "",
) -> str:
    """The note, which is remembered beside the key, too. Raises CannotSign."""
    whole = Checkpoint(origin, size, root(tiles.reader(cursor), size))
    note = str(signed(whole.text + more, origin, *by))
    cursor.execute(_KEEP, [size, note])
    beside = _last_signed_file(file)
    try:
        with keys.written_aside(beside, note.encode()) as aside:
            aside.replace(beside)
    except OSError as error:
        mend = "keep the key where the service may write beside it"
        raise keys.CannotSign(f"{beside} cannot be written: {error}", mend) from error
    return note


def require_no_fork(cursor: Cursor[Any], file: Path | None, size: int) -> None:
    """That the tree of `size` leaves begins with the newest checkpoint, and with the last one that
    was signed here: a database that was restored knows nothing of it, and what is recorded in it
    since would be signed under sizes that were signed before. Raises Forked.
    """
    before = newest(cursor)
    if before is None:
        return
    require_later(cursor, before, size)
    beside = None if file is None else _last_signed_file(file)
    if beside is not None and beside.exists():
        last = _checkpoint(beside.read_text(encoding="utf-8"))
        if last.origin == before.origin and last != before:
            require_later(cursor, last, size, beside)


def require_later(
    cursor: Cursor[Any], before: Checkpoint, size: int, said_by: Path | None = None
) -> None:
    """That the tree of `size` leaves begins with that of the checkpoint before. Raises Forked."""
    told = "" if said_by is None else f", as {said_by} says"
    if before.size > size:
        raise Forked(f"{before.size} leaves were signed{told}, and the tree has {size}")
    if root(tiles.reader(cursor), before.size) != before.root:
        raise Forked(f"the first {before.size} leaves are not those that were signed{told}")


def _last_signed_file(key: Path) -> Path:
    return key.with_name(f"{key.name}.signed")


def _checkpoint(note: str) -> Checkpoint:
    return Checkpoint.parse(note.partition("\n\n")[0] + "\n")


# ---------------------------------------------------------------------------- witnesses


class NotCosigned(Exception):
    """No witness that is known has signed this checkpoint by that line."""


def cosign(
    cursor: Cursor[Any], size: int, lines: Iterable[str], witnesses: Collection[VerifierKey]
) -> int | None:
    """Keep the witnesses' signatures under the checkpoint of that size: how many; None when that
    size was not signed. Raises NotCosigned, MalformedNote.
    """
    found = checkpoint_note(cursor, size)
    if found is None:
        return None
    text = Note.parse(found).text
    kept = [(_witness(Signature.parse(line), text, witnesses), line) for line in lines]
    if not kept:
        raise NotCosigned("there is no line")
    for witness, line in kept:
        cursor.execute(_COSIGN, [size, witness.text, line + "\n"])
    return len(kept)


def _witness(signature: Signature, text: str, witnesses: Collection[VerifierKey]) -> VerifierKey:
    for witness in witnesses:
        if witness.algorithm == COSIGNATURE and signature.is_by(witness):
            if witness.has_signed(text, signature.signature):
                return witness
            raise NotCosigned(f"{signature.name} has not signed this checkpoint")
    raise NotCosigned(f"{signature.name} is no witness of this log")
