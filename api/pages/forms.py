"""What a form sends: from a page of ours, with the session's token, and each field once."""

from collections.abc import Mapping
from urllib.parse import parse_qsl

from fastapi import Request

from api.door import read_body
from api.forgery import require_no_forgery, require_own_page
from api.pages.visit import Visit
from api.problems import Problem
from api.signing_in import headers_of, signing_in

MOST_FIELDS = 200


async def read_form(request: Request) -> Mapping[str, str]:
    """Before anybody is signed in. Raises Problem."""
    headers = headers_of(request)
    require_own_page(headers, signing_in(request).service.settings)
    media_type = headers.get(b"content-type", b"").split(b";")[0].strip().lower()
    if media_type != b"application/x-www-form-urlencoded":
        raise Problem("unsupported-media-type")
    body = await read_body(request.receive, headers)
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


async def read_own_form(visit: Visit) -> Mapping[str, str]:
    """Of somebody who is signed in. Raises Problem."""
    form = await read_form(visit.request)
    require_no_forgery(
        visit.request.scope,
        headers_of(visit.request),
        visit.session,
        visit.service.settings,
        form.get("csrf", ""),
    )
    return form
