"""The guarded client reaches what it may, over real sockets, and nothing inside, however the address is spelt."""

import asyncio
import shutil
import ssl
import subprocess
import time
from collections.abc import Sequence
from ipaddress import ip_address
from pathlib import Path

import pytest

from hutong.platform import outbound
from hutong.platform.outbound import Outbound, OutboundError, OutboundRefused, SystemResolver, checked_addresses, is_public, parsed
from tests.support.receiver import http, receiving

INSIDE = [
    "127.0.0.1", "127.255.255.254", "0.0.0.0", "10.1.2.3", "172.16.0.1", "172.31.255.255", "192.168.1.1", "169.254.169.254", "100.64.0.1",
    "100.100.100.200", "192.0.0.192", "198.18.0.1", "224.0.0.1", "240.0.0.1", "255.255.255.255", "192.88.99.1", "168.63.129.16", "203.0.113.9",
    "::", "::1", "::ffff:127.0.0.1", "::ffff:8.8.8.8", "::127.0.0.1", "64:ff9b::7f00:1", "64:ff9b:1::1", "fe80::1", "fe80::1%eth0", "fc00::1",
    "fd00:ec2::254", "ff02::1", "2002:7f00:1::", "2001::1", "2001:db8::1", "3fff::1", "100::1", "5f00::1",
]  # fmt: skip
OPEN = ["8.8.8.8", "1.1.1.1", "172.32.0.1", "100.128.0.1", "192.0.1.1", "223.5.5.5", "2400:3200::1", "2606:4700:4700::1111"]


class Names:
    """A resolver whose answers are written down; the last one stays. Counts how often it was asked."""

    def __init__(self, *answers: Sequence[str]) -> None:
        self.answers = list(answers)
        self.asked = 0

    async def __call__(self, host: str, port: int) -> Sequence[str]:
        self.asked += 1
        return self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]


@pytest.mark.parametrize("address", INSIDE)
def test_an_inside_address_is_not_public(address):
    assert not is_public(ip_address(address))


@pytest.mark.parametrize("address", OPEN)
def test_an_address_of_the_open_internet_is_public(address):
    assert is_public(ip_address(address))


def test_one_inside_address_among_public_ones_refuses_them_all():
    with pytest.raises(OutboundRefused):
        checked_addresses(["8.8.8.8", "10.0.0.1"])


@pytest.mark.parametrize(
    "url",
    ["http://example.com/", "ftp://example.com/", "https://", "https://user:pass@example.com/", "https://user@example.com/", "https://example.com:22/",
     "https://example.com:80/", "https://example.com/#part", "//example.com/", "https:///x", "example.com", "https://exa mple.com/",
     "https://example.com/\r\nX: y", "https://" + "a" * 2000 + ".com/", "https://example.com:99999/", "file" + "://" + "/etc/passwd", "https://[::1"],
)  # fmt: skip
def test_an_address_of_another_form_is_refused(url):
    with pytest.raises(OutboundRefused):
        parsed(url)


@pytest.mark.parametrize(
    "url", ["https://example.com/a?b=c", "https://example.com:8443/", "https://例子.中国/钩子", "https://example.com:443/"]
)
def test_an_address_of_the_usual_form_is_accepted(url):
    assert parsed(url).host


@pytest.mark.parametrize(
    "host", ["127.0.0.1", "2130706433", "0x7f000001", "0177.0.0.1", "127.1", "0", "[::1]", "[::ffff:127.0.0.1]", "[::ffff:7f00:1]", "localhost", "LOCALHOST."]
)  # fmt: skip
async def test_every_spelling_of_loopback_is_refused_by_the_machines_own_resolver(host):
    async with Outbound() as client:
        for attempt in (client.check(f"https://{host}:9443/"), client.post(f"https://{host}:9443/", b"{}", {})):
            with pytest.raises(OutboundError) as refused:
                await attempt
            assert refused.value.detail in (outbound.NOT_PUBLIC, outbound.BAD_URL, outbound.NO_SUCH_HOST)


async def test_a_name_that_resolves_to_the_inside_is_refused_and_nothing_is_connected():
    async with receiving() as receiver:
        async with Outbound(resolve=Names(["127.0.0.1"])) as client:
            with pytest.raises(OutboundRefused, match="inside a network"):
                await client.post(f"https://hooks.example:{receiver.port}/", b"{}", {})
        assert receiver.connections == 0


async def test_a_name_server_that_changes_its_answer_between_check_and_use_gains_nothing():
    async with receiving() as receiver:
        names = Names(["8.8.8.8"], ["127.0.0.1"])
        async with Outbound(resolve=names) as client:
            await client.check(f"https://hooks.example:{receiver.port}/")
            with pytest.raises(OutboundRefused):
                await client.post(f"https://hooks.example:{receiver.port}/", b"{}", {})
        assert receiver.connections == 0
        assert names.asked == 2


async def test_the_name_is_resolved_once_for_a_call_and_the_connection_goes_to_what_was_checked():
    async with receiving() as receiver:
        names = Names(["127.0.0.1"], ["203.0.113.1"])
        async with Outbound(allow_private=True, resolve=names) as client:
            answer = await client.post(f"http://hooks.example:{receiver.port}/in", b"{}", {"X-Own": "1"})
        assert (answer.status, names.asked) == (204, 1)
        assert receiver.requests[0].headers["host"] == f"hooks.example:{receiver.port}"
        assert receiver.requests[0].headers["x-own"] == "1"
        assert receiver.requests[0].body == b"{}"


async def test_the_next_address_is_tried_when_the_first_does_not_listen():
    async with receiving() as receiver:
        async with Outbound(allow_private=True, resolve=Names(["127.0.0.99", "127.0.0.1"])) as client:
            assert (await client.post(f"http://hooks.example:{receiver.port}/", b"", {})).status == 204


async def test_a_redirect_is_an_answer_and_is_not_followed():
    async with receiving() as inside:
        async with receiving(http(302, f"Location: {inside.url}\r\n")) as receiver, Outbound(allow_private=True) as client:
            answer = await client.post(receiver.url, b"{}", {})
        assert (answer.status, inside.connections) == (302, 0)


async def test_proxies_of_the_environment_are_not_used(monkeypatch):
    async with receiving() as proxy, receiving() as receiver:
        for name in ("http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"):
            monkeypatch.setenv(name, f"http://127.0.0.1:{proxy.port}")
        async with Outbound(allow_private=True) as client:
            assert (await client.post(receiver.url, b"{}", {})).status == 204
        assert (proxy.connections, receiver.connections) == (0, 1)


async def test_only_the_beginning_of_a_long_answer_is_read():
    async with receiving(http(200, body=b"x" * 1_000_000)) as receiver, Outbound(allow_private=True) as client:
        answer = await client.post(receiver.url, b"{}", {})
        assert len(answer.body) == outbound.MOST_BODY
        assert (await client.post(receiver.url, b"{}", {})).status == 200


async def test_an_answer_that_drips_is_given_up(monkeypatch):
    monkeypatch.setattr(outbound, "TOTAL_SECONDS", 0.3)

    async def never(_request):
        await asyncio.sleep(60)
        return b""

    async with receiving(never) as receiver, Outbound(allow_private=True) as client:
        began = time.monotonic()
        with pytest.raises(OutboundError, match="in time"):
            await client.post(receiver.url, b"{}", {})
        assert time.monotonic() - began < 5


@pytest.mark.parametrize("reply", [b"SSH-2.0-OpenSSH_9.2\r\n\r\n", b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nshort"])
async def test_what_is_not_whole_http_is_an_error(reply):
    async with receiving() as receiver, Outbound(allow_private=True) as client:

        async def cut(_request):
            asyncio.get_running_loop().call_later(0.05, lambda: [task.cancel() for task in asyncio.all_tasks() if "serve" in repr(task)])
            return reply

        receiver.reply = cut
        with pytest.raises(OutboundError):
            await client.post(receiver.url, b"{}", {})


async def test_a_port_where_nobody_listens_is_unreachable():
    async with Outbound(allow_private=True) as client:
        with pytest.raises(OutboundError) as error:
            await client.post("http://127.0.0.1:9/", b"", {})
        assert error.value.detail == outbound.BAD_PORT
        with pytest.raises(OutboundError) as error:
            await client.post("http://127.0.0.1:1025/", b"", {})
        assert error.value.detail == outbound.UNREACHABLE


async def test_the_certificate_is_checked_against_the_name_and_not_the_address(tmp_path):
    server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    certificate, key = made_certificate(tmp_path, "hooks.example")
    server.load_cert_chain(certificate, key)
    trusting = ssl.create_default_context(cafile=certificate)
    async with receiving(tls=server) as receiver, Outbound(allow_private=True, resolve=Names(["127.0.0.1"]), tls=trusting) as client:
        assert (await client.post(f"https://hooks.example:{receiver.port}/", b"{}", {})).status == 204
        with pytest.raises(OutboundError) as error:
            await client.post(f"https://other.example:{receiver.port}/", b"{}", {})
        assert error.value.detail == outbound.BAD_TLS


async def test_a_certificate_that_nobody_vouches_for_is_refused(tmp_path):
    server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    server.load_cert_chain(*made_certificate(tmp_path, "hooks.example"))
    async with receiving(tls=server) as receiver, Outbound(allow_private=True, resolve=Names(["127.0.0.1"])) as client:
        with pytest.raises(OutboundError) as error:
            await client.post(f"https://hooks.example:{receiver.port}/", b"{}", {})
        assert error.value.detail == outbound.BAD_TLS


async def test_the_systems_resolver_finds_both_families_or_says_that_there_is_none():
    resolve = SystemResolver()
    assert "127.0.0.1" in await resolve("127.0.0.1", 443)
    async with Outbound() as client:
        with pytest.raises(OutboundError) as error:
            await client.check("https://no-such-name.invalid/")
        assert error.value.detail == outbound.NO_SUCH_HOST
    resolve.close()


def made_certificate(folder: Path, name: str) -> tuple[Path, Path]:
    """A certificate that signs itself, and its key."""
    if not shutil.which("openssl"):
        pytest.skip("needs openssl to make a certificate")
    certificate, key = folder / "certificate.pem", folder / "key.pem"
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2", "-keyout", key, "-out", certificate,
         "-subj", f"/CN={name}", "-addext", f"subjectAltName=DNS:{name}"],
        check=True, capture_output=True,
    )  # fmt: skip
    return certificate, key
