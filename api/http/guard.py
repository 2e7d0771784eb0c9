"""Whom we answer at all, and what every answer tells the browser: trust nothing, keep nothing.

An answer in JSON is never a page, so it may do nothing at all. A page may use what comes from here
and no script or style that stands in the page itself: whoever smuggles one into a title has gained
nothing. A name that is not ours in the Host header means that somebody's page has made a browser in
here believe that we are that page's server (DNS rebinding), and what we answer would be read by it.
Sources: Content Security Policy Level 3; OWASP HTTP Headers Cheat Sheet; RFC 9112, 3.2.
"""

import re
from collections.abc import Awaitable
from ipaddress import ip_address
from urllib.parse import urlsplit

from starlette.types import Message, Scope, Send

from api.problems import Problem
from api.settings import Settings

Pairs = list[tuple[bytes, bytes]]

_ANYWHERE: Pairs = [
    (b"x-content-type-options", b"nosniff"),
    (b"referrer-policy", b"same-origin"),  # with none, forms come with `Origin: null`
    (b"cross-origin-opener-policy", b"same-origin"),
    (b"cross-origin-resource-policy", b"same-origin"),
    (b"permissions-policy", b"camera=(), geolocation=(), microphone=(), payment=(), usb=()"),
]
_DATA = (
    b"content-security-policy",
    b"default-src 'none'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
)
_PAGE = (
    "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; font-src 'self';"
    " img-src 'self' data:; form-action {forms}; base-uri 'none'; frame-ancestors 'none'"
)  # data: for pictures alone, which are what stylesheets draw their arrows with
_UNSTORED = (b"cache-control", b"no-store")
_HSTS = (b"strict-transport-security", b"max-age=31536000")
"""A year, as browsers want it for lists of theirs; without subdomains, which are not ours."""
_DEMO = (b"dealfolio-mode", b"demo")
_HOST = re.compile(rb"(\[[0-9a-f:.]+\]|[a-z0-9._-]+)(?::[0-9]{1,5})?", re.IGNORECASE)
MOST_HOSTS = 100
"""Spellings of our names, with their ports, that are remembered."""


class Guard:
    """One for an application. The headers are put together once: this is on every request's way."""

    def __init__(self, settings: Settings) -> None:
        always = [*_ANYWHERE]
        if settings.behind_tls:
            always.append(_HSTS)
        if settings.demo:
            always.append(_DEMO)
        self.data = [_DATA, *always]
        self.data_lines = lines_of([*self.data, _UNSTORED])
        page = _PAGE.format(forms=_where_forms_lead(settings))
        self.page = [(b"content-security-policy", page.encode("ascii")), *always]
        self._names = {_bare(name) for name in settings.allowed_hosts}
        if not is_everywhere(settings.host):
            self._names.add(_bare(settings.host))
        self._known: set[bytes] = set()

    def refusal(self, scope: Scope) -> Problem | None:
        """Unless it is called by one of its names, once, and by no other."""
        hosts = [value for name, value in scope["headers"] if name == b"host"]
        if len(hosts) == 1 and (hosts[0] in self._known or self._is_ours(hosts[0])):
            return None
        return Problem("unknown-host")

    def _is_ours(self, host: bytes) -> bool:
        found = _HOST.fullmatch(host)
        if found is None:
            return False
        name = _bare(found[1].decode("ascii"))
        if not is_loopback(name) and name not in self._names:
            return False
        if len(self._known) < MOST_HOSTS:
            self._known.add(host)
        return True

    def heading(self, scope: Scope, send: Send) -> Send:
        """`send`, by which answers go out with what every answer carries.

        Figures are stored nowhere on their way: only what lies in a file here may be, and what its
        endpoint allows itself.
        """
        storable = scope["path"].startswith("/static/")

        def headed(message: Message) -> Awaitable[None]:
            if message["type"] == "http.response.start":
                given: Pairs = message["headers"]
                ours, decided = self.data, storable
                for name, value in given:
                    if name == b"content-type":
                        ours = self.page if value.startswith(b"text/html") else self.data
                    elif name == b"cache-control":
                        decided = True
                message["headers"] = given + ours if decided else [*given, *ours, _UNSTORED]
            return send(message)

        return headed


def lines_of(pairs: Pairs) -> bytes:
    """As they stand in a head."""
    return b"".join([b"%s: %s\r\n" % pair for pair in pairs])


def _where_forms_lead(settings: Settings) -> str:
    """To us; and to the issuer, because browsers hold also what a form is redirected to, as by
    /auth/oidc/start, to this.
    """
    if settings.oidc_issuer is None:
        return "'self'"
    issuer = urlsplit(settings.oidc_issuer)
    return f"'self' {issuer.scheme}://{issuer.netloc}"


def _bare(name: str) -> str:
    """As names are compared: an IPv6 address without its brackets."""
    return name.lower().strip("[]")


def is_loopback(host: str) -> bool:
    """Whether only this machine reaches what listens there."""
    try:
        return host.lower() == "localhost" or ip_address(host).is_loopback
    except ValueError:
        return False


def is_everywhere(host: str) -> bool:
    """Whether it is no address of anything, but means all of them."""
    try:
        return not host or ip_address(host).is_unspecified
    except ValueError:
        return False
