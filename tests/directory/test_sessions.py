"""Signing in, staying signed in, and being shut out."""

import asyncio
from datetime import timedelta

import pytest

from hutong.directory.errors import TooManyAttempts, WrongPassword
from hutong.directory.pages_account import safe_next
from hutong.directory.sessions import TRIES_A_LOGIN, TRIES_AN_ADDRESS, counted_try, sign_in, sweep
from hutong.platform.scope import Scope
from tests.support.network import PASSWORD

NEW = "quite another pass phrase"


async def signed(client, login="office", password=PASSWORD, **more):
    return await client.post("/sign-in", data={"login": login, "password": password, **more})


async def csrf_of(client):
    page = await client.get("/account", headers={"accept": "text/html"})
    return page.text.split('data-csrf="')[1].split('"')[0]


async def test_the_right_password_opens_a_session_whose_cookie_is_protected_and_stored_hashed(client, network, owner):
    answer = await signed(client)
    assert answer.status_code == 303
    assert answer.headers["location"] == "/"
    cookie = answer.headers["set-cookie"]
    assert "HttpOnly" in cookie
    assert "SameSite=lax" in cookie
    token = client.cookies["hutong_session"]
    assert owner.execute("select count(*) from browser_session where token_hash = %s::bytea", [token.encode()]).fetchone() == (0,)
    assert (await client.get("/v1/me")).json()["actor"] == f"person:{network.people['office'].id}"


async def test_a_wrong_password_and_an_unknown_login_answer_alike(clients, network):
    wrong, unknown, disabled = [
        await signed(clients(), *each) for each in (("office", "not it at all"), ("who-is-this", PASSWORD), ("gone", PASSWORD))
    ]
    assert wrong.status_code == unknown.status_code == disabled.status_code == 401
    strip = lambda answer, login: answer.text.replace(login, "")  # noqa: E731
    assert strip(wrong, "office") == strip(unknown, "who-is-this") == strip(disabled, "gone")
    assert "set-cookie" not in wrong.headers


async def test_after_too_many_wrong_passwords_even_the_right_one_must_wait(clients, network):
    answers = [await signed(clients(), "office", "not it at all") for _ in range(TRIES_A_LOGIN)]
    assert {each.status_code for each in answers} == {401}
    late = await signed(clients())
    assert late.status_code == 429
    assert 0 < int(late.headers["retry-after"]) <= 15 * 60
    assert (await signed(clients(), "manager")).status_code == 303  # others are not held up


async def test_parallel_guesses_do_not_slip_past_the_limit(database, network):
    async def guess():
        try:
            await sign_in(database, "office", "not it at all", address="10.0.0.1")
        except (WrongPassword, TooManyAttempts) as error:
            return type(error)

    tried = await asyncio.gather(*(guess() for _ in range(TRIES_A_LOGIN + 6)))
    assert tried.count(WrongPassword) == TRIES_A_LOGIN
    assert tried.count(TooManyAttempts) == 6


async def test_an_address_that_tries_many_logins_is_held_up_too(database, network, owner):
    owner.execute("insert into sign_in_attempt (subject) select 'address:10.0.0.9' from generate_series(1, %s)", [TRIES_AN_ADDRESS])
    with pytest.raises(TooManyAttempts):
        await sign_in(database, "office", PASSWORD, address="10.0.0.9")
    assert (await sign_in(database, "office", PASSWORD, address="10.0.0.10")).person_id == network.people["office"].id


async def test_signing_in_rightly_does_not_count_as_a_failure(database, network):
    for _ in range(TRIES_A_LOGIN + 2):
        await sign_in(database, "office", PASSWORD, address="10.0.0.1")


@pytest.mark.parametrize("column", ["expires_at = now()", "seen_at = now() - interval '12 hours 1 second'"])
async def test_a_session_ends_after_12_idle_hours_and_after_7_days(client, network, owner, column):
    await signed(client)
    row = owner.execute("select expires_at - created_at from browser_session").fetchone()
    assert row == (timedelta(days=7),)
    owner.execute(f"update browser_session set {column}")
    owner.execute("select pg_notify('hutong_access', '')")
    deadline = asyncio.get_running_loop().time() + 6
    while (answer := await client.get("/v1/me")).status_code != 401:
        assert asyncio.get_running_loop().time() < deadline
        await asyncio.sleep(0.05)
    assert answer.json()["code"] == "unauthenticated"


async def test_signing_out_ends_the_session_at_once(clients, network):
    client, thief = clients(), clients()
    await signed(client)
    thief.cookies.set("hutong_session", client.cookies["hutong_session"])
    assert (await thief.get("/v1/me")).status_code == 200
    answer = await client.post("/sign-out", data={"csrf": await csrf_of(client)})
    assert answer.status_code == 303
    assert (await thief.get("/v1/me")).status_code == 401


async def test_a_form_without_the_sessions_token_changes_nothing(client, network, owner):
    await signed(client)
    for data, headers in [({}, {}), ({"csrf": "wrong"}, {}), ({"csrf": await csrf_of(client)}, {"Origin": "https://evil.example"})]:
        answer = await client.post("/account/password", data={"old": PASSWORD, "new": NEW, "again": NEW} | data, headers=headers)
        assert answer.status_code == 403
    assert (await client.post("/v1/keys", json={"name": "x", "permissions": ["sales:read"], "retailer": "one"})).status_code == 403
    assert owner.execute("select count(*) from api_key where name = 'x'").fetchone() == (0,)


async def test_changing_the_password_ends_all_other_sessions_and_the_old_password(clients, network):
    here, there = clients(), clients()
    await signed(here)
    await signed(there)
    csrf = await csrf_of(here)
    refused = await here.post("/account/password", data={"csrf": csrf, "old": "not it at all", "new": NEW, "again": NEW})
    assert refused.status_code == 401
    weak = await here.post("/account/password", data={"csrf": csrf, "old": PASSWORD, "new": "short", "again": "short"})
    assert weak.status_code == 422
    changed = await here.post("/account/password", data={"csrf": csrf, "old": PASSWORD, "new": NEW, "again": NEW})
    assert changed.status_code == 303
    assert (await here.get("/v1/me")).status_code == 200
    assert (await there.get("/v1/me")).status_code == 401
    assert (await signed(clients())).status_code == 401
    assert (await signed(clients(), password=NEW)).status_code == 303


@pytest.mark.parametrize(
    "address", ["https://evil.example", "//evil.example", "/\\evil.example", "/\t/evil.example", "javascript:alert(1)", "/sign-out"]
)
def test_signing_in_never_leads_to_another_site(address):
    assert safe_next(address) == "/"


async def test_signing_in_leads_back_to_the_page_that_was_asked_for(client, network):
    asked = await client.get("/directory/stores?q=x", headers={"accept": "text/html"})
    assert asked.status_code == 303
    assert asked.headers["location"] == "/sign-in?next=%2Fdirectory%2Fstores%3Fq%3Dx"
    assert (await signed(client, next="/directory/stores?q=x")).headers["location"] == "/directory/stores?q=x"


async def test_sweeping_forgets_old_tries_and_ended_sessions_only(database, network, owner, session_of):
    session_of("office")
    owner.execute("insert into sign_in_attempt (subject, at) values ('login:x', now() - interval '2 days'), ('login:x', now())")
    session_of("manager")
    owner.execute("update browser_session set expires_at = now() where person_id = %s", [network.people["manager"].id])
    await sweep(database)
    assert owner.execute("select (select count(*) from browser_session), (select count(*) from sign_in_attempt)").fetchone() == (1, 1)


async def test_a_try_that_breaks_off_counts_as_failed(database, network, owner):
    with pytest.raises(RuntimeError):
        async with counted_try(database, {"login:x": 3}):
            raise RuntimeError
    async with counted_try(database, {"login:x": 3}) as tried, database.work(Scope.of_network()) as uow:
        await tried.succeed(uow)
        await uow.commit()
    assert owner.execute("select succeeded, count(*) from sign_in_attempt group by 1 order by 1").fetchall() == [(False, 1), (True, 1)]
