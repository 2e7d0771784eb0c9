"""Check an audit bundle of Dealfolio, at home, without trusting whoever made it.

    python audit_verifier.py BUNDLE [--key KEY] [--kept CHECKPOINT] [--witness KEY ...]
                             [--language ru|en]

Needs Python 3.11 and the package `cryptography`; nothing of Dealfolio, no network. It ends with 0
only when everything holds. From the top: notes and signatures (C2SP signed-note, tlog-checkpoint,
tlog-cosignature), the tree (RFC 6962), the chain of each stream, completeness, the books folded by
rules of its own (the company's are not used), the comparison of every figure, and the words in
which it tells.

Every line of a bundle is one JSON object: a head, then the events of the log (one manager's: the
deals they have anything in), what proves them, and the result that is claimed. Nothing in it is
believed: each thing is read strictly, hashed anew, and led to the signed root.

Units: money in kopecks, weights in basis points, value in their product, 1/10 000 of a kopeck.
Dates are text, `YYYY-MM-DD`, and compare as they are; `as_of` and `position` are inclusive.
"""

import argparse
import gzip
import json
import os
import re
import sys
import zlib
from base64 import b64decode
from bisect import bisect_left, insort
from calendar import monthrange
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import partial
from hashlib import sha256
from pathlib import Path
from typing import Any, NamedTuple

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

FORMAT, RULES = "dealfolio-audit-bundle/1", "dealfolio-books/1"
MOST_LINE = 2**28
"""Bytes; what is longer was never a bundle's, and is not read to its end."""
Json = dict[str, Any]


class Wrong(Exception):
    """Something that does not hold; `what` names its sentence in WORDS, `facts` fill it in."""

    def __init__(self, what: str, **facts: object) -> None:
        super().__init__(what, facts)
        self.what, self.facts = what, facts


Finding = tuple[str, Mapping[str, object]]


@dataclass
class Report:
    """What was checked and holds, what could not be checked, and what is wrong."""

    checked: list[Finding] = field(default_factory=list)
    unchecked: list[Finding] = field(default_factory=list)
    wrong: list[Finding] = field(default_factory=list)

    @property
    def holds(self) -> bool:
        return not self.wrong

    def ok(self, what: str, **facts: object) -> None:
        self.checked.append((what, facts))

    def open(self, what: str, **facts: object) -> None:
        self.unchecked.append((what, facts))

    def no(self, what: str, **facts: object) -> None:
        self.wrong.append((what, facts))

    @contextmanager
    def part(self, name: str) -> Iterator[None]:
        """One part of the check: what is wrong in it is told, and the next part goes on."""
        try:
            yield
        except Wrong as wrong:
            self.wrong.append((wrong.what, wrong.facts))
        except _MISSHAPEN as error:
            self.no("misshapen", part=name, error=f"{type(error).__name__}: {error}")


_MISSHAPEN = (LookupError, TypeError, ValueError, AttributeError, RecursionError)
"""What Python says of a thing that has not the shape it should have."""


def verify(
    lines: Iterable[bytes],
    key: str | None = None,
    kept: str | None = None,
    witnesses: Iterable[str] = (),
) -> Report:
    """`lines` of a bundle; `key` the log's public key (vkey) as learnt elsewhere; `kept` the text
    of a checkpoint that was kept earlier; `witnesses` the keys of those who must have signed, too.
    """
    report = Report()
    with report.part("bundle"):
        reading = objects(lines)
        head = Head.read(next(reading))
        checkpoint = Checkpoint.read(head.checkpoint)
        with report.part("signature"):
            check_signature(report, head, checkpoint, key)
        whole = head.manager_id is None
        log = read_whole_log(report, reading) if whole else read_streams(report, reading)
        with report.part("tree"):
            check_tree(report, head, log, checkpoint)
        earlier = None
        with report.part("kept"):
            earlier = check_kept(report, head, log, checkpoint, kept)
        with report.part("witnesses"):
            check_witnesses(report, checkpoint, earlier, witnesses)
        with report.part("point"):
            check_point(head, log)
        with report.part("closing"):
            (check_all_closings if whole else check_closing)(report, head, log)
        with report.part("result"):
            check_result(report, head, log)
        report.open("world")
    return report


# ------------------------------------------------------------------------------ reading, strictly


def objects(lines: Iterable[bytes]) -> Iterator[tuple[int, Json]]:
    """The numbered objects of the lines, up to the result, behind which nothing may stand."""
    ended = False
    for number, line in enumerate(lines, 1):
        if ended:
            raise Wrong("after-the-end", line=number)
        given = parsed(line, number)
        yield number, given
        ended = "result" in given
    if not ended:
        raise Wrong("cut-short")


def parsed(line: bytes, number: int) -> Json:
    """One JSON object: no key twice, no fraction, no number that another reader would round."""
    try:
        given = json.loads(
            line.decode(),
            object_pairs_hook=_each_once,
            parse_int=_whole,
            parse_float=_not_a_number,
            parse_constant=_not_a_number,
        )
        if b"\\u" in line:
            canonical(given)  # a half of a surrogate pair is no text
    except (ValueError, RecursionError) as error:
        raise Wrong("not-json", line=number, why=error) from error
    if not isinstance(given, dict):
        raise Wrong("not-json", line=number, why="not an object")
    return given


def _each_once(pairs: list[tuple[str, Any]]) -> Json:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise ValueError(f"a key twice: {[name for name, _ in pairs]}")
    return found


def _whole(text: str) -> int:
    if len(text) > 16 or abs(int(text)) >= 2**53:
        raise ValueError(f"not exact everywhere: {text[:40]}")
    return int(text)


def _not_a_number(text: str) -> float:
    raise ValueError(f"not a whole number: {text[:40]}")


def canonical(value: object) -> bytes:
    """RFC 8785 of what `parsed` lets pass, whose keys are ASCII."""
    text = json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    return text.encode()


def shaped(given: Json, shape: Mapping[str, type | tuple[type, ...]], more: Iterable[str]) -> bool:
    """Whether `given` has what `shape` says, and beside it `more` at most. A bool is no int."""
    known = {*shape, *more}
    return given.keys() <= known and all(
        type(given.get(name)) in (types if isinstance(types, tuple) else (types,))
        for name, types in shape.items()
    )


class Head(NamedTuple):
    """The first line: what the bundle claims to be, and the point at which it was asked for."""

    origin: str
    as_of: str
    known_at: str
    position: int
    manager_id: str | None
    currency: str
    checkpoint: str
    keys: list[str]
    rotations: list[str]
    consistency: Json | None = None

    @classmethod
    def read(cls, numbered: tuple[int, Json]) -> "Head":
        given = dict(numbered[1])
        if (given.pop("bundle", None), given.pop("rules", None)) != (FORMAT, RULES):
            raise Wrong("not-a-bundle", wanted=f"{FORMAT}, {RULES}")
        shape: dict[str, type | tuple[type, ...]] = {
            **dict.fromkeys(("origin", "as_of", "known_at", "currency", "checkpoint"), str),
            "position": int,
            "manager_id": (str, type(None)),
            "keys": list,
            "rotations": list,
        }
        is_whole = shaped(given, shape, ["consistency"])
        if not is_whole or not re.fullmatch(r"[0-9]{4}-[0-9]{2}-[0-9]{2}", given["as_of"]):
            raise Wrong("not-a-bundle", wanted=", ".join(shape))
        return cls(**given)


class Event(NamedTuple):
    """A fact of the log. `stated` is the leaf hash that the company's tree has of it."""

    position: int
    version: int
    stream: str
    type: str
    on: str
    recorded_at: str
    actor: str
    data: Json
    stated: bytes
    dated: bool
    completeness: Json | None

    @classmethod
    def read(cls, given: Json) -> "Event":
        shape: dict[str, type | tuple[type, ...]] = {
            **dict.fromkeys(("type", "stream_id", "recorded_at", "actor", "leaf"), str),
            "position": int,
            "version": int,
            "data": dict,
        }
        stream = given.get("stream_id")
        is_whole = shaped(given, shape, ["effective_on", "deal_id", "completeness"])
        if not is_whole or given.get("deal_id", stream) != stream:
            raise Wrong("event-misshapen", position=given.get("position", "?"))
        on = given.get("effective_on")
        return cls(
            given["position"], given["version"], given["stream_id"], given["type"], on or "",
            given["recorded_at"], given["actor"], given["data"], bytes.fromhex(given["leaf"]),
            on is not None, given.get("completeness"),
        )  # fmt: skip

    def leaf(self, previous: bytes | None) -> bytes:
        """Its leaf hash, as it follows from what is shown; `previous` is its stream's before it."""
        leaf: Json = {
            "actor": self.actor,
            "data_sha256": sha256(canonical(self.data)).hexdigest(),
            "position": self.position,
            "previous": None if previous is None else previous.hex(),
            "recorded_at": self.recorded_at,
            "stream_id": self.stream,
            "type": self.type,
            "version": self.version,
        }
        if self.dated:
            leaf["effective_on"] = self.on
        if self.completeness is not None:
            leaf["completeness"] = self.completeness
        return leaf_hash(canonical(leaf))


@dataclass
class Log:
    """What a bundle shows: events by stream in order of version, and the leaf hash of each of
    them that follows from what is shown, by index in the tree.
    """

    streams: dict[str, list[Event]] = field(default_factory=dict)
    leaves: dict[int, bytes] = field(default_factory=dict)
    heads: dict[int, bytes] = field(default_factory=dict)
    nodes: dict[str, bytes] = field(default_factory=dict)
    closing: Json | None = None
    result: Json = field(default_factory=dict)

    @property
    def deals(self) -> dict[str, list[Event]]:
        return {one: events for one, events in self.streams.items() if events[0].type in DEAL}

    @property
    def events(self) -> Iterator[Event]:
        return (event for events in self.streams.values() for event in events)

    def leaf(self, event: Event) -> bytes:
        return self.leaves[event.position - 1]


# ------------------------------------------------------------------------------ notes, signatures


SIGNER, WITNESS = 0x01, 0x04
"""Of a log's keys, which sign a note's text; of witnesses', which sign it with a time before it."""
BEYOND = 253_402_300_800
"""Seconds from 1970 to the year 10000, which no calendar here has."""


class Signature(NamedTuple):
    """A line below a note: whose it says that it is, by name and hash of the key, and the rest."""

    name: str
    hash: bytes
    signed: bytes


class Key(NamedTuple):
    """An Ed25519 public key, from its text `name+hash+base64(algorithm || key)` (C2SP signed-note,
    tlog-cosignature).
    """

    name: str
    hash: bytes
    public: bytes
    vkey: str

    @classmethod
    def read(cls, vkey: str, algorithm: int = SIGNER, what: str = "key-unreadable") -> "Key":
        try:
            name, hash_, text = vkey.strip().split("+", 2)
            material = b64decode(text, validate=True)
            own = sha256(name.encode() + b"\n" + material).digest()[:4]
        except (ValueError, AttributeError) as error:
            raise Wrong(what, key=str(vkey)[:120]) from error
        if own.hex() != hash_ or len(material) != 33 or material[0] != algorithm:
            raise Wrong(what, key=vkey[:120])
        return cls(name, own, material[1:], vkey.strip())

    def is_of(self, line: Signature) -> bool:
        """Whether the line says so."""
        return (line.name, line.hash) == (self.name, self.hash)

    def has_signed(self, note: "Checkpoint") -> bool:
        return any(
            self.verifies(line.signed, note.text) for line in note.signatures if self.is_of(line)
        )

    def witnessed(self, line: Signature, note: "Checkpoint") -> str | None:
        """When, as a witness, in UTC; None: the line is not what this key signed of this note."""
        seconds = int.from_bytes(line.signed[:8], "big")
        if seconds >= BEYOND or not self.verifies(
            line.signed[8:], f"cosignature/v1\ntime {seconds}\n{note.text}"
        ):
            return None
        return f"{datetime.fromtimestamp(seconds, UTC):%Y-%m-%d %H:%M:%S} UTC"

    def verifies(self, signed: bytes, text: str) -> bool:
        try:
            Ed25519PublicKey.from_public_bytes(self.public).verify(signed, text.encode())
        except InvalidSignature:
            return False
        return True


class Checkpoint(NamedTuple):
    """How the log stood: its name, the number of its events, the root of their tree; and in a
    change of keys, the new key.
    """

    origin: str
    size: int
    root: bytes
    text: str = ""
    signatures: tuple[Signature, ...] = ()
    more: tuple[str, ...] = ()

    @classmethod
    def read(cls, note: str, what: str = "checkpoint-unreadable") -> "Checkpoint":
        text, _, below = note.replace("\r\n", "\n").rpartition("\n\n")
        try:
            origin, size, root, *more = text.split("\n")
            hash_ = b64decode(root, validate=True)
        except ValueError as error:
            raise Wrong(what) from error
        if not re.fullmatch(r"0|[1-9][0-9]{0,15}", size) or len(hash_) != 32:
            raise Wrong(what)
        return cls(origin, int(size), hash_, f"{text}\n", tuple(signatures(below)), tuple(more))


def signatures(lines: str) -> Iterator[Signature]:
    """Of the lines below a note; one that is none says nothing."""
    for line in lines.split("\n"):
        if found := re.fullmatch(r"— ([^\s+]+) ([A-Za-z0-9+/]+={0,2})", line):
            try:
                blob = b64decode(found[2], validate=True)
            except ValueError:
                continue
            yield Signature(found[1], blob[:4], blob[4:])


def check_signature(report: Report, head: Head, checkpoint: Checkpoint, given: str | None) -> None:
    """By the key that is trusted, or one to which a rotation, signed by both, leads from it."""
    if head.origin != checkpoint.origin:
        raise Wrong("other-log", claimed=head.origin, signed=checkpoint.origin)
    shown = [Key.read(vkey) for vkey in head.keys]
    until: dict[Key, int | None] = dict.fromkeys(shown)
    if given is not None:
        until = {(current := Key.read(given)): None}
        for note in sorted(map(Checkpoint.read, head.rotations), key=lambda one: one.size):
            new = Key.read(note.more[0])
            signed = current.has_signed(note) and new.has_signed(note)
            if signed and note.origin == head.origin and new not in until:
                until |= {current: note.size, new: None}
                current = new
                report.ok("rotation", size=note.size, key=new.vkey)
    signers = [key for key in until if key.name == head.origin and key.has_signed(checkpoint)]
    if not signers:
        keys = ", ".join(key.vkey for key in until)
        raise Wrong("not-signed" if given is None else "wrong-key", keys=keys or "–")
    if all((end := until[key]) is not None and end < checkpoint.size for key in signers):
        raise Wrong("retired-key", key=signers[0].vkey, size=until[signers[0]])
    report.ok("signature", origin=head.origin, size=checkpoint.size, key=signers[-1].vkey)
    if given is None:
        report.open("whose-key", key=signers[-1].vkey)


def check_kept(
    report: Report, head: Head, log: Log, checkpoint: Checkpoint, kept: str | None
) -> Checkpoint | None:
    """Nothing that the kept checkpoint covers was changed since, or taken out. The kept one."""
    if kept is None:
        report.open("no-kept")
        return None
    earlier = Checkpoint.read(kept, "kept-unreadable")
    if earlier.origin != checkpoint.origin:
        raise Wrong("kept-other-log", kept=earlier.origin, here=checkpoint.origin)
    if not any(Key.read(vkey).has_signed(earlier) for vkey in head.keys):
        raise Wrong("kept-not-signed", size=earlier.size)
    whole = head.manager_id is None
    here = min(checkpoint.size, len(log.leaves)) if whole else checkpoint.size
    if earlier.size > here:
        raise Wrong("cut-off", kept=earlier.size, here=here)
    if whole:
        root = root_of(log.leaves[index] for index in range(earlier.size))
        holds = root == earlier.root
    else:
        proof = head.consistency or {"from_size": checkpoint.size, "hashes": []}
        if proof["from_size"] != earlier.size:
            raise Wrong("kept-no-proof", size=earlier.size)
        hashes = [b64decode(one, validate=True) for one in proof["hashes"]]
        holds = is_consistent(earlier, checkpoint, hashes)
    if not holds:
        raise Wrong("rewritten", size=earlier.size)
    report.ok("kept", size=earlier.size, here=checkpoint.size)
    return earlier


def check_witnesses(
    report: Report, checkpoint: Checkpoint, earlier: Checkpoint | None, witnesses: Iterable[str]
) -> None:
    """Each one that is trusted has signed this checkpoint, or the one that was kept, with which
    this log begins. Others who have signed are named: who they are nobody can tell from a file.
    """
    trusted = [Key.read(vkey, WITNESS, "witness-unreadable") for vkey in witnesses]
    for witness in trusted:
        with report.part("witnesses"):
            check_witness(report, witness, checkpoint, earlier)
    others = {
        line.name
        for line in checkpoint.signatures
        if line.name != checkpoint.origin and not any(key.is_of(line) for key in trusted)
    }
    if others:
        report.open("not-trusted", names=", ".join(sorted(others)), size=checkpoint.size)


def check_witness(
    report: Report, witness: Key, checkpoint: Checkpoint, earlier: Checkpoint | None
) -> None:
    """Whatever is signed in its name and by its key must be what it has signed."""
    notes = [checkpoint, *([] if earlier is None else [earlier])]
    named = [
        (note, line) for note in notes for line in note.signatures if line.name == witness.name
    ]
    own = [(note, line) for note, line in named if witness.is_of(line)]
    for note, line in own:
        if (at := witness.witnessed(line, note)) is None:
            raise Wrong("not-cosigned", witness=witness.name, size=note.size)
        report.ok("cosigned", witness=witness.name, size=note.size, at=at)
    if not own:
        what = "other-witness" if named else "no-witness"
        raise Wrong(what, witness=witness.name, size=checkpoint.size, key=witness.vkey)
    if (seen := max(note.size for note, _ in own)) < checkpoint.size:
        report.open("unwitnessed", witness=witness.name, first=seen + 1, last=checkpoint.size)


# ------------------------------------------------------------------------------ the tree (RFC 6962)


def leaf_hash(data: bytes) -> bytes:
    return sha256(b"\x00" + data).digest()


def parent(left: bytes, right: bytes) -> bytes:
    return sha256(b"\x01" + left + right).digest()


def root_of(leaves: Iterable[bytes]) -> bytes:
    """Of all leaves: perfect trees are joined as soon as two are of one size, the rest at last."""
    perfect: list[tuple[int, bytes]] = []
    for leaf in leaves:
        count, node = 1, leaf
        while perfect and perfect[-1][0] == count:
            count, node = 2 * count, parent(perfect.pop()[1], node)
        perfect.append((count, node))
    if not perfect:
        return sha256().digest()
    _, node = perfect.pop()
    while perfect:
        node = parent(perfect.pop()[1], node)
    return node


def root_from(size: int, leaves: Mapping[int, bytes], nodes: Mapping[str, bytes]) -> bytes:
    """Of a tree of which some `leaves` are known, and of the rest the hashes of perfect subtrees:
    `nodes["L/N"]` is that of the leaves from N * 2**L on, 2**L of them.
    """
    known = sorted(leaves)
    if known and not 0 <= known[0] <= known[-1] < size:
        raise Wrong("beyond-the-tree", index=known[-1], size=size)

    def hash_of(first: int, end: int) -> bytes:
        count = end - first
        is_known = bisect_left(known, first) < bisect_left(known, end)
        if count == 1 and is_known:
            return leaves[first]
        level = count.bit_length() - 1
        if not is_known and count == 1 << level:
            try:
                return nodes[f"{level}/{first >> level}"]
            except KeyError:
                raise Wrong("proof-incomplete", first=first, last=end - 1) from None
        middle = first + (1 << (count - 1).bit_length() - 1)
        return parent(hash_of(first, middle), hash_of(middle, end))

    return hash_of(0, size) if size else sha256().digest()


def is_consistent(earlier: Checkpoint, later: Checkpoint, proof: Sequence[bytes]) -> bool:
    """Whether the tree of `later` begins with that of `earlier` (RFC 9162, section 2.1.4.2)."""
    if earlier.size in (0, later.size):
        return not proof and earlier.root == (later.root if earlier.size else sha256().digest())
    path = [*proof]
    if earlier.size & (earlier.size - 1) == 0:
        path.insert(0, earlier.root)
    old, new = earlier.size - 1, later.size - 1
    while old & 1:
        old, new = old >> 1, new >> 1
    if not path:
        return False
    old_root = new_root = path[0]
    for node in path[1:]:
        if new == 0:
            return False
        if old & 1 or old == new:
            old_root, new_root = parent(node, old_root), parent(node, new_root)
            while old and not old & 1:
                old, new = old >> 1, new >> 1
        else:
            new_root = parent(new_root, node)
        old, new = old >> 1, new >> 1
    return new == 0 and (old_root, new_root) == (earlier.root, later.root)


def check_tree(report: Report, head: Head, log: Log, checkpoint: Checkpoint) -> None:
    """What is shown leads to the root that was signed."""
    if head.manager_id is None:
        if len(log.leaves) != checkpoint.size:
            raise Wrong("wrong-count", shown=len(log.leaves), size=checkpoint.size)
        root = root_of(log.leaves[index] for index in range(checkpoint.size))
    else:
        if log.closing is not None:
            closing, previous = Event.read(log.closing["event"]), log.closing["previous"]
            if closing.position - 1 in log.leaves:  # a place is proven of one event alone
                raise Wrong("out-of-order", position=closing.position, before=closing.position)
            leaf = closing.leaf(None if previous is None else bytes.fromhex(previous))
            log.heads[closing.position - 1] = leaf
            check_leaf(report, closing, leaf)
        root = root_from(checkpoint.size, log.heads, log.nodes)
    if root != checkpoint.root:
        raise Wrong("other-root", size=checkpoint.size)
    counted = {"events": len(log.leaves), "deals": len(log.deals), "size": checkpoint.size}
    report.ok("whole-log" if head.manager_id is None else "included", **counted)


# ------------------------------------------------------------------------------ the chain


def read_whole_log(report: Report, reading: Iterator[tuple[int, Json]]) -> Log:
    """Every event from position 1 on."""
    log, at = Log(), 0
    for number, line in reading:
        match line:
            case {"event": dict() as given, **rest} if not rest:
                event = Event.read(given)
                at += 1
                if event.position != at:
                    raise Wrong("position-missing", position=at, found=event.position)
                add(report, log, event)
            case {"result": dict() as result, **rest} if not rest:
                log.result = result
            case _:
                raise Wrong("unknown-line", line=number)
    return log


def read_streams(report: Report, reading: Iterator[tuple[int, Json]]) -> Log:
    """The deals of one manager, each from its first event on."""
    log = Log()
    for number, line in reading:
        match line:
            case {"stream": {"stream_id": stream, "index": int() as index, "events": [*events]}}:
                if stream in log.streams or not events:
                    raise Wrong("unknown-line", line=number)
                for given in events:
                    add(report, log, Event.read(given))
                last = log.streams.get(stream, [None])[-1]
                if last is None or index != last.position - 1 or last.version != len(events):
                    raise Wrong("wrong-index", deal=stream, index=index)
                log.heads[index] = log.leaves[index]
            case {"nodes": dict() as nodes}:
                log.nodes = {name: b64decode(node, validate=True) for name, node in nodes.items()}
            case {"closing": dict() as closing} if log.closing is None:
                log.closing = closing
            case {"result": dict() as result}:
                log.result = result
            case _:
                raise Wrong("unknown-line", line=number)
        if len(line) != 1:
            raise Wrong("unknown-line", line=number)
    return log


def add(report: Report, log: Log, event: Event) -> None:
    """One more event, which must follow the one before it in its stream.

    Where its hash is not the one that is stated, it is told, and the chain goes on from the one
    stated: so the event is named in which the change is, and not all that follow it.
    """
    stream = log.streams.setdefault(event.stream, [])
    before = stream[-1] if stream else None
    version, at = (before.version, before.position) if before else (0, 0)
    if event.version != version + 1:
        raise Wrong(
            "version-missing", deal=event.stream, version=version + 1, position=event.position
        )
    if event.position <= at or event.position - 1 in log.leaves:
        raise Wrong("out-of-order", position=event.position, before=at)
    leaf = event.leaf(before.stated if before else None)
    stream.append(event)
    log.leaves[event.position - 1] = leaf
    check_leaf(report, event, leaf)


def check_leaf(report: Report, event: Event, leaf: bytes) -> None:
    if leaf != event.stated:
        report.no("event-changed", position=event.position, type=event.type, stream=event.stream)


def check_point(head: Head, log: Log) -> None:
    """`known_at` is what was known up to `position`; time never runs backwards along the log."""
    known_at, before = datetime.fromisoformat(head.known_at), None
    for event in sorted(log.events):
        recorded_at = datetime.fromisoformat(event.recorded_at)
        if before is not None and recorded_at <= before:
            raise Wrong("time-runs-back", position=event.position)
        if (event.position <= head.position) != (recorded_at <= known_at):
            raise Wrong(
                "wrong-point", position=head.position, known_at=head.known_at, event=event.position
            )
        before = recorded_at


# ------------------------------------------------------------------------------ completeness


def certified_rows(log: Log, as_of: str, position: int, held: "Held") -> list[Json]:
    """What a closing certifies: a row for every manager and deal that the books up to `position`
    have anything about, with the figures at the end of `as_of`, by manager and deal.
    """
    rows = []
    for deal_id, events in log.deals.items():
        known = [event for event in events if event.position <= position]
        deal = fold(known, as_of)
        for manager, since in held[deal_id].items():
            if since <= position:
                has = figures(deal).get(manager, NOTHING)
                rows.append(
                    {
                        "deal_id": deal_id,
                        "manager_id": manager,
                        "currency": money(events[0].data["potential_check"])[1],
                        **{account: value_text(has[account]) for account in ACCOUNTS},
                        "progress": percent_text(has["progress"]),
                        "actions": has["actions"],
                        "head": log.leaf(known[-1]).hex(),
                        "events": len(known),
                    }
                )
    return sorted(rows, key=_row_key)


def _row_key(row: Json) -> tuple[str, str]:
    return row["manager_id"], row["deal_id"]


class Closing(NamedTuple):
    """A month's closing, with what its leaf certifies."""

    month: str
    event: Event
    root: bytes
    size: int
    as_of: str
    position: int

    @classmethod
    def read(cls, event: Event) -> "Closing":
        given, month = event.completeness, event.data["period"]
        year, number = map(int, month.split("-"))
        last_day = f"{year:04}-{number:02}-{monthrange(year, number)[1]:02}"
        shape = {"root": str, "size": int, "as_of": str, "position": int}
        if (
            event.type != "PeriodClosed"
            or given is None
            or not shaped(given, shape, [])
            or (given["as_of"], given["position"]) != (last_day, event.data["position"])
        ):
            raise Wrong("closing-misshapen", position=event.position, month=month)
        root = bytes.fromhex(given["root"])
        return cls(month, event, root, given["size"], last_day, given["position"])


def check_closing(report: Report, head: Head, log: Log) -> None:
    """Of one manager: the closing's rows of theirs, between both neighbours, name every deal."""
    if log.closing is None:
        report.open("no-closing")
        return
    closing, manager = Closing.read(Event.read(log.closing["event"])), head.manager_id or ""
    own = manager_rows(log.closing, closing, manager)
    left_out = own.keys() - log.deals.keys()
    for deal_id in sorted(left_out):
        report.no("deal-left-out", deal=deal_id, month=closing.month)
    held = {
        deal_id: {who: since for who, since in holders(events).items() if who == manager}
        for deal_id, events in log.deals.items()
    }
    for row in certified_rows(log, closing.as_of, closing.position, held):
        check_row(closing, row, own.get(row["deal_id"]))
    if not left_out:
        report.ok("complete", month=closing.month, position=closing.position, deals=len(own))
    report.open("certified-itself", month=closing.month)
    if closing.position < head.position:
        report.open("since-closing", first=closing.position + 1, last=head.position)


def manager_rows(shown: Json, closing: Closing, manager: str) -> dict[str, Json]:
    """The manager's rows by deal: all of them, since those shown reach both neighbours."""
    first, rows = shown["first"], shown["rows"]
    nodes = {name: b64decode(one, validate=True) for name, one in shown["nodes"].items()}
    leaves = {first + place: leaf_hash(canonical(row)) for place, row in enumerate(rows)}
    if root_from(closing.size, leaves, nodes) != closing.root:
        raise Wrong("rows-changed", month=closing.month, position=closing.event.position)
    keys = [_row_key(row) for row in rows]
    starts = first == 0 or (keys and keys[0][0] < manager)
    ends = first + len(rows) == closing.size or (keys and keys[-1][0] > manager)
    if keys != sorted(set(keys)) or not starts or not ends:
        raise Wrong("no-neighbours", month=closing.month, manager=manager)
    return {row["deal_id"]: row for row in rows if row["manager_id"] == manager}


def check_row(closing: Closing, follows: Json, certified: Json | None) -> None:
    """What follows of one deal is what the closing certified."""
    deal = follows["deal_id"]
    if certified is None:
        raise Wrong("not-certified", deal=deal, month=closing.month)
    for name in {"events": 0, "head": 0, **follows, **certified}:
        if follows.get(name) != certified.get(name):
            raise Wrong(
                "other-history" if name in {"head", "events"} else "row-differs",
                deal=deal, month=closing.month, position=closing.position, name=name,
                stated=certified.get(name), follows=follows.get(name),
            )  # fmt: skip


def check_all_closings(report: Report, _head: Head, log: Log) -> None:
    """Of the whole log: every closing certified what followed from the log, with its totals; and
    nothing was recorded in a month while it was closed.
    """
    held = {deal_id: holders(events) for deal_id, events in log.deals.items()}
    closed: dict[str, str] = {}
    count = 0
    for event in sorted(log.events):
        if event.type == "PeriodClosed":
            closing = Closing.read(event)
            check_certified(closing, certified_rows(log, closing.as_of, closing.position, held))
            closed[closing.month] = closing.as_of
            count += 1
        elif event.type == "PeriodReopened":
            closed.pop(event.data["period"], None)
        elif event.type in DEAL and closed and event.on <= max(closed.values()):
            raise Wrong("in-closed-month", position=event.position, on=event.on, month=max(closed))
    report.ok("closings", count=count)


def check_certified(closing: Closing, rows: list[Json]) -> None:
    root = root_of(leaf_hash(canonical(row)) for row in rows)
    if (root, len(rows)) != (closing.root, closing.size):
        raise Wrong("wrong-closing", month=closing.month, position=closing.event.position)
    sums: dict[tuple[str, str], list[int]] = {}
    for row in rows:
        total = sums.setdefault((row["currency"], row["manager_id"]), [0] * len(ACCOUNTS))
        for place, account in enumerate(ACCOUNTS):
            total[place] += value_of(row[account])
    follow = {of: [*map(value_text, total)] for of, total in sums.items() if any(total)}
    stated = {
        (total["currency"], total["manager_id"]): [total[account] for account in ACCOUNTS]
        for total in closing.event.data["totals"]
    }
    for currency, manager in sorted(follow.keys() | stated.keys()):
        of = currency, manager
        if follow.get(of) != stated.get(of):
            raise Wrong(
                "wrong-totals", month=closing.month, manager=manager, currency=currency,
                position=closing.event.position, stated=stated.get(of), follows=follow.get(of),
            )  # fmt: skip


# ------------------------------------------------------------------------------ the books

WHOLE = 10_000  # 100 % in basis points
ACCOUNTS = ("active", "claimed", "suspended", "lost", "won")
Figures = Mapping[str, int]
NOTHING: Figures = dict.fromkeys((*ACCOUNTS, "credit", "progress", "actions", "deals"), 0)
Held = Mapping[str, Mapping[str, int]]
"""{deal: {manager: position of the event by which the books first had anything of theirs}}"""
AMENDMENTS = frozenset({"ActionConfirmed", "ActionRejected", "WeightChanged", "ActionWithdrawn"})
DEAL = AMENDMENTS | {
    "DealOpened", "ActionPerformed", "PotentialCheckRevised", "ExpectedCloseRevised",
    "DealHandedOver", "DealSuspended", "DealResumed", "DealWon", "DealLost", "DealReopened",
}  # fmt: skip


@dataclass
class Entry:
    """One manager's line in an action: nominal weight, and the credit of it that counts."""

    manager: str
    weight: int
    credit: int = 0


@dataclass
class Action:
    entries: list[Entry]
    claimed: bool
    performers: frozenset[str]
    live: bool = True
    took: list[tuple["Action", Entry, int]] = field(default_factory=list)

    @property
    def weight(self) -> int:
        return sum(entry.weight for entry in self.entries)

    @property
    def credit(self) -> int:
        return sum(entry.credit for entry in self.entries)


@dataclass
class Deal:
    title: str
    client: str
    owner: str
    check: int
    currency: str
    status: str = "open"
    actions: dict[str, Action] = field(default_factory=dict)
    won: dict[str, int] = field(default_factory=dict)

    @property
    def entries(self) -> Iterator[tuple[Action, Entry]]:
        return ((action, entry) for action in self.actions.values() for entry in action.entries)

    @property
    def credit(self) -> int:
        return sum(entry.credit for _, entry in self.entries)

    def credits(self) -> dict[str, int]:
        """Who holds credit, by the earliest action in which they do."""
        held: dict[str, int] = {}
        for _, entry in self.entries:
            if entry.credit:
                held[entry.manager] = held.get(entry.manager, 0) + entry.credit
        return held


def book_key(events: Iterable[Event]) -> Callable[[Event], tuple[str, int, int]]:
    """Book order: by date; within a day an amendment stands with its action; then as recorded."""
    performed = {
        event.data["action_id"]: event.position
        for event in events
        if event.type == "ActionPerformed"
    }

    def key(event: Event) -> tuple[str, int, int]:
        own = event.position
        with_ = performed.get(event.data["action_id"], own) if event.type in AMENDMENTS else own
        return event.on, with_, own

    return key


def fold(events: Iterable[Event], as_of: str) -> Deal | None:
    """The deal at the end of `as_of`, of `events` that are known; None: not opened by then."""
    known = [event for event in events if event.on <= as_of]
    deal = None
    for event in sorted(known, key=book_key(known)):
        deal = step(deal, event)
    return deal


def holders(events: Sequence[Event]) -> dict[str, int]:
    """Whom the books ever had anything of in this deal, and the position from which on.

    The deal is walked as it was learnt: each event is put in its place, and a late one has all
    steps behind it walked again.
    """
    found: dict[str, int] = {}
    book: list[Event] = []
    deal, key = None, book_key(events)
    for event in events:
        insort(book, event, key=key)
        late = book[-1] is not event
        for one in book if late else [event]:
            deal = step(None if one is book[0] else deal, one)
            for manager in figures(deal):
                found.setdefault(manager, event.position)
    return found


def step(deal: Deal | None, event: Event) -> Deal:  # noqa: C901, PLR0912, PLR0915 - each event
    """What one event does to the deal. Raises Wrong where the rules of the books forbid it."""
    data, what = event.data, event.type
    require(event, event.dated)
    if deal is None or what == "DealOpened":
        require(event, deal is None and what == "DealOpened")
        return Deal(data["title"], data["client"], data["manager_id"], *money_of(data))
    underway = deal.status in ("open", "suspended")
    action = deal.actions.get(data["action_id"]) if what in AMENDMENTS else None
    if what in AMENDMENTS:
        require(event, action is not None and action.live)
    match what:
        case "ActionPerformed":
            require(event, deal.status == "open" and data["action_id"] not in deal.actions)
            perform(deal, data)
        case "ActionConfirmed" if action:
            require(event, deal.status == "open" and action.claimed)
            action.claimed = False
            take_effect(deal, action)
        case "ActionRejected" if action:
            require(event, action.claimed)
            action.live = False
        case "WeightChanged" if action:
            weight = hundredths(data["weight"])
            require(event, underway and action.weight > 0 and weight > 0)
            change_weight(deal, action, weight)
        case "ActionWithdrawn" if action:
            require(event, underway)
            withdraw(deal, action)
        case "PotentialCheckRevised":
            require(event, underway and money_of(data)[1] == deal.currency)
            deal.check, _ = money_of(data)
        case "ExpectedCloseRevised":
            require(event, underway)
        case "DealHandedOver":
            require(event, underway and data["to_manager_id"] != deal.owner)
            hand_over(deal, data["to_manager_id"], with_credit=data["transfer_credit"])
        case "DealSuspended":
            require(event, deal.status == "open")
            deal.status = "suspended"
        case "DealResumed":
            require(event, deal.status == "suspended")
            deal.status = "open"
        case "DealWon":
            require(event, underway and money(data["contract"])[1] == deal.currency)
            held = deal.credits() or {deal.owner: 1}
            shares = split(money(data["contract"])[0], [*held.values()])
            deal.status, deal.won = "won", dict(zip(held, shares, strict=True))
        case "DealLost":
            require(event, underway)
            deal.status = "lost"
        case "DealReopened":
            require(event, not underway)
            deal.status, deal.won = "open", {}
        case _:
            require(event, allowed=False)
    return deal


def require(event: Event, allowed: bool) -> None:  # noqa: FBT001 - it reads as a sentence
    if not allowed:
        raise Wrong(
            "not-allowed", position=event.position, type=event.type, deal=event.stream, on=event.on
        )


def perform(deal: Deal, data: Json) -> None:
    entries = [Entry(one["manager_id"], hundredths(one["weight"])) for one in data["credits"]]
    performers = frozenset(entry.manager for entry in entries)
    action = Action(entries, data["needs_confirmation"], performers)
    deal.actions[data["action_id"]] = action
    if not action.claimed:
        take_effect(deal, action)


def take_effect(deal: Deal, action: Action) -> None:
    """A positive action is granted what room there is below 100 %; a setback takes from all."""
    if action.weight > 0:
        grant(deal, action, action.weight)
        return
    held = [*deal.entries]
    taken = min(-action.weight, deal.credit)
    parts = split(taken, [entry.credit for _, entry in held])
    for (robbed, entry), part in zip(held, parts, strict=True):
        entry.credit -= part
        if part:
            action.took.append((robbed, entry, part))


def grant(deal: Deal, action: Action, wanted: int) -> None:
    granted = min(wanted, WHOLE - deal.credit)
    parts = split(granted, [entry.weight for entry in action.entries])
    for entry, part in zip(action.entries, parts, strict=True):
        entry.credit += part


def change_weight(deal: Deal, action: Action, new: int) -> None:
    old = action.weight
    nominal = split(new, [entry.weight for entry in action.entries])
    for entry, weight in zip(action.entries, nominal, strict=True):
        entry.weight = weight
    if action.claimed:
        return
    if new > old:
        grant(deal, action, new - old)
        return
    excess = split(max(0, action.credit - new), [entry.credit for entry in action.entries])
    for entry, part in zip(action.entries, excess, strict=True):
        entry.credit -= part


def withdraw(deal: Deal, action: Action) -> None:
    """Its credit is gone; a setback gives back what it took, as far as there is room for it."""
    action.live = False
    for entry in action.entries:
        entry.credit = 0
    for robbed, entry, amount in action.took:
        if robbed.live:
            room = min(robbed.weight - robbed.credit, WHOLE - deal.credit)
            entry.credit += min(amount, room)


def hand_over(deal: Deal, to: str, *, with_credit: bool) -> None:
    for action, entry in deal.entries:
        if with_credit and action.live and entry.manager == deal.owner:
            entry.manager = to
    deal.owner = to


def split(whole: int, shares: Sequence[int]) -> list[int]:
    """Largest remainder: floor each, the rest by descending remainder, ties to the earlier."""
    total = sum(shares)
    if not total:
        return [0] * len(shares)
    parts = [whole * share // total for share in shares]
    by_remainder = sorted(range(len(shares)), key=lambda one: -(whole * shares[one] % total))
    for one in by_remainder[: whole - sum(parts)]:
        parts[one] += 1
    return parts


def figures(deal: Deal | None) -> dict[str, Figures]:  # noqa: C901 - each figure
    """What each manager has in the deal; whoever has nothing at all is left out."""
    if deal is None:
        return {}
    found: dict[str, dict[str, int]] = {}

    def put(manager: str, name: str, amount: int) -> None:
        if amount:
            found.setdefault(manager, dict(NOTHING))[name] += amount

    is_open, held = deal.status == "open", deal.credits()
    for manager, credit in held.items():
        put(manager, "credit", credit)
        put(manager, "progress", credit if is_open else 0)
        if deal.status != "won":
            put(manager, "active" if is_open else deal.status, credit * deal.check)
    for manager, share in deal.won.items():
        put(manager, "won", share * WHOLE)
    positive = [one for one in deal.actions.values() if one.live and one.weight > 0]
    for action in positive:
        for manager in action.performers:
            put(manager, "actions", 1)
    claims = [entry for one in positive if one.claimed for entry in one.entries if is_open]
    for entry in claims:
        put(entry.manager, "claimed", entry.weight * deal.check)
    counted = {deal.owner, *held, *(entry.manager for entry in claims)} if is_open else ()
    for manager in counted:
        put(manager, "deals", 1)
    return dict(found)


def money(given: Json) -> tuple[int, str]:
    """{"amount", "currency"} in hundredths of the currency."""
    return hundredths(given["amount"]), given["currency"]


def money_of(data: Json) -> tuple[int, str]:
    return money(data["potential_check"])


def hundredths(text: str) -> int:
    """Of "-3.00" it is -300, which is written in no other way."""
    if not re.fullmatch(r"-?(0|[1-9][0-9]*)\.[0-9]{2}", text, re.ASCII):
        raise ValueError(f"not a decimal with two places: {text}")
    return int(text.replace(".", ""))


def percent_text(basis_points: int) -> str:
    return f"{basis_points // 100}.{basis_points % 100:02}"


def value_text(value: int) -> str:
    """In roubles: two decimals, and up to six where they are needed; no value is below zero."""
    text = f"{value // 1_000_000}.{value % 1_000_000:06}"
    return text[:-4] + text[-4:].rstrip("0")


def value_of(text: str) -> int:
    whole, _, part = text.partition(".")
    return int(whole + part.ljust(6, "0"))


# ------------------------------------------------------------------------------ the comparison


def check_result(report: Report, head: Head, log: Log) -> None:
    """Every figure that the company states is the one that follows; and there is no other."""
    follows = {"as_of": head.as_of, "known_at": head.known_at, "position": head.position}
    if head.manager_id is None:
        follows |= everybody(head, log)
    else:
        follows |= one_manager(head, log, head.manager_id)
    before = len(report.wrong)
    count = report_differences(report, log.result, follows, "")
    if len(report.wrong) == before:
        report.ok("figures", count=count, as_of=head.as_of, position=head.position)


def one_manager(head: Head, log: Log, manager: str) -> Json:
    """What the answer about one portfolio says, as it follows from the events."""
    rows: dict[str, list[Json]] = {head.currency: []}
    sums: dict[str, dict[str, int]] = {head.currency: dict(NOTHING)}
    for deal_id, events in log.deals.items():
        deal = fold((one for one in events if one.position <= head.position), head.as_of)
        has = figures(deal).get(manager)
        if deal is None or has is None:
            continue
        total = sums.setdefault(deal.currency, dict(NOTHING))
        for name in NOTHING:
            total[name] += has[name]
        if any(amount for name, amount in has.items() if name not in ("actions", "credit")):
            row = {
                "deal_id": deal_id,
                "title": deal.title,
                "client": deal.client,
                "status": deal.status,
                "potential_check": {
                    "amount": percent_text(deal.check), "currency": deal.currency,
                },
                "deal_progress": percent_text(deal.credit),
                "credit": percent_text(has["credit"]),
                **values(has),
            }  # fmt: skip
            rows.setdefault(deal.currency, []).append(row)
    return {
        "manager_id": manager,
        "progress": percent_text(sum(total["progress"] for total in sums.values())),
        "actions": sum(total["actions"] for total in sums.values()),
        "currencies": [
            {"currency": currency, **values(sums[currency]), "deals": own}
            for currency, own in rows.items()
        ],
    }


def everybody(head: Head, log: Log) -> Json:
    """What the answer about all portfolios says: whoever is registered is in it."""
    registered = [
        event.data["manager_id"]
        for event in log.events
        if event.type == "ManagerRegistered" and event.position <= head.position
    ]
    sums = {head.currency: {manager: dict(NOTHING) for manager in registered}}
    for events in log.deals.values():
        deal = fold((one for one in events if one.position <= head.position), head.as_of)
        if deal is None:
            continue
        for manager, has in figures(deal).items():
            total = sums.setdefault(deal.currency, {}).setdefault(manager, dict(NOTHING))
            for name in NOTHING:
                total[name] += has[name]
    return {
        "currencies": [
            {
                "currency": currency,
                "managers": [{"manager_id": who, **totals(has)} for who, has in managers.items()],
                "total": totals(
                    {name: sum(has[name] for has in managers.values()) for name in NOTHING}
                ),
            }
            for currency, managers in sums.items()
        ]
    }


def values(has: Figures) -> dict[str, str]:
    return {account: value_text(has[account]) for account in ACCOUNTS}


def totals(has: Figures) -> Json:
    counts = {"actions": has["actions"], "deals": has["deals"]}
    return {**values(has), "progress": percent_text(has["progress"]), **counts}


def report_differences(report: Report, stated: object, follows: object, path: str) -> int:
    """Tell each place at which the two differ; the number of figures compared.

    Lists are of things that have an id of their own, and are compared by it.
    """
    if isinstance(stated, list) and isinstance(follows, list):
        stated, follows = by_id(stated, path), by_id(follows, path)
    if isinstance(stated, dict) and isinstance(follows, dict):
        return sum(
            report_differences(
                report, stated.get(name), follows.get(name), f"{path} / {name}" if path else name
            )
            for name in {**follows, **stated}
        )
    if type(stated) is not type(follows) or stated != follows:
        report.no("figure-differs", path=path, stated=stated, follows=follows)
    return 1


def by_id(things: list[Any], path: str) -> Json:
    found = {}
    for thing in things:
        for name in ("deal_id", "manager_id", "currency"):
            if name in thing:
                found[thing[name]] = thing
                break
    if len(found) != len(things):
        raise Wrong("twice-in-result", path=path)
    return found


# ------------------------------------------------------------------------------ the words

WORDS: Mapping[str, tuple[str, str]] = {
    # what was checked
    "signature": (
        "Контрольная точка журнала {origin} (событий: {size}) подписана ключом {key}.",
        "The checkpoint of log {origin} over {size} events is signed by key {key}.",
    ),
    "rotation": (
        "Смена ключа на {size} событиях подписана и прежним ключом, и новым: {key}.",
        "The change of keys at {size} events is signed by the old key and by the new: {key}.",
    ),
    "cosigned": (
        "Свидетель {witness} подписал контрольную точку (событий: {size}): {at}.",
        "Witness {witness} signed the checkpoint over {size} events: {at}.",
    ),
    "kept": (
        "Сохранённая вами точка (событий: {size}) — начало этого журнала (событий: {here}):"
        " с тех пор ничего из неё не изменено, не вставлено и не изъято.",
        "The checkpoint that you kept, over {size} events, is the beginning of this log ({here}"
        " events): nothing in it was changed, inserted or taken out since.",
    ),
    "whole-log": (
        "Показан весь журнал без пропусков; событий: {events}, сделок: {deals}. Их дерево сходится"
        " с подписанным корнем.",
        "The whole log is shown, {events} events without a gap; deals: {deals}. Their tree has the"
        " signed root.",
    ),
    "included": (
        "Показано событий: {events}, сделок: {deals}. Каждое событие, автор, обе даты и порядок"
        " входят в журнал (событий: {size}) с подписанным корнем; внутри сделок нет пропусков.",
        "Events shown: {events}, deals: {deals}. Each event with its author, both dates and its"
        " order is in the log of {size} events with the signed root; no deal has a gap in it.",
    ),
    "complete": (
        "Полнота: закрытие месяца {month} удостоверяет, что сделок у менеджера на позиции"
        " {position} — {deals}; все они показаны, история каждой дошла до конца, цифры совпали.",
        "Completeness: the closing of {month} certifies that the manager had {deals} deals at"
        " position {position}; all are shown, each to its end, and the figures agree.",
    ),
    "closings": (
        "Закрытий месяца проверено: {count}. Их итоги и корни следуют из событий, и в закрытые"
        " месяцы ничего не записано.",
        "Closings of months checked: {count}. Their totals and roots follow from the events, and"
        " nothing was recorded in a closed month.",
    ),
    "figures": (
        "Портфель на {as_of}, известный на позиции {position}, пересчитан из событий по правилам"
        " книг; сравнено значений: {count}.",
        "The portfolio as of {as_of}, known at position {position}, was folded anew from the"
        " events by the rules of the books; values compared: {count}.",
    ),
    # what could not be checked
    "whose-key": (
        "Чей это ключ, из файла узнать нельзя. Сверьте его с тем, что компания сообщила вам другим"
        " путём, и запустите проверку с --key {key}",
        "A file cannot tell whose key this is. Compare it with what the company told you by other"
        " means, and check again with --key {key}",
    ),
    "not-trusted": (
        "Под контрольной точкой (событий: {size}) есть подписи, которые не проверены: {names}. Если"
        " это свидетели, которым вы верите, узнайте ключ у них самих и добавьте --witness с ним.",
        "Below the checkpoint over {size} events stand signatures that were not checked: {names}."
        " If these are witnesses whom you trust, ask them for their keys and add --witness with"
        " each.",
    ),
    "unwitnessed": (
        "Свидетель {witness} подписал только сохранённую вами точку: событий на позициях"
        " {first}–{last} он не видел.",
        "Witness {witness} signed only the checkpoint that you kept, and has not seen positions"
        " {first} to {last}.",
    ),
    "no-kept": (
        "Без сохранённой раньше контрольной точки (--kept) нельзя увидеть, не переписан ли журнал"
        " целиком до подписи. Сохраните сегодняшнюю для следующего раза.",
        "Without a checkpoint kept earlier (--kept) nobody can see whether the whole log was"
        " rewritten before it was signed. Keep today's for the next time.",
    ),
    "no-closing": (
        "В пакете нет закрытия месяца: показанные события доказаны, а то, что показаны все"
        " сделки и их последние события, — нет. Полноту докажет пакет по всем менеджерам. Если"
        " какой-то месяц уже закрывали, спросите, почему закрытия здесь нет.",
        "The bundle has no closing of a month: the events shown are proven, and that all deals and"
        " their last events are shown is not. The bundle of everybody proves that. If a month was"
        " closed before, ask why its closing is not here.",
    ),
    "since-closing": (
        "События на позициях {first}–{last} записаны после последнего закрытия: показанные среди"
        " них доказаны, а что показаны все — нет. Это докажет пакет по всем менеджерам.",
        "Positions {first} to {last} were recorded after the last closing: what is shown of them is"
        " proven, and that all are shown is not. The bundle of everybody proves that.",
    ),
    "certified-itself": (
        "Что само закрытие {month} ничего не пропустило, видно только по пакету по всем"
        " менеджерам: там оно пересчитывается.",
        "That the closing of {month} itself left nothing out is seen in the bundle of everybody"
        " only, where it is computed anew.",
    ),
    "world": (
        "Журнал доказывает, что было записано, когда и кем, но не то, что записанное — правда.",
        "The log proves what was recorded, when and by whom; not that it was true.",
    ),
    # what is wrong: the file
    "not-json": (
        "Строка {line} читается неоднозначно: {why}. Файл повреждён или изменён.",
        "Line {line} cannot be read in one way only: {why}. The file is damaged or was changed.",
    ),
    "after-the-end": (
        "Строка {line} стоит после результата: к файлу что-то приписано.",
        "Line {line} stands behind the result: something was added to the file.",
    ),
    "cut-short": (
        "Файл обрывается до результата: он скачан не до конца или обрезан.",
        "The file ends before the result: it was not downloaded to its end, or was cut.",
    ),
    "not-a-bundle": (
        "Это не аудиторский пакет, который понимает эта программа (нужно: {wanted}).",
        "This is no audit bundle that this program understands (wanted: {wanted}).",
    ),
    "unknown-line": (
        "Строка {line} здесь не на месте или повторяется: в пакете этого вида её быть не должно.",
        "Line {line} is out of place or a repetition: a bundle of this kind does not have it.",
    ),
    "misshapen": (
        "Часть «{part}» нельзя проверить: её форма не та, что нужна ({error}).",
        "The part “{part}” cannot be checked: it has not the form that it must have ({error}).",
    ),
    "event-misshapen": (
        "У события на позиции {position} не те поля: его нельзя доказать.",
        "The event at position {position} has not the fields of an event: it cannot be proven.",
    ),
    # what is wrong: signatures
    "checkpoint-unreadable": (
        "Контрольную точку нельзя прочесть: в ней должны быть имя журнала, число событий и корень.",
        "The checkpoint cannot be read: it must have the log's name, a number of events, a root.",
    ),
    "key-unreadable": (
        "Это не открытый ключ журнала: {key}",
        "This is no public key of a log: {key}",
    ),
    "other-log": (
        "Пакет выдаёт себя за журнал {claimed}, а подписана контрольная точка журнала {signed}.",
        "The bundle claims to be of log {claimed}, and the signed checkpoint is of log {signed}.",
    ),
    "not-signed": (
        "Контрольная точка не подписана ни одним из ключей пакета ({keys}): она подделана или"
        " изменена после подписи.",
        "The checkpoint is signed by none of the bundle's keys ({keys}): it is forged, or was"
        " changed after it was signed.",
    ),
    "wrong-key": (
        "Контрольная точка не подписана ключом, которому вы доверяете, и доверенная смена ключей к"
        " её подписи не ведёт. Доверены: {keys}. Она подделана, изменена или подписана чужим"
        " ключом.",
        "The checkpoint is not signed by the key that you trust, and no change of keys leads from"
        " it to the signature. Trusted: {keys}. It is forged, changed, or signed by another's key.",
    ),
    "retired-key": (
        "Контрольная точка подписана ключом {key}, снятым на {size} событиях: новое им подписывать"
        " нельзя.",
        "The checkpoint is signed by key {key}, which was retired at {size} events and may sign"
        " nothing newer.",
    ),
    "witness-unreadable": (
        "Это не открытый ключ свидетеля: {key}",
        "This is no public key of a witness: {key}",
    ),
    "not-cosigned": (
        "Свидетель {witness} не подписывал контрольную точку (событий: {size}) в названное время:"
        " подпись подделана, взята из-под другой точки, или изменено её время.",
        "Witness {witness} did not sign the checkpoint over {size} events at the time that is told:"
        " the signature is forged, was taken from another checkpoint, or its time was changed.",
    ),
    "other-witness": (
        "Именем свидетеля {witness} контрольная точка (событий: {size}) подписана не тем ключом,"
        " которому вы доверяете ({key}): её подписал кто-то другой.",
        "The checkpoint over {size} events is signed in the name of witness {witness} by another"
        " key than the one that you trust ({key}): somebody else has signed it.",
    ),
    "no-witness": (
        "Подписи свидетеля {witness} нет ни под контрольной точкой (событий: {size}), ни под"
        " сохранённой вами: её изъяли, или он их ещё не видел. Спросите у него самого, запросите"
        " пакет позже. Его ключ: {key}",
        "Witness {witness} has signed neither the checkpoint over {size} events nor the one that"
        " you kept: the signature was taken out, or the witness has not seen them yet. Ask the"
        " witness, or for the bundle later. The witness's key: {key}",
    ),
    "kept-unreadable": (
        "Сохранённый вами файл — не контрольная точка.",
        "The file that you kept is no checkpoint.",
    ),
    "kept-other-log": (
        "Сохранённая точка — журнала {kept}, а пакет — журнала {here}: это разные журналы.",
        "The kept checkpoint is of log {kept}, the bundle of log {here}: two different logs.",
    ),
    "kept-not-signed": (
        "Сохранённая точка (событий: {size}) не подписана ни одним ключом пакета: файл повреждён"
        " или журнал подписан заново чужим ключом.",
        "The kept checkpoint over {size} events is signed by no key of the bundle: the file is"
        " damaged, or the log was signed anew by another key.",
    ),
    "cut-off": (
        "Когда вы сохранили точку, событий в журнале было {kept}, а здесь их {here}: конец журнала"
        " отрезан, либо пакет старше вашей точки. Запросите новый пакет.",
        "When you kept your checkpoint the log had {kept} events, and here it has {here}: its end"
        " was cut off, or this bundle is older than your checkpoint. Ask for a new one.",
    ),
    "kept-no-proof": (
        "В пакете нет доказательства для сохранённой точки. Запросите его с kept={size}.",
        "The bundle has no proof for the kept checkpoint. Ask for it with kept={size}.",
    ),
    "rewritten": (
        "Журнал переписан: его начало (событий: {size}) — не то, что удостоверяла сохранённая вами"
        " точка.",
        "The log was rewritten: its first {size} events are not those that your kept checkpoint"
        " certified.",
    ),
    # what is wrong: events
    "event-changed": (
        "Событие на позиции {position} ({type}, поток {stream}) изменено: его содержание, автор,"
        " дата или то, что стоит в потоке перед ним, — не то, что записано в журнал.",
        "The event at position {position} ({type}, stream {stream}) was changed: its content,"
        " author, date, or what stands before it in its stream is not what the log recorded.",
    ),
    "position-missing": (
        "На месте позиции {position} стоит {found}: событие изъято, вставлено или переставлено.",
        "In place of position {position} stands {found}: an event was taken out, inserted or"
        " moved.",
    ),
    "version-missing": (
        "В сделке или потоке {deal} перед позицией {position} должно стоять событие номер"
        " {version}: событие изъято, вставлено или переставлено.",
        "In the deal or stream {deal}, event number {version} should stand at position {position}:"
        " an event was taken out, inserted or moved.",
    ),
    "out-of-order": (
        "Позиция {position} стоит после {before} или повторяется: события переставлены или"
        " вставлены.",
        "Position {position} stands behind {before}, or is there twice: events were moved or"
        " inserted.",
    ),
    "time-runs-back": (
        "Событие на позиции {position} записано раньше предыдущего: время записи не может идти"
        " назад.",
        "The event at position {position} was recorded before the one in front of it: the time of"
        " recording cannot run backwards.",
    ),
    "wrong-point": (
        "Сказано, что на {known_at} известны события до позиции {position}; событие на позиции"
        " {event} этому противоречит. Момент знания указан неверно.",
        "What was known at {known_at} is said to end with position {position}; the event at"
        " position {event} contradicts that. The time of knowledge is told wrongly.",
    ),
    "wrong-count": (
        "Показано событий: {shown}, а подписано {size}: события в конце отрезаны или приписаны.",
        "Events shown: {shown}, and {size} were signed: events at the end were cut off or added.",
    ),
    "wrong-index": (
        "Сделка {deal}: последнее показанное событие — не то, которое доказывается (место"
        " {index}): конец её истории отрезан или изменён.",
        "Deal {deal}: the last event shown is not the one that is proven (place {index}): the end"
        " of its history was cut off or changed.",
    ),
    "beyond-the-tree": (
        "Доказывается место {index}, а подписано событий: {size}.",
        "Place {index} is to be proven, and {size} events were signed.",
    ),
    "proof-incomplete": (
        "В доказательстве не хватает мест {first}–{last}: показанное нельзя свести к подписанному"
        " корню.",
        "The proof lacks places {first} to {last}: what is shown cannot be led to the root.",
    ),
    "other-root": (
        "Показанные события не приводят к корню, подписанному на {size} событиях: среди них есть"
        " изменённые, вставленные или не все.",
        "The events shown do not lead to the root that was signed over {size} events: some were"
        " changed or inserted, or some are missing.",
    ),
    "not-allowed": (
        "Событие на позиции {position} ({type}, {on}) правила книг в сделке {deal} не допускают:"
        " его вставили мимо программы, или перед ним чего-то не хватает.",
        "The event at position {position} ({type}, {on}) is not allowed in deal {deal} by the rules"
        " of the books: it was inserted past the program, or something before it is missing.",
    ),
    "in-closed-month": (
        "Событие на позиции {position} датировано {on}, а месяц {month} был уже закрыт.",
        "The event at position {position} is dated {on}, when {month} was closed already.",
    ),
    # what is wrong: completeness
    "closing-misshapen": (
        "Закрытие месяца {month} на позиции {position} удостоверяет не то, что должно.",
        "The closing of {month} at position {position} does not certify what it should.",
    ),
    "rows-changed": (
        "Строки закрытия {month} (позиция {position}) — не те, что оно удостоверило: строка"
        " менеджера изменена, пропущена или вставлена.",
        "The rows of the closing of {month} (position {position}) are not those that it certified:"
        " a row of the manager was changed, left out or inserted.",
    ),
    "no-neighbours": (
        "Строки закрытия {month} не показаны до соседей менеджера {manager} с обеих сторон:"
        " какие-то его сделки могли быть пропущены.",
        "The rows of the closing of {month} do not reach the neighbours of {manager} on both sides:"
        " deals may have been left out.",
    ),
    "deal-left-out": (
        "Сделка {deal} удостоверена закрытием {month}, но в пакете её нет: её утаили.",
        "Deal {deal} is certified by the closing of {month} and is not in the bundle: it was left"
        " out.",
    ),
    "not-certified": (
        "Сделка {deal} есть у менеджера по событиям, а закрытие {month} её не удостоверяет.",
        "By its events the manager has part in deal {deal}, and the closing of {month} does not"
        " certify it.",
    ),
    "other-history": (
        "История сделки {deal} до позиции {position} — не та, что удостоверило закрытие {month}:"
        " её события изменены, изъяты или добавлены ({name}: удостоверено {stated}, показано"
        " {follows}).",
        "The history of deal {deal} up to position {position} is not the one that the closing of"
        " {month} certified: events were changed, taken out or added ({name}: certified {stated},"
        " shown {follows}).",
    ),
    "row-differs": (
        "Сделка {deal}: закрытие {month} удостоверило {name} = {stated}, а из событий до позиции"
        " {position} следует {follows}.",
        "Deal {deal}: the closing of {month} certified {name} = {stated}, and {follows} follows"
        " from the events up to position {position}.",
    ),
    "wrong-closing": (
        "Закрытие {month} (позиция {position}) удостоверило не то, что следует из событий: какая-то"
        " сделка, сумма или история в нём не та.",
        "The closing of {month} (position {position}) certified something else than follows from"
        " the events: a deal, an amount or a history in it is another.",
    ),
    "wrong-totals": (
        "Итог закрытия {month} (позиция {position}), менеджер {manager}, {currency}: записано"
        " {stated}, следует {follows}.",
        "Total of the closing of {month} (position {position}), manager {manager}, {currency}:"
        " {stated} is stated, {follows} follows.",
    ),
    # what is wrong: the result
    "figure-differs": (
        "Заявлено {path} = {stated}, а из событий следует {follows}.",
        "Stated is {path} = {stated}, and {follows} follows from the events.",
    ),
    "twice-in-result": (
        "В результате ({path}) что-то названо дважды.",
        "Something is named twice in the result ({path}).",
    ),
}  # fmt: skip
_FRAME = {
    "checked": ("Проверено и сходится", "Checked, and holds"),
    "unchecked": ("Этим файлом не проверить", "Cannot be checked by this file"),
    "wrong": ("НЕ СХОДИТСЯ", "DOES NOT HOLD"),
    "yes": ("ИТОГ: всё сходится.", "RESULT: everything holds."),
    "no": (
        "ИТОГ: НЕ СХОДИТСЯ. Цифрам этого файла верить нельзя.",
        "RESULT: DOES NOT HOLD. Do not trust the figures of this file.",
    ),
    "missing": ("нет", "nothing"),
}


def told(report: Report, language: str) -> str:
    """The report in plain words."""
    place = 0 if language == "ru" else 1
    parts = []
    for name, mark in (("checked", "+"), ("unchecked", "?"), ("wrong", "!")):
        findings: list[Finding] = getattr(report, name)
        if findings:
            lines = [f"{_FRAME[name][place]}:"]
            for what, facts in findings:
                said = {key: _said(fact, place) for key, fact in facts.items()}
                lines.append(f"  {mark} {WORDS[what][place].format_map(said)}")
            parts.append("\n".join(lines))
    parts.append(_FRAME["yes" if report.holds else "no"][place])
    return "\n\n".join(parts)


def _said(fact: object, place: int) -> str:
    """One line, without what a terminal would act on: it comes from the file."""
    if fact is None:
        return _FRAME["missing"][place]
    text = fact if isinstance(fact, str) else json.dumps(fact, ensure_ascii=False, default=str)
    return "".join(one if one.isprintable() else "�" for one in text[:600])


# ------------------------------------------------------------------------------ as a program


def lines_of(path: Path) -> Iterator[bytes]:
    """The lines of a file, which may be packed by gzip. Raises OSError, also when that is torn."""
    with path.open("rb") as file:
        packed = file.read(2) == b"\x1f\x8b"
    with gzip.open(path) if packed else path.open("rb") as lines:
        try:
            yield from iter(partial(lines.readline, MOST_LINE), b"")
        except (EOFError, zlib.error) as error:
            raise OSError(f"{path}: {error}") from error


def check_file(
    bundle: Path,
    key: str | None = None,
    kept: Path | None = None,
    witnesses: Iterable[str] = (),
    language: str = "en",
) -> tuple[str, bool]:
    """The report on a file in words, and whether everything holds. `key` and each of `witnesses`
    may name a file. Raises OSError, UnicodeDecodeError.
    """
    own = None if key is None else key_of(key)
    note = None if kept is None else kept.read_bytes().decode()
    report = verify(lines_of(bundle), own, note, [*map(key_of, witnesses)])
    return told(report, language), report.holds


def key_of(given: str) -> str:
    """A key as it is written, or what is in the file of that name."""
    return Path(given).read_text(encoding="utf-8").strip() if Path(given).is_file() else given


def main() -> int:
    options = argparse.ArgumentParser(description=(__doc__ or "").split("\n", maxsplit=1)[0])
    options.add_argument("bundle", type=Path, help="the file from /v1/audit/bundle, or .gz")
    options.add_argument("--key", help="the log's public key, or a file with it")
    options.add_argument("--kept", type=Path, help="a checkpoint that you kept earlier")
    options.add_argument(
        "--witness", action="append", default=[], metavar="KEY",
        help="the public key of a witness whom you trust, or a file with it; may be repeated",
    )  # fmt: skip
    wanted = os.environ.get("LC_ALL") or os.environ.get("LANG") or ""
    language = "ru" if wanted.startswith("ru") else "en"
    options.add_argument("--language", choices=["ru", "en"], default=language)
    given = options.parse_args()
    try:
        words, holds = check_file(
            given.bundle, given.key, given.kept, given.witness, given.language
        )
    except (OSError, UnicodeDecodeError) as error:
        sys.stderr.write(f"{error}\n")
        return 2
    sys.stdout.buffer.write(f"{words}\n".encode())
    return 0 if holds else 1


if __name__ == "__main__":
    sys.exit(main())
