"""What proves the log to those who do not trust us: checkpoints, tiles, proofs, keys.

Paths and bodies of checkpoints and tiles are those of C2SP (tlog-tiles, tlog-checkpoint), under
/v1/audit, so that programs of others read them. What belongs to a size never changes, and may be
kept by whoever asked.
"""

import re
from base64 import b64encode
from typing import Annotated, Any

from fastapi import Path, Query, Request, Response
from fastapi.responses import PlainTextResponse
from pydantic import Field, PlainValidator, WithJsonSchema
from pydantic_core import PydanticCustomError

from api.answers import Moment, Out, answer
from api.asking import AskingDep, Desk, Question, next_link
from api.inputs import Limit, Position
from api.refusals import PAGED, QUESTION_REFUSALS, problems
from api.routes import PlainText, v1_router
from domain.errors import InTheFuture, Invalid, NotFound
from domain.events import instant_text
from projections.evidence import checkpoints, keys, merkle, tiles
from projections.evidence.follower import leaves_between
from projections.evidence.notes import MalformedNote, VerifierKey
from projections.point import BEYOND

router = v1_router(tags=["evidence"], responses=QUESTION_REFUSALS)

FOR_EVER = {"Cache-Control": "private, max-age=31536000, immutable"}
_ASK_AGAIN = {"Cache-Control": "private, no-cache"}
_NOTE: dict[int | str, dict[str, Any]] = {
    200: {
        "description": "A signed note (C2SP tlog-checkpoint).",
        "content": {"text/plain": {"schema": {"type": "string"}}},
    }
}
_BYTES: dict[int | str, dict[str, Any]] = {
    200: {
        "description": "As C2SP tlog-tiles has it.",
        "content": {"application/octet-stream": {"schema": {"type": "string"}}},
    }
}
_COSIGNED = _NOTE | problems(["payload-too-large", "unsupported-media-type"])
_PLACE = re.compile(r"(?P<groups>(x[0-9]{3}/){0,4}[0-9]{3})(\.p/(?P<width>[1-9][0-9]{0,2}))?")

Hash = Annotated[str, WithJsonSchema({"type": "string", "pattern": "^[A-Za-z0-9+/]{43}=$"})]
"""32 bytes in base64."""


def _level(given: object) -> int:
    if isinstance(given, str) and re.fullmatch(r"[0-9]|[1-5][0-9]|6[0-3]", given, re.ASCII):
        return int(given)
    raise PydanticCustomError("level", "not a level")


Level = Annotated[
    int,
    PlainValidator(_level),
    WithJsonSchema({"type": "integer", "minimum": 0, "maximum": 63}),
    Path(description="The level of the tile's hashes, in eights."),
]
Place = Annotated[str, Path(description="The number of the tile: `067`, `x001/x234/067.p/8`.")]
Size = Annotated[Position, Path(description="How many leaves.")]


class InclusionQuestion(Question):
    """`size` is the newest checkpoint's when it is left out."""

    position: Position
    size: Position | None = None


class ConsistencyQuestion(Question):
    """`to_size` is the newest checkpoint's when it is left out."""

    from_size: Position
    to_size: Position | None = None


class CheckpointsQuestion(Question):
    cursor: Position = BEYOND
    limit: Limit = 100


class InclusionProof(Out):
    """`hashes` from the leaf to the root (RFC 9162, 2.1.3)."""

    position: int = Field(examples=[1204])
    size: int = Field(examples=[3322])
    leaf_hash: Hash
    root_hash: Hash
    hashes: list[Hash]


class ConsistencyProof(Out):
    """RFC 9162, 2.1.4."""

    from_size: int = Field(examples=[1204])
    to_size: int = Field(examples=[3322])
    hashes: list[Hash]


class ListedCheckpoint(Out):
    size: int = Field(examples=[3322])
    signed_at: Moment = Field(examples=["2026-11-23T09:15:02.123456Z"])
    note: str


class CheckpointsAnswer(Out):
    checkpoints: list[ListedCheckpoint]


class SigningKey(Out):
    """`vkey` is the verifier key (C2SP signed-note). A key signs sizes from `from_size` on, and up
    to `retired_at_size`.
    """

    vkey: str
    name: str = Field(examples=["deals.example.ru/log/3b92fc43"])
    key_hash: str = Field(examples=["7d9b27f2"])
    from_size: int
    retired_at_size: int | None = None


class SigningKeysAnswer(Out):
    origin: str = Field(examples=["deals.example.ru/log/3b92fc43"])
    keys: list[SigningKey]


@router.get(
    "/audit/checkpoint",
    operation_id="getCheckpoint",
    response_class=PlainTextResponse,
    responses=_NOTE,
)
def checkpoint(asking: AskingDep) -> Response:
    """The newest checkpoint: what the log is, in one signed line."""
    with asking.desk() as at:
        found = checkpoints.checkpoint_note(at.cursor, _newest_size(at))
    return PlainTextResponse(found, headers=_ASK_AGAIN)


@router.get(
    "/audit/checkpoints",
    operation_id="listCheckpoints",
    response_model=CheckpointsAnswer,
    responses=PAGED,
)
def list_checkpoints(
    question: Annotated[CheckpointsQuestion, Query()], request: Request, asking: AskingDep
) -> Response:
    """Every checkpoint that was ever signed, the newest first, without witnesses' signatures."""
    with asking.desk() as at:
        page = checkpoints.page(at.cursor, question.cursor, question.limit)
    links = next_link(request, page[-1].size) if len(page) == question.limit else {}
    listed = [
        ListedCheckpoint(size=one.size, signed_at=instant_text(one.signed_at), note=one.note)
        for one in page
    ]
    return answer(CheckpointsAnswer(checkpoints=listed), links)


@router.get(
    "/audit/checkpoints/{size}",
    operation_id="getCheckpointOfSize",
    response_class=PlainTextResponse,
    responses=_NOTE,
)
def checkpoint_of_size(size: Size, asking: AskingDep) -> Response:
    """One checkpoint, with the signatures of witnesses that have come since."""
    with asking.desk() as at:
        return _note(at, size)


@router.post(
    "/audit/checkpoints/{size}/cosignatures",
    operation_id="addCosignatures",
    response_class=PlainTextResponse,
    responses=_COSIGNED,
)
def add_cosignatures(size: Size, body: PlainText, asking: AskingDep) -> Response:
    """Signature lines of witnesses (C2SP tlog-cosignature) under a checkpoint; the checkpoint with
    them. Which witnesses are taken, DEALFOLIO_WITNESSES says.
    """
    witnesses = [VerifierKey.parse(one) for one in asking.service.settings.witnesses]
    lines = [line for line in body.split("\n") if line]
    with asking.desk() as at:
        try:
            checkpoints.cosign(at.cursor, size, lines, witnesses)
        except (MalformedNote, checkpoints.NotCosigned) as error:
            raise Invalid("body", "cosignature", why=str(error)) from None
        return _note(at, size)


def _note(at: Desk, size: int) -> Response:
    found = checkpoints.checkpoint_note(at.cursor, size)
    if found is None:
        raise NotFound("checkpoint", size)
    return PlainTextResponse(found, headers=_ASK_AGAIN)


@router.get("/audit/keys", operation_id="listSigningKeys", response_model=SigningKeysAnswer)
def signing_keys(asking: AskingDep) -> Response:
    """By which keys checkpoints are verified: this one's, and those before it."""
    with asking.desk() as at:
        origin = keys.origin_of(at.cursor, at.service.settings.log_host)
        known = keys.keys_of(at.cursor)
    return answer(SigningKeysAnswer(origin=origin, keys=[_key(one) for one in known]))


def _key(key: keys.Key) -> SigningKey:
    parsed = VerifierKey.parse(key.vkey)
    return SigningKey(
        vkey=key.vkey,
        name=parsed.name,
        key_hash=parsed.hash.hex(),
        from_size=key.from_size,
        retired_at_size=key.retired_at_size,
    )


# ---------------------------------------------------------------------------- the tree


@router.get(
    "/audit/tile/entries/{place:path}",
    operation_id="getEntries",
    response_class=Response,
    responses=_BYTES,
)
def entries(place: Place, asking: AskingDep) -> Response:
    """The data of 256 leaves (`….p/<W>`: of the first so many of them), each behind its length in
    two bytes. They are made of the log anew.
    """
    index, width = _place(place)
    first = index * tiles.WIDTH
    with asking.desk() as at:
        if tiles.size_of(at.cursor) < first + width:
            raise NotFound("tile", place)
        leaves = leaves_between(at.cursor, first, first + width)
    return _immutable(b"".join(len(one.data).to_bytes(2) + one.data for one in leaves))


@router.get(
    "/audit/tile/{level}/{place:path}",
    operation_id="getTile",
    response_class=Response,
    responses=_BYTES,
)
def tile(level: Level, place: Place, asking: AskingDep) -> Response:
    """256 hashes of the tree (`….p/<W>`: the first so many of them)."""
    index, width = _place(place)
    with asking.desk() as at:
        found = tiles.tile(at.cursor, level, index, width)
    if found is None:
        raise NotFound("tile", place)
    return _immutable(found)


def _place(place: str) -> tuple[int, int]:
    """Number and width of a tile. Raises NotFound for what C2SP does not write."""
    found = _PLACE.fullmatch(place)
    if found is not None and not place.startswith("x000"):
        index, width = int(re.sub("[x/]", "", found["groups"])), int(found["width"] or tiles.WIDTH)
        if width < tiles.WIDTH or found["width"] is None:
            return index, width
    raise NotFound("tile", place)


def _immutable(body: bytes) -> Response:
    return Response(body, headers=FOR_EVER, media_type="application/octet-stream")


@router.get(
    "/audit/proofs/inclusion",
    operation_id="getInclusionProof",
    response_model=InclusionProof,
)
def inclusion(question: Annotated[InclusionQuestion, Query()], asking: AskingDep) -> Response:
    """That the event at `position` is in the tree of `size` leaves."""
    with asking.desk() as at:
        size = _size(at, question.size)
        position = question.position
        if not 1 <= position <= size:
            raise Invalid("position", "not-in-the-tree", size=size)
        proof = merkle.inclusion(_reader(at), position - 1, size)
    body = InclusionProof(
        position=position,
        size=size,
        leaf_hash=_text(proof.leaf),
        root_hash=_text(proof.root),
        hashes=[*map(_text, proof.hashes)],
    )
    return _proven(body, question.size)


@router.get(
    "/audit/proofs/consistency",
    operation_id="getConsistencyProof",
    response_model=ConsistencyProof,
)
def consistency(question: Annotated[ConsistencyQuestion, Query()], asking: AskingDep) -> Response:
    """That the tree of `to_size` leaves begins with that of `from_size`: nothing was rewritten."""
    with asking.desk() as at:
        size = _size(at, question.to_size)
        if question.from_size > size:
            raise Invalid("from_size", "from-after-to")
        proof = merkle.consistency_proof(_reader(at), question.from_size, size)
    body = ConsistencyProof(from_size=question.from_size, to_size=size, hashes=[*map(_text, proof)])
    return _proven(body, question.to_size)


def _newest_size(at: Desk) -> int:
    """Of the newest checkpoint. Raises NotFound."""
    found = checkpoints.newest(at.cursor)
    if found is None:
        raise NotFound("checkpoint", "")
    return found.size


def _size(at: Desk, asked: int | None) -> int:
    """As many leaves as there are. Raises InTheFuture, NotFound."""
    if asked is None:
        return _newest_size(at)
    if asked > (size := tiles.size_of(at.cursor)):
        raise InTheFuture(asked, size)
    return asked


def _reader(at: Desk) -> merkle.Read:
    return tiles.reader(at.cursor, at.service.evidence.tiles)


def _text(hashed: bytes) -> str:
    return b64encode(hashed).decode()


def _proven(body: Out, asked: int | None) -> Response:
    """Of a size that was asked for, for ever; else of the newest by now."""
    response = answer(body)
    response.headers.update(_ASK_AGAIN if asked is None else FOR_EVER)
    return response
