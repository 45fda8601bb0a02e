"""What can go wrong in the directory, each with a stable code that programs may branch on."""

from hutong.kernel.errors import Conflict, HutongError, Invalid, TooManyRequests, Unauthenticated
from hutong.platform.web import mark


class WrongPassword(Unauthenticated):
    """The login is unknown, or the password is not its own: the two answer alike, after the same time."""

    code, title = "wrong_password", mark("This login and password do not belong together")


class TooManyAttempts(TooManyRequests):
    """Too many failed tries for this login, or from this address, within a quarter of an hour."""

    code, title = "too_many_attempts", mark("Too many failed tries; wait before trying again")


class WeakPassword(Invalid):
    """The password is too easy to guess; the detail says why."""

    code, title = "weak_password", mark("This password is too easy to guess")


class Taken(Conflict):
    """A code, login, GLN or prefix that must be unique is in use already."""

    code, title = "taken", mark("This is in use already")


class CodeNotValid(HutongError):
    """The enrolment code is unknown, used, or older than a quarter of an hour."""

    code, status, title = "code_not_valid", 404, mark("This code is not valid (any more); ask the manager for a new one")


class LastOperator(Conflict):
    """Nobody would be left to run the network."""

    code, title = "last_operator", mark("This is the last network operator; name another one first")
