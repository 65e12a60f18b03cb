"""What every request and answer of the page goes through, so that no route can forget it.

A page on another site can send requests to a server on the visitor's own machine, and by its own
DNS name even read the answers ("DNS rebinding"). So a request has to name this server as its host,
and one that may change something must not come from another origin.
"""

import re
from collections.abc import Collection
from urllib.parse import urlsplit

from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

# WebAssembly needs 'wasm-unsafe-eval'; photos are shown by blob: addresses. No other host.
CONTENT_SECURITY_POLICY = "; ".join(
    (
        "default-src 'none'",
        "script-src 'self' 'wasm-unsafe-eval'",
        "style-src 'self'",
        "img-src 'self' blob:",
        "connect-src 'self'",
        "worker-src 'self'",
        "manifest-src 'self'",
        "base-uri 'none'",
        "form-action 'none'",
        "frame-ancestors 'none'",
    )
)
HEADERS = {
    "Content-Security-Policy": CONTENT_SECURITY_POLICY,
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=()",
}
_SAFE = frozenset({"GET", "HEAD"})
_SAME_SITE = frozenset({"same-origin", "none"})
# A name or an address of IPv4, or one of IPv6 in brackets, and a port, which may be empty
_HOST = re.compile(r"(\[[0-9A-Fa-f:.]+\]|[^\s\[\]:/?#@\\,]+)(?::[0-9]*)?")
_MISDIRECTED, _FORBIDDEN = 421, 403


class Guard:
    """Refuses requests of strangers and adds the security headers to every answer.

    `hosts` are the names, without ports, by which the page may be addressed.
    """

    def __init__(self, app: ASGIApp, hosts: Collection[str]) -> None:
        self._app, self._hosts = app, frozenset(host.lower() for host in hosts)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle one request, as ASGI servers call it."""
        if scope["type"] != "http":
            if scope["type"] == "lifespan":
                await self._app(scope, receive, send)
            return  # a web socket, of which the page has none, is not accepted

        async def send_guarded(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                for name, value in HEADERS.items():
                    headers.setdefault(name, value)
            await send(message)

        refusal = self._refusal(scope["method"], Headers(scope=scope))
        await (refusal or self._app)(scope, receive, send_guarded)

    def _refusal(self, method: str, headers: Headers) -> PlainTextResponse | None:
        hosts = headers.getlist("host")
        if len(hosts) != 1 or _host_name(hosts[0]) not in self._hosts:
            message = "This server is not known by that name. Open the address that it printed.\n"
            return PlainTextResponse(message, _MISDIRECTED)
        if method not in _SAFE and not _is_same_origin(headers, hosts[0]):
            message = "This request comes from another page, and was refused.\n"
            return PlainTextResponse(message, _FORBIDDEN)
        return None


def _host_name(host: str) -> str | None:
    """The name in a Host header; None if the header is malformed (RFC 9110, 7.2)."""
    found = _HOST.fullmatch(host)
    return found[1].strip("[]").lower() if found else None


def _is_same_origin(headers: Headers, host: str) -> bool:
    """Whether a browser sent it from this page; other programs send neither of these headers."""
    origin, site = headers.get("origin"), headers.get("sec-fetch-site")
    is_own = origin is None or urlsplit_or_none(origin) == host.lower()
    return is_own and (site is None or site in _SAME_SITE)


def urlsplit_or_none(origin: str) -> str | None:
    """The host and port of an origin; None for what is none, as `null`."""
    try:
        parts = urlsplit(origin)
    except ValueError:
        return None
    return parts.netloc.lower() if parts.scheme in {"http", "https"} else None
