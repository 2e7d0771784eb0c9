"""Requests that another site has a browser send: a cookie comes along with them, so it proves
nothing alone (OWASP, Cross-Site Request Forgery Prevention).

What changes something must come from a page of ours, by what the browser says of it, and bring the
session's token, which only such a page can read. Whoever brings a key needs none of that: browsers
add no keys by themselves.
"""

from collections.abc import Mapping
from hmac import compare_digest
from urllib.parse import urlsplit

from starlette.types import Scope

from api.problems import Problem
from api.sessions import Session
from api.settings import Settings

Headers = Mapping[bytes, bytes]
SAFE = frozenset({"GET", "HEAD", "OPTIONS"})
"""Methods that change nothing (RFC 9110, 9.2.1)."""


def require_no_forgery(
    scope: Scope,
    headers: Headers,
    session: Session,
    settings: Settings,
    field: str | None = None,
) -> None:
    """Of a request that a session's cookie came with; `field` is the token that a form brought.

    Raises Problem.
    """
    if scope["method"] in SAFE:
        return
    if not _says_where_from(headers):
        raise Problem("cross-site")
    require_own_page(headers, settings)
    token = headers.get(b"x-csrf-token") or (field or "").encode("utf-8", "replace")
    if not compare_digest(token, session.csrf.encode()):
        raise Problem("cross-site")


def require_own_page(headers: Headers, settings: Settings) -> None:
    """Whatever the request says of where it comes from, it is here; it need not say it, as a
    program does not. Raises Problem.
    """
    if headers.get(b"sec-fetch-site", b"none") not in {b"same-origin", b"none"}:
        raise Problem("cross-site")
    given = _origin(headers)
    if given is not None and given != _own_origin(headers, settings):
        raise Problem("cross-site")


def _says_where_from(headers: Headers) -> bool:
    return b"origin" in headers or b"referer" in headers


def _origin(headers: Headers) -> str | None:
    if b"origin" in headers:
        return headers[b"origin"].decode("latin-1").lower()
    if b"referer" in headers:
        return _origin_of(headers[b"referer"].decode("latin-1"))
    return None


def _own_origin(headers: Headers, settings: Settings) -> str:
    """By the settings; or the host that was asked, spoken to as the settings say: behind TLS nobody
    has a page of ours in the clear, and without it nobody has one by TLS.
    """
    if settings.public_url is not None:
        return _origin_of(settings.public_url)
    scheme = "https" if settings.behind_tls else "http"
    return f"{scheme}://{headers.get(b'host', b'').decode('latin-1').lower()}"


def _origin_of(url: str) -> str:
    """Empty for what is no address."""
    try:
        parts = urlsplit(url)
    except ValueError:
        return ""
    return f"{parts.scheme}://{parts.netloc}".lower()
