"""What every answer says to the browser that gets it: trust nothing, keep nothing, ask nobody else.

An answer in JSON is never a page, so it may do nothing at all. A page may use what comes from here
and no script or style that stands in the page itself: whoever smuggles one into a title has gained
nothing. Sources: Content Security Policy Level 3; OWASP HTTP Headers Cheat Sheet.
"""

from collections.abc import Awaitable

from starlette.types import Message, Scope, Send

from api.settings import Settings

Pairs = list[tuple[bytes, bytes]]

_ANYWHERE: Pairs = [
    (b"x-content-type-options", b"nosniff"),
    (b"referrer-policy", b"no-referrer"),
    (b"cross-origin-opener-policy", b"same-origin"),
    (b"cross-origin-resource-policy", b"same-origin"),
    (b"permissions-policy", b"camera=(), geolocation=(), microphone=(), payment=(), usb=()"),
]
_DATA = (
    b"content-security-policy",
    b"default-src 'none'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
)
_PAGE = (
    b"content-security-policy",
    b"default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; font-src 'self';"
    b" img-src 'self' data:; form-action 'self'; base-uri 'none'; frame-ancestors 'none'",
)  # data: for pictures alone, which are what stylesheets draw their arrows with
_UNSTORED = (b"cache-control", b"no-store")
_HSTS = (b"strict-transport-security", b"max-age=31536000")
"""A year, as browsers want it for lists of theirs; without subdomains, which are not ours."""
_DEMO = (b"dealfolio-mode", b"demo")


class Guard:
    """One for an application. The headers are put together once: this is on every request's way."""

    def __init__(self, settings: Settings) -> None:
        always = [*_ANYWHERE]
        if settings.behind_tls:
            always.append(_HSTS)
        if settings.demo:
            always.append(_DEMO)
        self.data = [_DATA, *always]
        self._page = [_PAGE, *always]
        self._unstored = [_UNSTORED, *self.data]

    def heading(self, scope: Scope, send: Send) -> Send:
        """`send`, by which answers go out with what every answer carries.

        What is under /v1 is not stored anywhere, unless the endpoint itself says how.
        """
        ours = self._unstored if scope["path"].startswith("/v1/") else self.data

        def headed(message: Message) -> Awaitable[None]:
            if message["type"] == "http.response.start":
                given: Pairs = message["headers"]
                message["headers"] = given + (self._exceptional(given) or ours)
            return send(message)

        return headed

    def _exceptional(self, given: Pairs) -> Pairs | None:
        for name, value in given:
            if name == b"content-type" and value.startswith(b"text/html"):
                return self._page
            if name == b"cache-control":
                return self.data
        return None
