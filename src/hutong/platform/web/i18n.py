"""The two languages that people see: which one a request wants, and the translations, read from the modules' .po files."""

import re
from collections.abc import Mapping
from contextvars import ContextVar
from functools import lru_cache
from pathlib import Path
from typing import Any

from babel.messages.pofile import read_po
from starlette.requests import Request

LOCALES = ("zh", "en")
LANGUAGE_COOKIE = "hutong_lang"
SOURCE = Path(__file__).parents[2]
"""The folder of the package ``hutong``, whose modules bring templates, translations and static files."""

current_locale: ContextVar[str] = ContextVar("hutong_locale", default="zh")
"""The language of the page being rendered."""


@lru_cache
def translations(locale: str) -> Mapping[str, str]:
    """English text to ``locale``'s text, merged from ``*/locale/<locale>.po`` of all modules; untranslated texts are absent."""
    merged: dict[str, str] = {}
    for path in translation_files(locale):
        with path.open("rb") as file:
            for message in read_po(file, locale=locale):
                source, translated = message.id, message.string
                if isinstance(source, list | tuple):  # a plural: Chinese has one form, kept under both English ones
                    one = translated[0] if isinstance(translated, list | tuple) else translated
                    merged.update({form: one for form in source if one})
                elif source and isinstance(translated, str) and translated and not message.fuzzy:
                    merged[source] = translated
    return merged


def translation_files(locale: str) -> list[Path]:
    """The .po files of ``locale``: the shell's first, so that a module may say it better."""
    return [
        path
        for path in (SOURCE / "platform" / "web" / "locale" / f"{locale}.po", *sorted(SOURCE.glob(f"*/locale/{locale}.po")))
        if path.exists()
    ]


def translate(locale: str, text: str, **values: Any) -> str:
    """``text`` in ``locale``, English where no translation is known; ``%(name)s`` is filled from ``values``."""
    found = text if locale == "en" else translations(locale).get(text, text)
    return found % values if values else found


def mark(text: str) -> str:
    """Nothing but a mark: this text is shown to people later, so it needs a translation."""
    return text


def gettext(text: str) -> str:
    """``text`` in the language of the page being rendered."""
    return translate(current_locale.get(), text)


def locale_of(request: Request, preferred: str | None = None, default: str = "zh") -> str:
    """The language for this request: ``?lang=``, the cookie, the person's own, the browser's, else ``default``."""
    for wish in (request.query_params.get("lang"), request.cookies.get(LANGUAGE_COOKIE), preferred):
        if wish in LOCALES:
            return str(wish)
    return accepted(request.headers.get("accept-language", "")) or default


def accepted(header: str) -> str | None:
    """The best of our languages in an Accept-Language header (RFC 9110, 12.5.4), or None."""
    best: tuple[float, str] | None = None
    for part in header[:500].split(","):
        match = re.fullmatch(r"\s*([a-zA-Z]+)(?:-[\w-]+)?\s*(?:;\s*q=([01](?:\.\d{0,3})?)\s*)?", part)
        if match and (language := match[1].lower()) in LOCALES:
            weight = float(match[2] or 1)
            if weight > 0 and (best is None or weight > best[0]):
                best = (weight, language)
    return best and best[1]
