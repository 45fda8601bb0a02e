"""Signing in and out: passwords, browser sessions, and limits on guessing that all processes share."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Row

from hutong.directory.access import IDLE_HOURS, forget, hash_token, new_token, notify
from hutong.directory.errors import TooManyAttempts, WrongPassword
from hutong.directory.passwords import hash_password, is_outdated, is_password, must_be_strong
from hutong.directory.permissions import Principal
from hutong.kernel.errors import NotFound
from hutong.platform.database import Database, UnitOfWork
from hutong.platform.scope import Scope

LONGEST_DAYS = 7
WINDOW_MINUTES = 15
TRIES_A_LOGIN = 10
TRIES_AN_ADDRESS = 60
MOST_SESSIONS = 50
NETWORK = Scope.of_network()


@dataclass(frozen=True, slots=True)
class SignedIn:
    """A session just begun; ``token`` goes into the cookie and is kept nowhere."""

    token: str
    person_id: int
    locale: str


async def sign_in(db: Database, login: str, password: str, *, address: str, user_agent: str = "") -> SignedIn:
    """Begin a session for the person with this login and password.

    Raises WrongPassword, which never says which of the two is wrong, and TooManyAttempts with the seconds to wait.
    """
    login = login.strip().lower()[:64].replace("\0", "")
    async with counted_try(db, {f"login:{login}": TRIES_A_LOGIN, f"address:{address}": TRIES_AN_ADDRESS}) as tried:
        async with db.read(NETWORK) as reader:
            person = await reader.row("select id, password_hash, locale, disabled_at from person where login = :login", login=login)
        right = await is_password(password, None if person is None else person.password_hash)
        if not right or person is None or person.disabled_at is not None:
            raise WrongPassword
        renewed = await hash_password(password) if is_outdated(person.password_hash) else person.password_hash
        token = new_token()
        async with db.work(NETWORK) as uow:
            # The hash is compared again: a password changed since it was checked must not open a session that outlives the change.
            still = await uow.row(
                "update person set password_hash = :renewed where id = :id and password_hash = :checked and disabled_at is null returning id",
                renewed=renewed, id=person.id, checked=person.password_hash,
            )  # fmt: skip
            if still is None:
                raise WrongPassword
            await _begin(uow, person.id, token, user_agent)
            await tried.succeed(uow)
            await uow.record(f"person:{person.id}", "session.begin", subject=f"person:{person.id}", detail={"address": address})
            await uow.commit()
    return SignedIn(token, person.id, person.locale)


async def sign_out(db: Database, by: Principal, token_hash: bytes) -> None:
    """End the session that the request came with."""
    await end_session(db, by, token_hash.hex())


async def end_session(db: Database, by: Principal, session: str) -> None:
    """End one of one's own sessions, named by the hexadecimal hash of its token. Raises NotFound."""
    try:
        token_hash = bytes.fromhex(session)
    except ValueError:
        raise NotFound from None
    async with db.work(NETWORK) as uow:
        ended = await uow.row(
            "delete from browser_session where token_hash = :hash and person_id = :id returning person_id", hash=token_hash, id=by.person_id
        )
        if ended is None:
            raise NotFound
        await uow.record(by.actor, "session.end", subject=by.actor)
        await notify(uow, by.actor)
        await uow.commit()
    forget(db, by.actor)


async def change_password(db: Database, by: Principal, old: str, new: str, *, keep: bytes | None, address: str) -> None:
    """Change one's own password; all sessions end but the one with the token hash ``keep``.

    Raises WrongPassword if ``old`` is not the password (guesses are counted as at sign-in), WeakPassword.
    """
    async with db.read(NETWORK) as reader:
        person = await reader.row("select login, password_hash from person where id = :id", id=by.person_id)
    if person is None:
        raise NotFound
    must_be_strong(new, person.login)
    async with counted_try(db, {f"login:{person.login}": TRIES_A_LOGIN, f"address:{address}": TRIES_AN_ADDRESS}) as tried:
        if not await is_password(old, person.password_hash):
            raise WrongPassword("The present password is not right.")
        hashed = await hash_password(new)
        async with db.work(NETWORK) as uow:
            changed = await uow.row(
                "update person set password_hash = :hash where id = :id and password_hash = :old returning id",
                hash=hashed, id=by.person_id, old=person.password_hash,
            )  # fmt: skip
            if changed is None:
                raise WrongPassword("The present password is not right.")
            await uow.execute(
                "delete from browser_session where person_id = :id and token_hash is distinct from :keep", id=by.person_id, keep=keep
            )
            await tried.succeed(uow)
            await uow.record(by.actor, "person.password", subject=by.actor)
            await notify(uow, by.actor)
            await uow.commit()
    forget(db, by.actor)


async def sessions_of(db: Database, by: Principal) -> Sequence[Row[Any]]:
    """One's own open sessions, newest first: token_hash, created_at, seen_at, user_agent."""
    async with db.read(NETWORK) as reader:
        return await reader.rows(
            """select token_hash, created_at, seen_at, user_agent from browser_session
               where person_id = :id and expires_at > now() and seen_at > now() - make_interval(hours => :idle) order by seen_at desc""",
            id=by.person_id, idle=IDLE_HOURS,
        )  # fmt: skip


async def sweep(db: Database) -> None:
    """Delete what nobody needs any more: ended sessions, and tries that no limit counts."""
    async with db.work(NETWORK) as uow:
        await uow.execute(
            "delete from browser_session where expires_at < now() or seen_at < now() - make_interval(hours => :idle)", idle=IDLE_HOURS
        )
        await uow.execute("delete from sign_in_attempt where at < now() - interval '1 day'")
        await uow.commit()


class counted_try:  # noqa: N801 - read as a verb: ``async with counted_try(…)``
    """A try that counts as failed from its beginning, so that parallel guesses cannot slip past the limit together.

    ``limits`` says how many failures within WINDOW_MINUTES each subject is allowed. Raises TooManyAttempts on entering;
    a try that was refused does not count. ``succeed``, in the unit of work of what the try was for, takes it back.
    """

    def __init__(self, db: Database, limits: dict[str, int]) -> None:
        self.db = db
        self.limits = limits
        self.at: datetime | None = None

    async def __aenter__(self) -> "counted_try":
        async with self.db.work(NETWORK) as uow:
            for subject in sorted(self.limits):  # in one order, so that two tries never wait for each other
                await uow.execute("select pg_advisory_xact_lock(hashtextextended(:subject, 7406))", subject=subject)
            for subject, most in self.limits.items():
                wait = await uow.value(
                    """select ceil(extract(epoch from at + make_interval(mins => :window) - clock_timestamp()))::integer from sign_in_attempt
                       where subject = :subject and not succeeded and at > clock_timestamp() - make_interval(mins => :window)
                       order by at desc offset :most - 1 limit 1""",
                    subject=subject, most=most, window=WINDOW_MINUTES,
                )  # fmt: skip
                if wait is not None:
                    raise TooManyAttempts(retry_after=max(1, wait))
            self.at = await uow.value("select clock_timestamp()")
            for subject in self.limits:
                await uow.execute("insert into sign_in_attempt (subject, at) values (:subject, :at)", subject=subject, at=self.at)
            await uow.commit()
        return self

    async def __aexit__(self, *_: object) -> None:
        return None

    async def succeed(self, uow: UnitOfWork) -> None:
        """This try was right: it counts no more."""
        await uow.execute(
            "update sign_in_attempt set succeeded = true where subject = any(:subjects) and at = :at",
            subjects=list(self.limits),
            at=self.at,
        )


async def _begin(uow: UnitOfWork, person_id: int, token: str, user_agent: str) -> None:
    await uow.execute(
        """insert into browser_session (token_hash, person_id, csrf, expires_at, user_agent)
           values (:hash, :person_id, :csrf, now() + make_interval(days => :days), :user_agent)""",
        hash=hash_token(token), person_id=person_id, csrf=new_token(), days=LONGEST_DAYS, user_agent=user_agent[:200].replace("\0", ""),
    )  # fmt: skip
    await uow.execute(
        """delete from browser_session where token_hash in
           (select token_hash from browser_session where person_id = :person_id order by created_at desc offset :most)""",
        person_id=person_id, most=MOST_SESSIONS,
    )  # fmt: skip
