"""Signed notes and checkpoints, as C2SP has them (signed-note, tlog-checkpoint, tlog-cosignature).

A note is a text that ends with a line break, an empty line, and signatures, a line each:
`— <name> <base64 of the key's 4 byte hash and the signature>`. A checkpoint is a note that says
which log, how many leaves, and their root. Pure, but for what `cryptography` does.
"""

import re
from base64 import b64decode, b64encode
from hashlib import sha256
from typing import NamedTuple

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

ED25519 = 0x01
"""Of keys that sign a note's text."""
COSIGNATURE = 0x04
"""Of witnesses' keys, which sign the text with a time before it."""
_NAME = re.compile(r"[^\s+]+")
_SIGNATURE = re.compile(r"— (?P<name>[^\s+]+) (?P<blob>[A-Za-z0-9+/]+={0,2})")
_SIZE = re.compile(r"0|[1-9][0-9]{0,18}", re.ASCII)


class MalformedNote(ValueError):
    """Not a note, a checkpoint or a verifier key."""


class VerifierKey(NamedTuple):
    """A public key, whose name and algorithm belong to it. `hash` is four bytes."""

    name: str
    algorithm: int
    public: bytes

    @property
    def hash(self) -> bytes:
        told = self.name.encode() + b"\n" + bytes([self.algorithm]) + self.public
        return sha256(told).digest()[:4]

    @property
    def text(self) -> str:
        """`<name>+<hash, 8 hex>+<base64 of algorithm and key>`."""
        key = b64encode(bytes([self.algorithm]) + self.public).decode()
        return f"{self.name}+{self.hash.hex()}+{key}"

    @classmethod
    def parse(cls, text: str) -> "VerifierKey":
        """Raises MalformedNote."""
        name, _, rest = text.partition("+")
        told, _, key = rest.partition("+")
        try:
            known = b64decode(key, validate=True)
        except ValueError:
            known = b""
        if len(known) != 33 or known[0] not in {ED25519, COSIGNATURE} or not _NAME.fullmatch(name):
            raise MalformedNote(f"{text} is no verifier key of Ed25519")
        found = cls(name, known[0], known[1:])
        if found.hash.hex() != told:
            raise MalformedNote(f"{text} is mistyped: its hash would be {found.hash.hex()}")
        return found

    def has_signed(self, text: str, signature: bytes) -> bool:
        """Whether the signature is this key's under the text of a note."""
        said = text
        if self.algorithm == COSIGNATURE:
            said = cosigned(int.from_bytes(signature[:8], "big"), text)
            signature = signature[8:]
        try:
            Ed25519PublicKey.from_public_bytes(self.public).verify(signature, said.encode())
        except InvalidSignature:
            return False
        return True


class Signature(NamedTuple):
    """A line below a note, of whatever kind; `key_hash` is four bytes."""

    name: str
    key_hash: bytes
    signature: bytes

    @property
    def line(self) -> str:
        """With its line break."""
        return f"— {self.name} {b64encode(self.key_hash + self.signature).decode()}\n"

    @classmethod
    def parse(cls, line: str) -> "Signature":
        """From a line without its break. Raises MalformedNote."""
        if found := _SIGNATURE.fullmatch(line):
            try:
                blob = b64decode(found["blob"], validate=True)
            except ValueError:
                blob = b""
            if len(blob) > 4:
                return cls(found["name"], blob[:4], blob[4:])
        raise MalformedNote(f"no line of a signature: {line[:100]}")

    def is_by(self, key: VerifierKey) -> bool:
        """Whether it says so; whether that is true is the key's to say."""
        return (self.name, self.key_hash) == (key.name, key.hash)


class Note(NamedTuple):
    """`text` ends with a line break."""

    text: str
    signatures: tuple[Signature, ...]

    def __str__(self) -> str:
        return self.text + "\n" + "".join(one.line for one in self.signatures)

    @classmethod
    def parse(cls, note: str) -> "Note":
        """Raises MalformedNote."""
        text, found, lines = note.rpartition("\n\n")
        if not found or not lines.endswith("\n"):
            raise MalformedNote("a note has an empty line above its signatures, and ends a line")
        return cls(text + "\n", tuple(map(Signature.parse, lines[:-1].split("\n"))))

    def is_signed_by(self, key: VerifierKey) -> bool:
        ours = [one.signature for one in self.signatures if one.is_by(key)]
        return any(key.has_signed(self.text, one) for one in ours)


class Checkpoint(NamedTuple):
    """What a log says of itself: its name, how many leaves it has, and their root."""

    origin: str
    size: int
    root: bytes

    @property
    def text(self) -> str:
        return f"{self.origin}\n{self.size}\n{b64encode(self.root).decode()}\n"

    @classmethod
    def parse(cls, text: str) -> "Checkpoint":
        """From the text of a note; further lines are others' business. Raises MalformedNote."""
        lines = text.split("\n")
        if len(lines) < 4 or not lines[0] or not _SIZE.fullmatch(lines[1]):
            raise MalformedNote("a checkpoint has lines for the origin, the size and the root")
        try:
            root = b64decode(lines[2], validate=True)
        except ValueError:
            root = b""
        if len(root) != 32:
            raise MalformedNote("a checkpoint's root is 32 bytes in base64")
        return cls(lines[0], int(lines[1]), root)


def verifier_key(name: str, private: Ed25519PrivateKey) -> VerifierKey:
    """By which the signatures of `private` are verified."""
    return VerifierKey(name, ED25519, private.public_key().public_bytes_raw())


def signed(text: str, name: str, *keys: Ed25519PrivateKey) -> Note:
    """By all of `keys`, under one name."""
    return Note(
        text,
        tuple(
            Signature(name, verifier_key(name, key).hash, key.sign(text.encode())) for key in keys
        ),
    )


def cosigned(seconds: int, text: str) -> str:
    """What a witness signs who saw the checkpoint `text` so many seconds after 1970."""
    return f"cosignature/v1\ntime {seconds}\n{text}"
