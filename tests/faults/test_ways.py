"""The way to Microsoft: names that do not resolve, certificates that are not theirs, lines that lead nowhere."""

from __future__ import annotations

import datetime
import resource
import socket
import ssl
from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager, suppress
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from ostiary.adapters.http_session import trusted
from ostiary.core.kernel.access_method import AccessMethod
from ostiary.core.sync.model import Source

from .conftest import ROUNDS
from .following import RunningFeed


@asynccontextmanager
async def another_host(feed: RunningFeed, url: str) -> AsyncIterator[None]:
    """Let Graph be somewhere else for a while."""
    client: Any = feed.services.sync._gateways[AccessMethod.GRAPH, Source.MAIL]
    client = client._client
    root, origin = client._root, client._origin
    client._root = f"{url}/v1.0"
    try:
        yield
    finally:
        client._root, client._origin = root, origin


def made_certificate(folder: Path, *, name: str, days: int) -> tuple[Path, Path]:
    """A certificate that signs itself; its end lies ``days`` ahead, or back."""
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    now = datetime.datetime.now(datetime.UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(days=400))
        .not_valid_after(now + datetime.timedelta(days=days))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(name)]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    certificate, private = folder / f"{name}{days}.pem", folder / f"{name}{days}.key"
    certificate.write_bytes(made.public_bytes(serialization.Encoding.PEM))
    private.write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
    )
    return certificate, private


@asynccontextmanager
async def served_with(
    feed: RunningFeed, folder: Path, *, name: str, days: int, known: bool
) -> AsyncIterator[None]:
    """Graph behind a certificate; ``known``: our operator trusts who signed it."""
    certificate, private = made_certificate(folder, name=name, days=days)
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(certificate, private)
    if known:
        trusted().load_verify_locations(cafile=str(certificate))
    seen: list[str] = []

    async def take(request: web.Request) -> web.StreamResponse:
        seen.append(request.path)
        return web.json_response({})

    app = web.Application()
    app.router.add_route("*", "/{path:.*}", take)
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0, ssl_context=context).start()
    try:
        async with another_host(feed, f"https://localhost:{runner.addresses[0][1]}"):
            yield
    finally:
        await runner.cleanup()
    assert seen == [], "a token was sent to a stranger"


@asynccontextmanager
async def silent_line(feed: RunningFeed, *, accepts: bool) -> AsyncIterator[None]:
    """A host whose line takes no connection, or takes it and is dead from then on."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen(64 if accepts else 0)
        url = f"http://127.0.0.1:{listener.getsockname()[1]}"
        fillers: list[socket.socket] = []
        if not accepts:
            # With a full queue the kernel answers nobody any more.
            for _ in range(4):
                filler = socket.socket()
                filler.setblocking(False)
                with suppress(BlockingIOError):
                    filler.connect(listener.getsockname())
                fillers.append(filler)
        try:
            async with another_host(feed, url):
                yield
        finally:
            for filler in fillers:
                filler.close()


@asynccontextmanager
async def no_more_handles(feed: RunningFeed) -> AsyncIterator[None]:
    """This process may open no file and no socket more than it has; no line to Graph is open yet."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    used = max(int(name.name) for name in Path("/proc/self/fd").iterdir())
    resource.setrlimit(resource.RLIMIT_NOFILE, (used - 2, hard))
    try:
        async with another_host(feed, "http://127.0.0.1:9"):
            yield
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


def way(feed: RunningFeed, name: str, folder: Path) -> AbstractAsyncContextManager[None]:
    match name:
        case "name-does-not-resolve":
            return another_host(feed, "http://graph.invalid")
        case "certificate-expired":
            return served_with(feed, folder, name="localhost", days=-1, known=True)
        case "certificate-of-another-name":
            return served_with(feed, folder, name="elsewhere.example", days=9, known=True)
        case "certificate-of-nobody":
            return served_with(feed, folder, name="localhost", days=9, known=False)
        case "connecting-hangs":
            return silent_line(feed, accepts=False)
        case "half-open":
            return silent_line(feed, accepts=True)
        case _:
            return no_more_handles(feed)


@pytest.mark.parametrize(
    "name",
    [
        "name-does-not-resolve",
        "certificate-expired",
        "certificate-of-another-name",
        "certificate-of-nobody",
        "connecting-hangs",
        "half-open",
        "no-more-handles",
    ],
)
async def test_where_no_way_leads_to_microsoft_everything_waits_and_nothing_is_lost(
    feed: RunningFeed, name: str, tmp_path: Path
) -> None:
    for _ in range(ROUNDS):
        before = [await feed.oracle.cursors(each.connection_id) for each in feed.both]
        await feed.write()
        for each in feed.both:
            await feed.until_marked(each)
        async with way(feed, name, tmp_path):
            for _ in range(2):
                await feed.services.sync.read_due()
                feed.clock.advance(datetime.timedelta(seconds=20))
        assert [await feed.oracle.cursors(each.connection_id) for each in feed.both] == before
        for each in feed.both:
            assert (await feed.oracle.grant(each.connection_id))[0] == "connected"
        # The emulator's clock follows ours.
        await feed.move_clocks(datetime.timedelta(0))
        await feed.require_converged()
