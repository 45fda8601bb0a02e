"""Fixtures of every test: a fresh database, a small network in it, the application, clients of every kind, a real server.

Async tests need no mark: anyio runs them (and async fixtures) on asyncio.
"""

import json
import os
import secrets
import shutil
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import httpx
import psycopg
import pytest
from hypothesis import HealthCheck
from hypothesis import settings as hypothesis_settings

from hutong.platform.config import Settings
from hutong.platform.database import Database
from tests.support.network import Network, insert_network, stored
from tests.support.postgres import SharedPostgres, run_folder, stop_if_unused
from tests.support.server import RunningServer, start_server

hypothesis_settings.register_profile(
    "hutong",
    max_examples=50,
    deadline=None,
    derandomize=True,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
hypothesis_settings.register_profile("thorough", parent=hypothesis_settings.get_profile("hutong"), max_examples=2000, derandomize=False)
hypothesis_settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "hutong"))

Person = Callable[[str], httpx.AsyncClient]


@pytest.hookimpl(tryfirst=True)
def pytest_configure(config: pytest.Config) -> None:
    """Tests' folders lie beside the test server: pytest's own lie in one that each further run of anybody closes to PostgreSQL's user."""
    if not hasattr(config, "workerinput") and config.option.basetemp is None:
        config.option.basetemp = run_folder()


def pytest_unconfigure(config: pytest.Config) -> None:
    """The last process of the last run stops the test server."""
    if not hasattr(config, "workerinput"):
        shutil.rmtree(run_folder(), ignore_errors=True)
        stop_if_unused()


@pytest.fixture(scope="session")
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture(scope="session")
def postgres() -> Iterator[SharedPostgres]:
    """The PostgreSQL that all test processes share."""
    shared = SharedPostgres()
    yield shared
    shared.leave()


@pytest.fixture
def database_url(postgres: SharedPostgres) -> Iterator[str]:
    """The URL, as owner, of a fresh migrated database without rows."""
    with postgres.fresh_database() as url:
        yield url


@pytest.fixture
async def database(database_url: str) -> AsyncIterator[Database]:
    """The program's ``Database`` on the test's fresh database."""
    opened = Database(database_url)
    yield opened
    await opened.close()


@pytest.fixture
def owner(database_url: str) -> Iterator[psycopg.Connection[Any]]:
    """A plain autocommit connection as owner, past row-level security: to arrange what no command makes, and to look at what is stored."""
    with psycopg.connect(database_url, autocommit=True) as connection:
        yield connection


@pytest.fixture
def network(database_url: str) -> Network:
    """The small invented network, written into the test's database."""
    return insert_network(database_url)


@pytest.fixture
def settings(database_url: str, tmp_path: Path) -> Settings:
    """Settings that the application starts with; a test module may override this fixture."""
    return Settings(database_url=database_url, data_dir=tmp_path / "data", base_url="http://test", jobs=False)


@pytest.fixture
async def app(settings: Settings) -> AsyncIterator[Any]:
    """The whole application with its lifespan running in this process."""
    from hutong.app import create_app

    application = create_app(settings)
    async with application.router.lifespan_context(application):
        yield application


@pytest.fixture
async def clients(app: Any) -> AsyncIterator[Callable[..., httpx.AsyncClient]]:
    """Makes clients of the application in this process; keyword arguments go to ``httpx.AsyncClient``."""
    async with AsyncExitStack() as stack:
        opened: list[httpx.AsyncClient] = []

        def make(**options: Any) -> httpx.AsyncClient:
            transport = httpx.ASGITransport(app, raise_app_exceptions=False)
            opened.append(httpx.AsyncClient(transport=transport, base_url="http://test", timeout=30, **options))
            stack.push_async_callback(opened[-1].aclose)
            return opened[-1]

        yield make


@pytest.fixture
def client(clients: Callable[..., httpx.AsyncClient]) -> httpx.AsyncClient:
    """A client that nobody is signed in to."""
    return clients()


@pytest.fixture
def with_key(clients: Callable[..., httpx.AsyncClient], network: Network) -> Person:
    """``with_key(network.till.key)`` is a client that sends this bearer key."""
    return lambda key: clients(headers={"Authorization": f"Bearer {key}"})


@pytest.fixture
def session_of(network: Network, owner: psycopg.Connection[Any]) -> Callable[[str], tuple[str, str]]:
    """``session_of("office")`` signs a person in without the sign-in page: the cookie's value and the CSRF token."""

    def sign_in(login: str) -> tuple[str, str]:
        token, csrf = secrets.token_urlsafe(32), secrets.token_urlsafe(32)
        owner.execute(
            "insert into browser_session (token_hash, person_id, csrf, expires_at) values (%s, %s, %s, now() + interval '1 hour')",
            [stored(token), network.people[login].id, csrf],
        )
        return token, csrf

    return sign_in


@pytest.fixture
def as_person(clients: Callable[..., httpx.AsyncClient], session_of: Callable[[str], tuple[str, str]]) -> Person:
    """``as_person("office")`` is a signed-in client of this person (see ``Network.people``) that sends its CSRF token by header."""

    def make(login: str) -> httpx.AsyncClient:
        token, csrf = session_of(login)
        return clients(cookies={"hutong_session": token}, headers={"X-CSRF-Token": csrf})

    return make


@pytest.fixture
def make_server(database_url: str, tmp_path: Path) -> Iterator[Callable[..., RunningServer]]:
    """Starts real servers on the test's database (or another ``url``); options as for ``start_server``. All are ended with the test."""
    started: list[RunningServer] = []

    def make(url: str = database_url, **options: Any) -> RunningServer:
        started.append(start_server(url, tmp_path / f"server-{len(started)}.log", **options))
        return started[-1]

    yield make
    for server in started:
        server.stop()


@pytest.fixture
def server(make_server: Callable[..., RunningServer]) -> RunningServer:
    """A real server in a process of its own on the test's database; ``server.url`` is its address."""
    return make_server()


@pytest.fixture(scope="session")
async def browser(anyio_backend: str) -> AsyncIterator[Any]:
    """Debian's chromium, driven by playwright; skips where it is not installed."""
    from playwright.async_api import async_playwright

    from tests.support.browser import chromium

    async with async_playwright() as playwright:
        started = await playwright.chromium.launch(executable_path=chromium(), args=["--no-sandbox", "--disable-dev-shm-usage"])
        yield started
        await started.close()


@pytest.fixture
async def page(browser: Any, server: RunningServer) -> AsyncIterator[Any]:
    """A page of a fresh browser context whose relative addresses lead to ``server``; errors on its console fail the test."""
    context = await browser.new_context(base_url=server.url, locale="en-GB")
    opened = await context.new_page()
    errors: list[str] = []
    opened.on("pageerror", lambda error: errors.append(str(error)))
    opened.on("console", lambda message: errors.append(message.text) if message.type == "error" else None)
    yield opened
    await context.close()
    assert not errors, json.dumps(errors, ensure_ascii=False)


@pytest.fixture
def page_as(page: Any, server: RunningServer, session_of: Callable[[str], tuple[str, str]]) -> Callable[[str], Any]:
    """``await page_as("manager")`` is the browser page, signed in as this person."""

    async def sign_in(login: str) -> Any:
        token, _ = session_of(login)
        await page.context.add_cookies([{"name": "hutong_session", "value": token, "url": server.url}])
        return page

    return sign_in
