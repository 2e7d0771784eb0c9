"""The log's name, and the keys by which it signs.

A private key is in a file outside the database, so that nobody signs who has the database alone;
the database knows the public ones, and of each from which size on and up to which it was used. A
service with another key than the log's signs nothing: a key comes in place of another only by
`rotate`, which both of them sign.
"""

import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, LiteralString, NamedTuple

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_pem_private_key,
)
from psycopg import Cursor

from projections.evidence.notes import VerifierKey, verifier_key

_ORIGIN: LiteralString = "SELECT origin FROM evidence.log"
_NAME: LiteralString = "INSERT INTO evidence.log (origin) VALUES (%s) ON CONFLICT DO NOTHING"
IN_ORDER: LiteralString = "FROM evidence.keys ORDER BY from_size, retired_at_size"
"""The order in which they were used."""
_KEYS: LiteralString = f"SELECT vkey, from_size, retired_at_size {IN_ORDER}"
_ACTIVE: LiteralString = "SELECT vkey FROM evidence.keys WHERE retired_at_size IS NULL"
_ANNOUNCE: LiteralString = """
INSERT INTO evidence.keys (key_hash, vkey, from_size) VALUES (%s, %s, %s)
"""
_RETIRE: LiteralString = """
UPDATE evidence.keys SET retired_at_size = %s WHERE retired_at_size IS NULL
"""


class CannotSign(Exception):
    """`str()` says what is missing, `mend` what to do."""

    def __init__(self, missing: str, mend: str) -> None:
        super().__init__(missing)
        self.mend = mend


class Key(NamedTuple):
    """Used from the size `from_size` on; `retired_at_size` None: still."""

    vkey: str
    from_size: int
    retired_at_size: int | None


def origin_of(cursor: Cursor[Any], host: str) -> str:
    """The log's name: made once, of the service's `host`, and the same for ever."""
    row = cursor.execute(_ORIGIN).fetchone()
    if row is None:
        cursor.execute(_NAME, [f"{host}/log/{secrets.token_hex(4)}"])
        row = cursor.execute(_ORIGIN).fetchone()
    assert row is not None
    return str(row[0])


def keys_of(cursor: Cursor[Any]) -> list[Key]:
    """In the order in which they were used."""
    return [Key(*row) for row in cursor.execute(_KEYS)]


def signing_key(
    cursor: Cursor[Any], file: Path | None, origin: str, *, size: int | None = None
) -> Ed25519PrivateKey:
    """The log's, from `file`. With `size`, that of the first checkpoint, a log that has none yet
    gets one, made where no file is. Raises CannotSign.
    """
    if file is None:
        raise CannotSign("there is no signing key", "set DEALFOLIO_SIGNING_KEY_FILE")
    active = [vkey for (vkey,) in cursor.execute(_ACTIVE)]
    if not active and size is not None and not file.exists():
        _make(file)
    key = _read(file)
    vkey = verifier_key(origin, key)
    if not active and size is not None:
        announce(cursor, key, origin, size)
    elif active != [vkey.text]:
        mend = "put back the log's own, or make another one with `dealfolio audit rotate-key`"
        known = active[0] if active else "none yet"
        raise CannotSign(f"{file} holds {vkey.text}; the log's key is {known}", mend)
    return key


def verifier_key_now(cursor: Cursor[Any], file: Path | None) -> str:
    """Of the key that signs; empty as long as the first is not made. Raises CannotSign."""
    known = cursor.execute(_ORIGIN).fetchone()
    used = cursor.execute(_ACTIVE).fetchone()
    if file is not None and (known is None or used is None):
        return ""
    origin = known[0] if known else ""
    return verifier_key(origin, signing_key(cursor, file, origin)).text


def announce(cursor: Cursor[Any], key: Ed25519PrivateKey, origin: str, size: int) -> VerifierKey:
    """From `size` on it is the log's."""
    vkey = verifier_key(origin, key)
    cursor.execute(_ANNOUNCE, [vkey.hash, vkey.text, size])
    return vkey


def retire(cursor: Cursor[Any], size: int) -> None:
    """Whichever key was the log's signs nothing beyond `size`."""
    cursor.execute(_RETIRE, [size])


@contextmanager
def replaced(file: Path, old: Ed25519PrivateKey | None, origin: str) -> Iterator[Ed25519PrivateKey]:
    """A new key in `file`, and the old one kept beside it; as before when what is done with it
    fails. `old` None: it is lost. Raises CannotSign.
    """
    kept = None
    if old is not None:
        kept = file.with_name(f"{file.name}.{verifier_key(origin, old).hash.hex()}")
        file.rename(kept)
    elif file.exists():
        raise CannotSign(f"{file} is not lost", "move it away if nobody can read it")
    try:
        _make(file)
        yield _read(file)
    except BaseException:
        if kept is None:
            file.unlink(missing_ok=True)
        else:
            kept.replace(file)
        raise


def _read(file: Path) -> Ed25519PrivateKey:
    """Raises CannotSign."""
    mend = "put it back; if it is lost for good, `dealfolio audit rotate-key --lost`"
    try:
        key = load_pem_private_key(file.read_bytes(), password=None)
    except (OSError, ValueError, TypeError, UnsupportedAlgorithm) as error:
        raise CannotSign(f"no key can be read from {file}: {error}", mend) from error
    if not isinstance(key, Ed25519PrivateKey):
        raise CannotSign(f"{file} is no key of Ed25519", mend)
    return key


def _make(file: Path) -> None:
    """One that is there stays. Raises CannotSign."""
    whole = Ed25519PrivateKey.generate().private_bytes(
        Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()
    )
    try:
        with written_aside(file, whole) as aside, suppress(FileExistsError):
            os.link(aside, file)  # unless another process was faster
    except OSError as error:
        mend = "let the service write there, or set DEALFOLIO_SIGNING_KEY_FILE"
        raise CannotSign(f"no key can be made in {file}: {error}", mend) from error


@contextmanager
def written_aside(file: Path, whole: bytes) -> Iterator[Path]:
    """A file beside `file`, for its owner alone, which is safely on the disk: to be put in its
    place whole or not at all.
    """
    aside = file.with_name(f".{file.name}.{secrets.token_hex(4)}")
    try:
        with os.fdopen(os.open(aside, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as out:
            out.write(whole)
            out.flush()
            os.fsync(out.fileno())
        yield aside
    finally:
        aside.unlink(missing_ok=True)
