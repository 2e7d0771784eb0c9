"""A sign-in that went to the issuer and is not back yet.

Nothing is remembered of it here. The browser has a random secret in a cookie, and state, nonce and
verifier follow from it: so what comes back fits only the browser that set out.
"""

import secrets
from base64 import urlsafe_b64decode, urlsafe_b64encode
from dataclasses import dataclass
from hashlib import sha256

MOST_OF_PATH = 1_000


@dataclass(frozen=True, slots=True)
class Attempt:
    """`next` is the path to which the browser goes in the end."""

    secret: str
    next: str

    @classmethod
    def begin(cls, next_: str) -> "Attempt":
        return cls(secrets.token_urlsafe(32), next_)

    @classmethod
    def from_cookie(cls, value: str) -> "Attempt":
        """Raises ValueError for what is none of ours."""
        secret, _, coded = value.partition(".")
        path = urlsafe_b64decode(coded.encode("ascii")).decode()
        if len(secret) != 43 or not is_path_here(path):
            raise ValueError("not one of ours")
        return cls(secret, path)

    @property
    def cookie(self) -> str:
        return f"{self.secret}.{urlsafe_b64encode(self.next.encode()).decode()}"

    @property
    def state(self) -> str:
        return self._derived("state")

    @property
    def nonce(self) -> str:
        return self._derived("nonce")

    @property
    def verifier(self) -> str:
        return self._derived("verifier")

    def _derived(self, what: str) -> str:
        digest = sha256(f"{what} {self.secret}".encode()).digest()
        return urlsafe_b64encode(digest).decode().rstrip("=")


def is_path_here(path: str) -> bool:
    """An absolute path on this host. Browsers read a backslash as a slash, leave out tabs and ends
    of lines, and take `//host` for another host (WHATWG URL, 4.4).
    """
    return (
        path.startswith("/")
        and not path.startswith(("//", "/auth/"))
        and "\\" not in path
        and path.isascii()
        and path.isprintable()
        and " " not in path
        and len(path) <= MOST_OF_PATH
    )
