"""What a form sends: from a page of ours, with the session's token, and each field once; and what
comes of it: it is recorded, or refused in its place with nothing of what was typed lost.
"""

import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from email.message import Message
from typing import Any
from urllib.parse import parse_qsl
from uuid import UUID, uuid4

from fastapi import Request

from api.door import read_body
from api.http.forgery import require_no_forgery, require_own_page
from api.imports.csv_records import Sent
from api.inputs import MOST_BYTES
from api.pages.frame import to_people
from api.pages.visit import Visit
from api.problems import Problem, problem_of
from api.sign_in.signing_in import headers_of, signing_in
from application.orders import Answer
from domain.errors import SignedOut

MOST_FIELDS = 200


async def read_form(request: Request, most: int = MOST_BYTES) -> Mapping[str, str]:
    """Before anybody is signed in. Raises Problem."""
    headers = headers_of(request)
    require_own_page(headers, signing_in(request).service.settings)
    media_type = headers.get(b"content-type", b"").split(b";")[0].strip().lower()
    if media_type != b"application/x-www-form-urlencoded":
        raise Problem("unsupported-media-type")
    body = await read_body(request.receive, headers, most)
    try:
        text = body.decode("ascii")
        fields = parse_qsl(
            text, keep_blank_values=True, errors="strict", max_num_fields=MOST_FIELDS
        )
    except ValueError as error:  # UnicodeDecodeError is one
        raise Problem("validation", errors=(("form", "invalid", {}),)) from error
    form = dict(fields)
    if len(form) < len(fields):
        raise Problem("validation", errors=(("form", "given-twice", {}),))
    return form


async def read_own_form(visit: Visit, most: int = MOST_BYTES) -> Mapping[str, str]:
    """Of somebody who is signed in; `most` bytes. Raises Problem."""
    form = await read_form(visit.request, most)
    require_no_forgery(
        visit.request.scope,
        headers_of(visit.request),
        visit.session,
        visit.service.settings,
        form.get("csrf", ""),
    )
    return form


async def read_files_form(visit: Visit, most: int) -> tuple[Mapping[str, str], Sequence[Sent]]:
    """The fields and the files of a form as browsers send it (RFC 7578), of `most` bytes in all,
    from somebody who is signed in. Raises Problem.
    """
    request, settings = visit.request, visit.service.settings
    headers = headers_of(request)
    require_own_page(headers, settings)
    kind = Message()
    kind["content-type"] = headers.get(b"content-type", b"").decode("latin-1")
    boundary = kind.get_boundary()
    if kind.get_content_type() != "multipart/form-data" or not boundary:
        raise Problem("unsupported-media-type")
    body = await read_body(request.receive, headers, most)
    fields, files = _parts(body, boundary.encode("latin-1"))
    require_no_forgery(request.scope, headers, visit.session, settings, fields.get("csrf", ""))
    return fields, files


_DISPOSITION = re.compile(
    rb'content-disposition: *form-data; *name="([^"\r\n]*)"(?:; *filename="([^"\r\n]*)")?',
    re.IGNORECASE,
)


def _parts(body: bytes, boundary: bytes) -> tuple[dict[str, str], list[Sent]]:
    fields: dict[str, str] = {}
    files: list[Sent] = []
    _, *parts = (b"\r\n" + body).split(b"\r\n--" + boundary)
    if len(parts) > MOST_FIELDS or not parts or not parts.pop().startswith(b"--"):
        raise Problem("validation", errors=(("form", "invalid", {}),))
    for part in parts:
        head, _, content = part.partition(b"\r\n\r\n")
        said = _DISPOSITION.search(head)
        if said is None:
            raise Problem("validation", errors=(("form", "invalid", {}),))
        if said[2] is None:
            fields[_decoded(said[1])] = _decoded(content)
        elif said[2]:  # a field for files that was left empty has no name of one
            files.append(Sent(_decoded(said[2]), content))
    return fields, files


def _decoded(text: bytes) -> str:
    """Raises Problem."""
    try:
        return text.decode()
    except UnicodeDecodeError as error:
        raise Problem("validation", errors=(("form", "invalid", {}),)) from error


@dataclass(frozen=True, slots=True)
class Refused:
    """Why a form was not taken: `faults` by field, `detail` for the form as a whole."""

    status: int
    title: str
    detail: str
    faults: Mapping[str, str]


def _new_key() -> str:
    return str(uuid4())


@dataclass(frozen=True, slots=True)
class Typed:
    """What stands in the form `name`: what was typed, or nothing yet; and why it was refused. By
    its key a form that is sent twice is recorded once.
    """

    name: str = ""
    form: Mapping[str, str] = field(default_factory=dict)
    refused: Refused | None = None
    new_key: str = field(default_factory=_new_key)

    def of(self, name: str) -> "Typed":
        """The same where it is that form's."""
        return self if name == self.name else Typed(new_key=self.new_key)

    @property
    def key(self) -> str:
        """What was refused may be sent again as something else; of what nobody answered it is not
        known whether it was recorded.
        """
        unknown = self.refused is not None and self.refused.status == 503
        return self.form.get("key", self.new_key) if unknown else self.new_key

    @property
    def status(self) -> int:
        return self.refused.status if self.refused else 200


async def record(visit: Visit, form: Mapping[str, str], path: str, body: Mapping[str, Any]) -> int:
    """The position at which what is posted to `path` in /v1 stands. Raises what is a refusal."""
    return (await post(visit, form, path, body)).position


async def post(visit: Visit, form: Mapping[str, str], path: str, body: Mapping[str, Any]) -> Answer:
    """What /v1 answers, once for the form's key. Raises likewise."""
    try:
        key = str(UUID(form.get("key", "")))
    except ValueError as error:
        raise Problem("validation", errors=(("key", "uuid", {}),)) from error
    return await visit.command(path, body, key)


def typed(
    visit: Visit, which: str, form: Mapping[str, str], error: Exception, fields: Collection[str]
) -> Typed:
    """The form `which` as it was sent, with what is wrong; `fields` are those that it shows. Raises
    `error` where it is no refusal.
    """
    problem = problem_of(error)
    if problem is None or isinstance(error, SignedOut):
        raise error
    body = to_people(problem, visit.language)
    found = {one["field"]: one["detail"] for one in body.get("errors", ())}
    rest = [f"{name}: {detail}" for name, detail in found.items() if name not in fields]
    detail = "; ".join(rest) if found else body["detail"]
    return Typed(which, form, Refused(body["status"], body["title"], detail, found))


MOST_DIGITS = 18
"""Of a count; whatever is longer no command takes, and Python reads no number of thousands."""


def count(text: str) -> int | str:
    """A whole number as commands take it; what is none stays text, which they refuse."""
    is_count = text.isascii() and text.isdecimal() and len(text) <= MOST_DIGITS
    return int(text) if is_count else text


def plain_number(text: str) -> str:
    """An amount or a weight as people write it, «450 000 000,00» or "450,000,000.00", as commands
    take it. A single comma is the decimal one; what parts no thousands stays, and they refuse it.
    """
    bare = re.sub(r"[%₽]", "", text).strip().replace("\N{MINUS SIGN}", "-")
    if _BY_SPACES.fullmatch(bare):
        bare = re.sub(r"\s", "", bare)
    elif _BY_COMMAS.fullmatch(bare):
        return bare.replace(",", "")
    return bare.replace(",", ".") if bare.count(",") == 1 and "." not in bare else bare


_BY_SPACES = re.compile(r"-?\d{1,3}(\s\d{3})+([.,]\d+)?")
_BY_COMMAS = re.compile(r"-?\d{1,3}(,\d{3})+\.\d+|-?\d{1,3}(,\d{3}){2,}")
