"""Access control: checks host, origin, token and size of every request before the application sees it.

A page of another site can make a browser send requests to this machine. It cannot forge `Host` (which stops DNS
rebinding), `Origin` or `Sec-Fetch-Site` (which stop cross-site requests); see the OWASP cheat sheet on cross-site
request forgery, and https://www.w3.org/TR/fetch-metadata/.
"""

from __future__ import annotations

import hmac
import ipaddress
import re
import secrets
import socket
from urllib.parse import parse_qs

from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import HTMLResponse, JSONResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

MOST_BYTES = 64 << 20  # of a body with masks
MOST_BYTES_OF_OTHERS = 1 << 20  # of any other body
_HAS_MASKS = re.compile(r"/api/photos/-?\d+(/shapes)?")
_REDIRECT = """<!doctype html><html lang="en"><head><meta charset="utf-8"><title>mvtec annotate</title>
<meta http-equiv="refresh" content="0; url=/"></head><body><a href="/">mvtec annotate</a></body></html>"""
_PAGES = frozenset({"/", "/docs"})
_PAGE_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' blob: data:; connect-src 'self'; "
    "font-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
_DOCS_POLICY = _PAGE_POLICY.replace(
    "style-src 'self'", "style-src 'self' 'unsafe-inline'"
)  # Swagger's page writes styles
_HEADERS = {
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
}


def is_loopback(host: str) -> bool:
    """Whether only this machine can reach a server that listens there."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


class Guard:
    """Wraps the application.

    Args:
        app: The application.
        token: What a browser must bring as `?token=` once, to be given a cookie, and a program in each request as
            `Authorization: Bearer TOKEN`; None where nobody needs one.
        on_network: Whether the server listens to other machines, too, which know this one by its names and addresses.
    """

    def __init__(self, app: ASGIApp, token: str | None, *, on_network: bool = False) -> None:
        self._app = app
        self._token = token
        self._on_network = on_network
        self._cookie = secrets.token_urlsafe(32)
        names = {socket.gethostname(), socket.getfqdn()} if on_network else set()
        self._names = {name.lower() for name in names} | {f"{name.lower()}.local" for name in names}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a bad request, and pass on a good one."""
        if scope["type"] == "lifespan":
            await self._app(scope, receive, send)
            return
        if scope["type"] != "http":
            return
        headers = Headers(scope=scope)
        path, answer = scope["path"], self._refusal(scope, headers)

        async def send_guarded(message: Message) -> None:
            if message["type"] == "http.response.start":
                written = MutableHeaders(scope=message)
                written["Content-Security-Policy"] = _DOCS_POLICY if path.startswith("/docs") else _PAGE_POLICY
                for name, value in _HEADERS.items():
                    written[name] = value
                if "cache-control" not in written:
                    written["Cache-Control"] = "no-store"
            await send(message)

        if answer is None:
            answer = self._check_token(scope, headers)
        if answer is not None:
            await answer(scope, receive, send_guarded)
            return
        await self._app(scope, receive, send_guarded)

    def _refusal(self, scope: Scope, headers: Headers) -> Response | None:
        host = headers.get("host", "")
        if not self._is_ours(host):
            return _error(421, f"this server does not have the name {host}")
        origin = headers.get("origin")
        if origin is not None and origin != f"{scope['scheme']}://{host}":
            return _error(403, f"a page of {origin} may not use this server")
        site = headers.get("sec-fetch-site", "none")
        opened = headers.get("sec-fetch-mode") == "navigate" and scope["path"] in _PAGES and scope["method"] == "GET"
        if site not in ("none", "same-origin") and not opened:
            return _error(403, "a page of another site may not use this server")
        length = headers.get("content-length", "0")
        most = MOST_BYTES if _HAS_MASKS.fullmatch(scope["path"]) else MOST_BYTES_OF_OTHERS
        if not length.isdigit() or int(length) > most:
            return _error(413, f"the body must be at most {most >> 20} MiB")
        if "transfer-encoding" in headers:
            return _error(411, "the request needs a Content-Length")
        if int(length) and headers.get("content-type", "").split(";")[0].strip() != "application/json":
            return _error(415, "the body must be JSON, with Content-Type: application/json")
        return None

    def _is_ours(self, host: str) -> bool:
        """Whether a `Host` is this machine: no other name may lead here, since that could be anyone's."""
        name = host[1 : host.find("]")] if host.startswith("[") else host.rsplit(":", 1)[0]
        if is_loopback(name):
            return True
        if not self._on_network:
            return False
        try:
            ipaddress.ip_address(name)
        except ValueError:
            return name.lower() in self._names
        return True

    def _check_token(self, scope: Scope, headers: Headers) -> Response | None:
        """Answer the right token with a cookie, and a request without token or cookie with 401; None lets it pass."""
        if self._token is None:
            return None
        # Cookies are the same for all ports of a host, so two servers on it need two names.
        port = headers.get("host", "").rpartition(":")[2]
        cookie = f"mvtec-{port}" if port.isdigit() else "mvtec"
        given = parse_qs(scope["query_string"].decode("latin-1")).get("token", [""])[0]
        if scope["path"] == "/" and _is_secret(given, self._token):
            # A page that redirects: browsers send no strict cookie along an HTTP redirect from another site.
            answer = HTMLResponse(_REDIRECT)
            answer.set_cookie(cookie, self._cookie, httponly=True, samesite="strict", path="/")
            return answer
        brought = dict(part.strip().partition("=")[::2] for part in headers.get("cookie", "").split(";"))
        scheme, _, bearer = headers.get("authorization", "").partition(" ")
        if _is_secret(brought.get(cookie, ""), self._cookie) or (
            scheme.lower() == "bearer" and _is_secret(bearer, self._token)
        ):
            return None
        return _error(
            401,
            "a token is needed: open the address that mvtec annotate printed, which has it; a program sends it as "
            "Authorization: Bearer TOKEN",
        )


def _is_secret(given: str, secret: str) -> bool:
    """Whether a text is the secret; compared in constant time."""
    return hmac.compare_digest(given.encode(), secret.encode())


def _error(status: int, detail: str) -> JSONResponse:
    return JSONResponse({"detail": detail}, status_code=status)
