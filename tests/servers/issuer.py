"""An OpenID issuer for tests: discovery, codes that serve once with their challenge, tokens, userinfo."""

from __future__ import annotations

import base64
import json
import threading
from dataclasses import dataclass, field
from hashlib import sha256
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Self
from urllib.parse import parse_qs, urlencode, urlsplit

CLIENT, SECRET = "parvar", "s3cret: with+signs"


@dataclass
class OpenIdServer:
    """`claims` are laid over those of the next tokens; None takes one away. `profile` is what userinfo says."""

    claims: dict[str, object] = field(default_factory=dict)
    profile: dict[str, object] = field(default_factory=dict)
    document: dict[str, object] = field(default_factory=dict)
    asked: list[str] = field(default_factory=list)
    _codes: dict[str, dict[str, str]] = field(default_factory=dict)

    def __enter__(self) -> Self:
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), _handler(self))
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}/realm/"
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True)
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()

    def visit(self, address: str) -> str:
        """What somebody's browser does here: the address it is sent back to, with a code."""
        asked = {name: values[0] for name, values in parse_qs(urlsplit(address).query, strict_parsing=True).items()}
        assert address.startswith(self.url + "authorize?")
        assert (asked["response_type"], asked["client_id"], asked["code_challenge_method"]) == ("code", CLIENT, "S256")
        assert {"openid", "email"} <= set(asked["scope"].split())
        code = f"code-{len(self._codes)}"
        self._codes[code] = asked
        return f"{asked['redirect_uri']}?{urlencode({'code': code, 'state': asked['state']})}"

    def answer(self, path: str, form: dict[str, str], shown: str) -> tuple[int, dict[str, object]]:
        self.asked.append(path)
        match path:
            case "/realm/.well-known/openid-configuration":
                ends = {name: self.url + end for name, end in _ENDS.items()}
                return 200, {"issuer": self.url, **ends, **self.document}
            case "/realm/token":
                return self._tokens(form, shown)
            case "/realm/userinfo" if shown == "Bearer access-1":
                return 200, self.profile
            case _:
                return 404, {}

    def _tokens(self, form: dict[str, str], shown: str) -> tuple[int, dict[str, object]]:
        asked = self._codes.pop(form.get("code", ""), None)
        proof = base64.urlsafe_b64encode(sha256(form.get("code_verifier", "").encode()).digest()).decode().rstrip("=")
        is_client = shown == _BASIC or (form.get("client_id"), form.get("client_secret")) == (CLIENT, SECRET)
        if asked is None or not is_client or proof != asked["code_challenge"]:
            return 400, {"error": "invalid_grant"}
        if form["redirect_uri"] != asked["redirect_uri"] or form["grant_type"] != "authorization_code":
            return 400, {"error": "invalid_request"}
        claims = {"iss": self.url, "aud": CLIENT, "sub": "7", "nonce": asked["nonce"], **self.claims}
        kept = {name: value for name, value in claims.items() if value is not None}
        parts = (_coded({"alg": "RS256"}), _coded(kept), "c2lnbmVk")
        return 200, {"access_token": "access-1", "token_type": "Bearer", "id_token": ".".join(parts)}


_ENDS = {"authorization_endpoint": "authorize", "token_endpoint": "token", "userinfo_endpoint": "userinfo"}
_BASIC = "Basic " + base64.b64encode(b"parvar:s3cret%3A+with%2Bsigns").decode()


def _coded(part: dict[str, object]) -> str:
    return base64.urlsafe_b64encode(json.dumps(part).encode()).decode().rstrip("=")


def _handler(server: OpenIdServer) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self._say({})

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length", 0))).decode()
            self._say({name: values[0] for name, values in parse_qs(body).items()})

        def _say(self, form: dict[str, str]) -> None:
            status, said = server.answer(self.path, form, self.headers.get("Authorization", ""))
            body = json.dumps(said).encode()
            self.send_response(status)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            """Tests look at `asked`."""

    return Handler
