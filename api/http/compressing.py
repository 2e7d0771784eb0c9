"""Pages and what they are drawn with go out compressed, except to whom another site has sent.

In a compressed page, what is reflected from the address and a secret beside it tell by their length
how much they have in common. Whoever can make a browser ask for many addresses, and see how long
the answers are, reads the secret so, letter by letter (BREACH, 2013). A browser says who made it
ask (Sec-Fetch-Site, W3C Fetch Metadata), also through redirects; so what anybody but ourselves or
the user had it ask for goes out as it is, and so does everything to whoever does not say. Answers
of /v1, which are read by programs, are small or paged, and are left alone.
"""

from starlette.datastructures import Headers
from starlette.middleware.gzip import GZipMiddleware
from starlette.types import ASGIApp, Receive, Scope, Send

WORTH_IT = 1_000
"""Bytes below which an answer is left as it is."""
LEVEL = 4
"""Of zlib: half the time of 6 for a twentieth more."""
_OURS = frozenset({"same-origin", "none"})
"""Asked for by a page of ours; by the user, with no site involved."""


class Compressing:
    """ASGI: what `app` answers, compressed where that tells nobody anything."""

    def __init__(self, app: ASGIApp) -> None:
        self._as_it_is = app
        self._compressed = GZipMiddleware(app, WORTH_IT, LEVEL)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        answer = self._compressed if _tells_nobody(scope) else self._as_it_is
        await answer(scope, receive, send)


def _tells_nobody(scope: Scope) -> bool:
    """Files hold no secret."""
    if scope["type"] != "http":
        return False
    is_file = scope["path"].startswith("/static/")
    return is_file or Headers(scope=scope).get("sec-fetch-site") in _OURS
