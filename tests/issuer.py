"""An issuer of OpenID Connect at a real server, for tests: it approves at once whom it is told to.

It does what the standard asks of one (a code once, PKCE, client authentication), and lies in its ID
token in whatever way a test says.
"""

import hashlib
import secrets
import socket
from base64 import b64decode, urlsafe_b64encode
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from threading import Thread
from typing import Any
from urllib.parse import parse_qs, urlencode

import uvicorn
from joserfc import jwt
from joserfc.jwk import ECKey, Key, OctKey, OKPKey, RSAKey
from joserfc.jws import JWSRegistry
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, RedirectResponse, Response
from starlette.routing import Route

from tests.over_http import Clock

CLIENT_ID = "dealfolio"
CLIENT_SECRET = "of-the-client-only"
Claims = dict[str, Any]


@dataclass
class Issuer:
    """`person` is who signs in next; `change` is done to the claims and `sign` makes the token."""

    address: str
    clock: Clock
    person: Claims = field(default_factory=dict)
    change: Callable[[Claims], object] = lambda claims: claims
    sign: Callable[["Issuer", Claims], str] = lambda issuer, claims: issuer.signed(claims)
    metadata: Claims = field(default_factory=dict)
    requests: list[str] = field(default_factory=list)
    codes: dict[str, tuple[dict[str, str], Claims]] = field(default_factory=dict)
    keys: list[Key] = field(default_factory=lambda: [new_key()])
    odd_keys: list[Claims] = field(default_factory=list)
    down: bool = False

    def signed(
        self, claims: Claims, key: Key | None = None, alg: str = "RS256", kid: str | None = None
    ) -> str:
        key = key or self.keys[0]
        header = {"alg": alg, "kid": kid or key.kid}
        return jwt.encode(header, claims, key, registry=_Anything())

    def discovery(self, _: Request) -> Response:
        self.requests.append("discovery")
        if self.down:
            return JSONResponse({}, 500)
        told = {
            "issuer": self.address,
            "authorization_endpoint": f"{self.address}/authorize",
            "token_endpoint": f"{self.address}/token",
            "jwks_uri": f"{self.address}/jwks",
        }
        return JSONResponse(told | self.metadata)

    def jwks(self, _: Request) -> Response:
        self.requests.append("jwks")
        if self.down:
            return JSONResponse({}, 500)
        ours = [dict(key.as_dict(private=False)) for key in self.keys]
        return JSONResponse({"keys": [*self.odd_keys, *ours]})

    def authorize(self, request: Request) -> Response:
        self.requests.append("authorize")
        asked = dict(request.query_params)
        assert asked["client_id"] == CLIENT_ID
        assert asked["response_type"] == "code"
        assert set(asked["scope"].split()) == {"openid", "email", "profile"}
        assert asked["code_challenge_method"] == "S256"
        code = secrets.token_urlsafe(16)
        self.codes[code] = asked, dict(self.person)
        told = {"code": code, "state": asked["state"], "iss": self.address}
        return RedirectResponse(f"{asked['redirect_uri']}?{urlencode(told)}", 302)

    async def token(self, request: Request) -> Response:
        self.requests.append("token")
        if self.down:
            return JSONResponse({}, 500)
        form = {name: one for name, (one,) in parse_qs((await request.body()).decode()).items()}
        given = b64decode(request.headers["authorization"].removeprefix("Basic ")).decode()
        asked, person = self.codes.pop(form.get("code", ""), ({}, {}))
        digest = hashlib.sha256(form.get("code_verifier", "").encode()).digest()
        challenge = urlsafe_b64encode(digest).decode().rstrip("=")
        right = (
            given == f"{CLIENT_ID}:{CLIENT_SECRET}"
            and asked
            and challenge == asked["code_challenge"]
            and form["redirect_uri"] == asked["redirect_uri"]
        )
        if not right:
            return JSONResponse({"error": "invalid_grant"}, 400)
        claims = self.claims(person | {"nonce": asked["nonce"]})
        self.change(claims)
        token = {"access_token": "opaque", "token_type": "Bearer", "expires_in": 300}
        return JSONResponse(token | {"id_token": self.sign(self, claims)})

    def claims(self, more: Claims) -> Claims:
        now = int(self.clock.now.timestamp())
        ours = {"iss": self.address, "aud": CLIENT_ID, "iat": now, "exp": now + 300}
        return ours | more


class _Anything(JWSRegistry):
    """Signs as a test says, in ways that no issuer should."""

    def get_alg(self, name: str) -> Any:
        return self.algorithms[name]


def new_key(kind: str = "RSA") -> Key:
    match kind:
        case "EC":
            return ECKey.generate_key("P-256", auto_kid=True)
        case "OKP":
            return OKPKey.generate_key("Ed25519", auto_kid=True)
        case _:
            return RSAKey.generate_key(2048, auto_kid=True)


def with_the_public_key_as_a_secret(issuer: Issuer, claims: Claims) -> str:
    """The classical confusion: HS256, by what everybody can read."""
    public = issuer.keys[0]
    assert isinstance(public, RSAKey)
    secret = OctKey(public.as_pem(private=False), public.as_pem(private=False))
    header = {"alg": "HS256", "kid": public.kid}
    return jwt.encode(header, claims, secret, registry=_Anything())


def without_a_signature(issuer: Issuer, claims: Claims) -> str:
    header = {"alg": "none", "kid": issuer.keys[0].kid}
    return jwt.encode(header, claims, OctKey.generate_key(256), registry=_Anything())


@contextmanager
def issuing(clock: Clock) -> Iterator[Issuer]:
    with socket.create_server(("127.0.0.1", 0)) as listening:
        issuer = Issuer(f"http://127.0.0.1:{listening.getsockname()[1]}", clock)
        routes = [
            Route("/.well-known/openid-configuration", issuer.discovery),
            Route("/jwks", issuer.jwks),
            Route("/authorize", issuer.authorize),
            Route("/token", issuer.token, methods=["POST"]),
        ]
        config = uvicorn.Config(Starlette(routes=routes), log_level="critical")
        server = uvicorn.Server(config)
        thread = Thread(target=server.run, args=([listening],), name="issuer")
        thread.start()
        try:
            yield issuer
        finally:
            server.should_exit = True
            thread.join()
