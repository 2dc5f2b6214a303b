"""Asking an OpenID issuer: its discovery document, its token endpoint, its userinfo endpoint.

Owns which addresses are asked (https; plain http on this machine only), no redirects, short waits, small answers.
Must not judge what a token claims.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from urllib.parse import quote_plus

import requests
from requests import PreparedRequest, Response
from requests.auth import AuthBase, HTTPBasicAuth

from app.settings import OpenId, is_guarded

SECONDS = 5.0
LARGEST = 256 * 1024
"""Bytes of an answer."""


class NoAnswer(OSError):
    """The issuer does not answer, or nothing that can be used."""


@dataclass(frozen=True, slots=True)
class Issuer:
    """What a discovery document says, as far as it is needed (OpenID Connect Discovery 1.0, section 3)."""

    authorization: str
    token: str
    userinfo: str = ""
    is_basic: bool = True
    """Whether the client's secret goes into the Authorization header: the default; else into the form."""


@dataclass(frozen=True, slots=True)
class Exchange:
    """A code to be changed for tokens, with the verifier of its challenge (RFC 7636)."""

    code: str = field(repr=False)
    verifier: str = field(repr=False)
    redirect: str


@dataclass(frozen=True, slots=True)
class Tokens:
    id: str = field(repr=False)
    access: str = field(repr=False)


def discover(name: str) -> Issuer:
    """The endpoints of an issuer. Raises NoAnswer, also when the document is about another issuer (section 4.3)."""
    document = _ask("GET", f"{name.rstrip('/')}/.well-known/openid-configuration")
    if document.get("issuer") != name:
        raise NoAnswer(f"the document is about {document.get('issuer')!r}, not about {name!r}")
    methods = document.get("token_endpoint_auth_methods_supported")
    is_basic = not isinstance(methods, list) or "client_secret_basic" in methods
    authorization, token = _text(document, "authorization_endpoint"), _text(document, "token_endpoint")
    userinfo = str(document.get("userinfo_endpoint") or "")
    for url in (authorization, token, userinfo):
        if url and not is_guarded(url):
            raise NoAnswer(f"{url!r} is not an https address")
    return Issuer(authorization, token, userinfo, is_basic)


def redeem(issuer: Issuer, client: OpenId, exchange: Exchange) -> Tokens:
    """Change a code for tokens (OpenID Connect Core 1.0, section 3.1.3). Raises NoAnswer."""
    fields = {
        "grant_type": "authorization_code",
        "code": exchange.code,
        "redirect_uri": exchange.redirect,
        "code_verifier": exchange.verifier,
    }
    auth: AuthBase = HTTPBasicAuth(quote_plus(client.client_id), quote_plus(client.client_secret))  # RFC 6749, 2.3.1
    if not issuer.is_basic:
        fields |= {"client_id": client.client_id, "client_secret": client.client_secret}
        auth = _Shown("")
    answer = _ask("POST", issuer.token, fields, auth)
    return Tokens(_text(answer, "id_token"), _text(answer, "access_token"))


def userinfo(issuer: Issuer, access: str) -> Mapping[str, object]:
    """What the issuer tells besides the ID token (section 5.3). Raises NoAnswer."""
    return _ask("GET", issuer.userinfo, auth=_Shown(f"Bearer {access}")) if issuer.userinfo else {}


class _Shown(AuthBase):
    """This Authorization and no other: without it the library would take one out of a .netrc."""

    def __init__(self, words: str) -> None:
        self._words = words

    def __call__(self, request: PreparedRequest) -> PreparedRequest:
        if self._words:
            request.headers["Authorization"] = self._words
        return request


def _ask(
    method: str, url: str, fields: Mapping[str, str] | None = None, auth: AuthBase | None = None
) -> Mapping[str, object]:
    if not is_guarded(url):
        raise NoAnswer(f"{url!r} is not an https address")
    try:
        with requests.request(
            method,
            url,
            data=fields,
            auth=auth or _Shown(""),
            headers={"Accept": "application/json"},
            timeout=SECONDS,
            allow_redirects=False,
            stream=True,
        ) as answer:
            return _read(answer)
    except NoAnswer:
        raise
    except (OSError, ValueError) as fault:
        raise NoAnswer(f"{url}: {type(fault).__name__}: {fault}") from fault


def _read(answer: Response) -> Mapping[str, object]:
    content = answer.raw.read(LARGEST + 1, decode_content=True)
    if answer.status_code != requests.codes.ok or len(content) > LARGEST:
        raise NoAnswer(f"{answer.url}: status {answer.status_code}, {len(content)} bytes")
    found = json.loads(content)
    if not isinstance(found, dict):
        raise NoAnswer(f"{answer.url}: not an object")
    return found


def _text(document: Mapping[str, object], name: str) -> str:
    found = document.get(name)
    if not isinstance(found, str) or not found:
        raise NoAnswer(f"{name} is missing")
    return found
