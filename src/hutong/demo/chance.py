"""Seeded chance: the same words give the same numbers in every process and on every machine."""

from random import Random


def chance(*parts: object) -> Random:
    """A generator of its own for what ``parts`` name; demonstration data only, nothing secret is made of it."""
    return Random("\x1f".join(map(str, parts)))  # noqa: S311
