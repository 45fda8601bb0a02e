"""The one door to addresses that others name: checks where a call really goes, holds it to that, and bounds what comes back.

The guard stands where connections are made (the network backend of httpcore), so there is no path around it: a name is resolved
once, every address it has must be public, and the connection goes to one of the addresses that were checked, not to the name.
A DNS server that changes its answer therefore changes nothing, and TLS still verifies the certificate against the name.
"""

import asyncio
import re
import ssl
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import lru_cache, partial
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address
from socket import SOCK_STREAM, gaierror, getaddrinfo
from types import TracebackType
from typing import ClassVar

import httpcore
import httpx

from hutong import __version__
from hutong.kernel.errors import Invalid
from hutong.platform.web.i18n import mark

CONNECT_SECONDS = 3.0
"""For the name, the connection and the TLS handshake, each."""
TOTAL_SECONDS = 10.0
MOST_BODY = 64 * 1024
"""Bytes of an answer that are read; the connection of a longer one is closed."""
MOST_CONNECTIONS = 400
KEPT_CONNECTIONS, KEPT_SECONDS = 64, 15.0
RESOLVING_THREADS = 32
MOST_URL = 2_000
FIRST_FREE_PORT = 1024
HOST = re.compile(rb"[A-Za-z0-9._-]+|[0-9A-Fa-f:.]+")
"""A name or an address; what the parser had to escape is neither."""

Address = IPv4Address | IPv6Address
Resolver = Callable[[str, int], Awaitable[Sequence[str]]]
"""From a host and port to all of its addresses. Raises OSError if it has none."""

# IANA's special-purpose registries (RFC 6890 and its updates), and two that no registry has: 192.88.99.0/24 was the relay of
# 6to4, and 168.63.129.16 answers for the machine itself inside one large cloud although it looks public.
REFUSED_V4 = tuple(
    IPv4Network(each)
    for each in (
        "0.0.0.0/8", "10.0.0.0/8", "100.64.0.0/10", "127.0.0.0/8", "169.254.0.0/16", "172.16.0.0/12", "192.0.0.0/24", "192.0.2.0/24",
        "192.31.196.0/24", "192.52.193.0/24", "192.88.99.0/24", "192.168.0.0/16", "192.175.48.0/24", "198.18.0.0/15", "198.51.100.0/24",
        "203.0.113.0/24", "224.0.0.0/4", "240.0.0.0/4", "168.63.129.16/32",
    )
)  # fmt: skip
# Global unicast is 2000::/3 and nothing else: loopback, ::ffff:0:0/96, 64:ff9b::/96, fc00::/7, fe80::/10 and ff00::/8 lie outside.
PUBLIC_V6 = IPv6Network("2000::/3")
REFUSED_V6 = tuple(
    IPv6Network(each) for each in ("2001::/23", "2001:db8::/32", "2002::/16", "2620:4f:8000::/48", "3fff::/20")
)  # Teredo and ORCHID are in 2001::/23; 2002::/16 holds IPv4 addresses


class OutboundError(Invalid):
    """A call that was not made, or not answered; ``detail`` is one of a few fixed sentences."""

    code, title = "outbound_failed", mark("The address did not answer")
    refused: ClassVar[bool] = False
    """Whether the address itself is at fault, so that trying again is of no use."""


class OutboundRefused(OutboundError):
    """An address that hutong does not call."""

    code, title = "outbound_refused", mark("This address cannot be called")
    refused: ClassVar[bool] = True


BAD_URL = mark("Write a whole address, such as https://example.com/hooks.")
NOT_HTTPS = mark("The address must begin with https://.")
USER_IN_URL = mark("The address must not hold a user name or password.")
BAD_PORT = mark("Use port 443 or one above 1023.")
NOT_PUBLIC = mark("The address leads to a place inside a network; only public addresses are called.")
NO_SUCH_HOST = mark("The host's name has no address.")
TIMED_OUT = mark("It did not answer in time.")
UNREACHABLE = mark("No connection could be made.")
BAD_TLS = mark("Its certificate is not valid for this name.")
BROKEN_OFF = mark("The connection was broken off, or the answer was not HTTP.")


@dataclass(frozen=True, slots=True)
class Answer:
    """What came back: its status, headers (names in lower case) and the beginning of its body."""

    status: int
    headers: Mapping[str, str]
    body: bytes


def is_public(address: Address) -> bool:
    """Whether an address is one of the open Internet, by our own list: the standard library's changes with its version."""
    if isinstance(address, IPv4Address):
        return not any(address in network for network in REFUSED_V4)
    return address.scope_id is None and address in PUBLIC_V6 and not any(address in network for network in REFUSED_V6)


def checked_addresses(found: Iterable[str]) -> list[Address]:
    """The addresses of a name. Raises OutboundRefused unless every one of them is public: one that is not may be the next answer."""
    addresses = list(dict.fromkeys(ip_address(each) for each in found))
    if not addresses:
        raise OutboundError(NO_SUCH_HOST)
    if not all(is_public(each) for each in addresses):
        raise OutboundRefused(NOT_PUBLIC)
    return addresses


def parsed(url: str, *, allow_private: bool = False) -> httpx.URL:
    """The address, if its form is one that may be called. Raises OutboundRefused."""
    try:
        address = httpx.URL(url) if len(url) <= MOST_URL else None
    except (httpx.InvalidURL, ValueError, UnicodeError):
        address = None
    if address is None or address.scheme not in ("http", "https") or address.fragment or not HOST.fullmatch(address.raw_host):
        raise OutboundRefused(BAD_URL)
    if address.scheme != "https" and not allow_private:
        raise OutboundRefused(NOT_HTTPS)
    if address.userinfo:
        raise OutboundRefused(USER_IN_URL)
    if address.port is not None and not FIRST_FREE_PORT <= address.port <= 65_535 and not (allow_private and address.port == 80):
        raise OutboundRefused(BAD_PORT)  # 443 is None here: it is what https means
    return address


class SystemResolver:
    """The machine's own resolver, in threads of its own: a slow name server must not hold up others' work."""

    def __init__(self) -> None:
        self._threads = ThreadPoolExecutor(RESOLVING_THREADS, "resolve")

    async def __call__(self, host: str, port: int) -> Sequence[str]:
        found = await asyncio.get_running_loop().run_in_executor(self._threads, partial(getaddrinfo, host, port, type=SOCK_STREAM))
        return [str(each[4][0]) for each in found]

    def close(self) -> None:
        self._threads.shutdown(wait=False, cancel_futures=True)


class GuardedBackend(httpcore.AsyncNetworkBackend):
    """Makes connections to addresses that were checked, and to nothing else."""

    def __init__(self, resolve: Resolver, *, allow_private: bool) -> None:
        self.resolve = resolve
        self.allow_private = allow_private
        self._plain = httpcore.AnyIOBackend()

    async def addresses(self, host: str, port: int) -> Sequence[str]:
        """The addresses of ``host`` that may be connected to. Raises OutboundRefused, OutboundError."""
        try:
            found = await self.resolve(host.strip("[]"), port)
            return list(found) if self.allow_private else [str(each) for each in checked_addresses(found)]
        except gaierror as error:
            raise OutboundError(NO_SUCH_HOST) from error
        except (OSError, UnicodeError, ValueError) as error:
            raise OutboundError(NO_SUCH_HOST) from error

    async def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,  # noqa: ASYNC109 - httpcore names it so
        local_address: str | None = None,
        socket_options: Iterable[httpcore.SOCKET_OPTION] | None = None,
    ) -> httpcore.AsyncNetworkStream:
        """Connect to the first address of ``host`` that answers, of those that one look-up named. ``timeout`` is for all of it."""
        failed: Exception = OutboundError(UNREACHABLE)
        try:
            async with asyncio.timeout(timeout):
                for address in (await self.addresses(host, port))[:4]:
                    try:
                        return await self._plain.connect_tcp(address, port, None, local_address, socket_options)
                    except httpcore.ConnectError as error:
                        failed = error
        except TimeoutError:
            raise httpcore.ConnectTimeout from None
        raise failed

    async def connect_unix_socket(
        self,
        path: str,
        timeout: float | None = None,  # noqa: ASYNC109 - the interface is httpcore's  # noqa: ASYNC109 - httpcore names it so
        socket_options: Iterable[httpcore.SOCKET_OPTION] | None = None,
    ) -> httpcore.AsyncNetworkStream:
        raise OutboundRefused(NOT_PUBLIC)

    async def sleep(self, seconds: float) -> None:
        await asyncio.sleep(seconds)


@lru_cache(maxsize=1)
def known_authorities() -> ssl.SSLContext:
    """The TLS settings of every call: reading the authorities takes 30 ms, so it is done once."""
    return httpx.create_ssl_context(trust_env=False)


class Outbound:
    """Calls addresses that others named: no redirects, no proxies, nothing of the environment, everything bounded.

    ``allow_private`` also lets plain http and inside addresses through, for trials on one machine. Close it when the process ends.
    """

    def __init__(self, *, allow_private: bool = False, resolve: Resolver | None = None, tls: ssl.SSLContext | None = None) -> None:
        self.allow_private = allow_private
        self._own = SystemResolver() if resolve is None else None
        self._backend = GuardedBackend(resolve or self._own or SystemResolver(), allow_private=allow_private)
        self._pool = httpcore.AsyncConnectionPool(
            ssl_context=tls or known_authorities(),
            max_connections=MOST_CONNECTIONS,
            max_keepalive_connections=KEPT_CONNECTIONS,
            keepalive_expiry=KEPT_SECONDS,
            network_backend=self._backend,
        )

    async def check(self, url: str) -> str:
        """The address as it will be called, if it could be called just now. Raises OutboundRefused, OutboundError."""
        address = parsed(url, allow_private=self.allow_private)
        try:
            async with asyncio.timeout(CONNECT_SECONDS):
                await self._backend.addresses(address.raw_host.decode("ascii"), address.port or 443)
        except TimeoutError:
            raise OutboundError(NO_SUCH_HOST) from None
        return str(address)

    async def post(self, url: str, content: bytes, headers: Mapping[str, str]) -> Answer:
        """Send ``content`` and read the answer, whatever its status. Raises OutboundRefused, OutboundError."""
        address = parsed(url, allow_private=self.allow_private)
        sent = [
            ("Host", address.netloc.decode("ascii")),
            ("User-Agent", f"hutong/{__version__}"),
            ("Accept", "*/*"),
            ("Content-Length", str(len(content))),
            *headers.items(),
        ]
        target = httpcore.URL(scheme=address.raw_scheme, host=address.raw_host, port=address.port, target=address.raw_path)
        each = {"connect": CONNECT_SECONDS, "read": TOTAL_SECONDS, "write": TOTAL_SECONDS, "pool": TOTAL_SECONDS}
        try:
            async with asyncio.timeout(TOTAL_SECONDS):
                async with self._pool.stream("POST", target, headers=sent, content=content, extensions={"timeout": each}) as response:
                    return Answer(response.status, _readable(response.headers), await _beginning(response))
        except (TimeoutError, httpcore.TimeoutException) as error:
            raise OutboundError(TIMED_OUT) from error
        except httpcore.ConnectError as error:
            raise OutboundError(BAD_TLS if _is_of_tls(error) else UNREACHABLE) from error
        except (httpcore.NetworkError, httpcore.ProtocolError, ssl.SSLError, OSError) as error:
            raise OutboundError(BROKEN_OFF) from error

    async def close(self) -> None:
        """End all connections."""
        await self._pool.aclose()
        if self._own is not None:
            self._own.close()

    async def __aenter__(self) -> "Outbound":
        return self

    async def __aexit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        await self.close()


async def _beginning(response: httpcore.Response) -> bytes:
    body = b""
    async for part in response.aiter_stream():
        body += part
        if len(body) >= MOST_BODY:
            break  # leaving the stream unread closes its connection
    return body[:MOST_BODY]


def _readable(headers: Iterable[tuple[bytes, bytes]]) -> dict[str, str]:
    return {name.decode("latin-1").lower(): value.decode("latin-1") for name, value in headers}


def _is_of_tls(error: BaseException) -> bool:
    seen: BaseException | None = error
    while seen is not None:
        if isinstance(seen, ssl.SSLError):
            return True
        seen = seen.__cause__ or seen.__context__
    return False
