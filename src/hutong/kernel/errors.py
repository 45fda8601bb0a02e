"""Errors that a caller can meet: each has a stable code, an HTTP status and a message that says what to do."""

from typing import Any, ClassVar


class HutongError(Exception):
    """An error with a stable ``code`` and an HTTP ``status``; ``detail`` is for people, ``extra`` for programs.

    ``extra`` becomes extension members of the problem document (RFC 9457).
    """

    code: ClassVar[str] = "error"
    status: ClassVar[int] = 500
    title: ClassVar[str] = "Something went wrong"

    def __init__(self, detail: str = "", **extra: Any) -> None:
        super().__init__(detail or self.title)
        self.detail = detail or self.title
        self.extra = extra


class Invalid(HutongError):
    """The request is understood but what it says cannot be accepted."""

    code, status, title = "invalid", 422, "The request cannot be accepted"


class Malformed(HutongError):
    """The request cannot be read."""

    code, status, title = "malformed", 400, "The request cannot be read"


class TooLarge(HutongError):
    """The request is larger than the limit it names."""

    code, status, title = "too_large", 413, "The request is too large"


class Unauthenticated(HutongError):
    """Nobody is signed in, or the key is not valid."""

    code, status, title = "unauthenticated", 401, "Sign in or send a valid key"


class Forbidden(HutongError):
    """The caller is known, and what it asks for is not one of its permissions."""

    code, status, title = "forbidden", 403, "You may not do this"


class NotFound(HutongError):
    """There is no such thing, or the caller may not know of it: the two answer alike."""

    code, status, title = "not_found", 404, "There is no such thing here"


class Conflict(HutongError):
    """The request contradicts what is already recorded; nothing was changed."""

    code, status, title = "conflict", 409, "This contradicts what is already recorded"


class TooManyRequests(HutongError):
    """The caller goes faster than it may; ``retry_after`` seconds from now it may go on."""

    code, status, title = "too_many_requests", 429, "Too many requests"

    def __init__(self, detail: str = "", *, retry_after: int = 1, **extra: Any) -> None:
        super().__init__(detail, **extra)
        self.retry_after = retry_after


class Unavailable(HutongError):
    """The work was not done, or it is not known whether it was: send it again with the same id."""

    code, status, title = "unavailable", 503, "Not available just now; send it again with the same id"

    def __init__(self, detail: str = "", *, retry_after: int = 1, **extra: Any) -> None:
        super().__init__(detail, **extra)
        self.retry_after = retry_after
