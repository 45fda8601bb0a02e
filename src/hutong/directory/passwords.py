"""Passwords: what is strong enough, and argon2id hashes made and checked away from the event loop."""

import asyncio
from concurrent.futures import ThreadPoolExecutor
from functools import lru_cache

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError

from hutong.directory.errors import WeakPassword
from hutong.platform.web import mark

SHORTEST, LONGEST = 10, 256
FEWEST_DIFFERENT = 4  # these three stand in the messages below, in both languages

_hasher = PasswordHasher(time_cost=2, memory_cost=19_456, parallelism=1)  # OWASP's argon2id setting: 19 MiB, two passes
_threads = ThreadPoolExecutor(max_workers=4, thread_name_prefix="password")
"""Each hash takes 19 MiB and a core: a flood of sign-ins queues here instead of filling the machine."""


def must_be_strong(password: str, login: str) -> None:
    """Raises WeakPassword with the reason."""
    if len(password) < SHORTEST:
        raise WeakPassword(mark("A password has at least 10 characters."))
    if len(password) > LONGEST:
        raise WeakPassword(mark("A password has at most 256 characters."))
    if login.lower() in password.lower():
        raise WeakPassword(mark("A password does not contain the login."))
    if len(set(password)) < FEWEST_DIFFERENT:
        raise WeakPassword(mark("A password has at least 4 different characters."))


async def hash_password(password: str) -> str:
    """The argon2id hash, with its salt and settings, as it is stored."""
    return await asyncio.get_running_loop().run_in_executor(_threads, _hasher.hash, password)


async def is_password(password: str, stored: str | None) -> bool:
    """Whether ``password`` belongs to the ``stored`` hash. With none stored it takes as long, and the answer is no."""
    if len(password) > LONGEST:
        return False
    return await asyncio.get_running_loop().run_in_executor(_threads, _verify, password, stored)


def is_outdated(stored: str) -> bool:
    """Whether a hash was made with other settings than today's, and should be made anew at the next sign-in."""
    return _hasher.check_needs_rehash(stored)


@lru_cache
def _nobody() -> str:
    return _hasher.hash("the password of nobody")


def _verify(password: str, stored: str | None) -> bool:
    try:
        return _hasher.verify(_nobody() if stored is None else stored, password) and stored is not None
    except (VerificationError, InvalidHashError):
        return False
