"""Pages: one Jinja environment over the templates of all modules, and ``render``, which every page answers with."""

import re
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any, Protocol

from jinja2 import Environment, FileSystemLoader, StrictUndefined, select_autoescape
from jinja2.utils import htmlsafe_json_dumps
from markupsafe import Markup, escape
from starlette.requests import Request
from starlette.responses import HTMLResponse

from hutong import __version__
from hutong.platform.web import formatting
from hutong.platform.web.assets import static_folders, static_url
from hutong.platform.web.i18n import LANGUAGE_COOKIE, LOCALES, SOURCE, current_locale, gettext, locale_of, translate

JS_STRING = re.compile(r"""\bt\(\s*(?:"((?:[^"\\\n]|\\.)*)"|'((?:[^'\\\n]|\\.)*)'|`([^`$\\]*)`)""")
LANGUAGE_NAMES = {"zh": "中文", "en": "English"}
HTML_LANGUAGES = {"zh": "zh-Hans-CN", "en": "en"}
THEMES = ("light", "dark")


class Person(Protocol):
    """What the shell shows of whoever is signed in; ``hutong.directory``'s Principal is one."""

    @property
    def name(self) -> str: ...
    @property
    def locale(self) -> str: ...


@dataclass(frozen=True)
class NavigationItem:
    """One entry of the header: an English label (translated when shown), its address, and the prefix that marks it as current."""

    label: str
    href: str
    prefix: str = ""
    exact: bool = False

    def current(self, path: str) -> bool:
        """Whether the page at ``path`` belongs to this entry."""
        start = self.prefix or self.href.partition("?")[0]
        return path == start or (not self.exact and path.startswith(start.rstrip("/") + "/"))


Navigation = Callable[[Request, Any], Sequence[NavigationItem]]
"""What ``app.state.navigation`` must be: the header's entries for a signed-in principal."""

SessionCsrf = Callable[[Request], Awaitable[str | None]]
"""What ``app.state.session_csrf`` must be: the CSRF token of the request's browser session, or None without a valid one."""


def template_folders() -> list[Path]:
    """Where templates are looked for: the shell's folder, then each module's."""
    return [SOURCE / "platform" / "web" / "templates", *sorted(SOURCE.glob("*/templates"))]


@lru_cache
def environment() -> Environment:
    """The one environment: everything escaped, an unknown variable is an error."""
    made = Environment(
        loader=FileSystemLoader(template_folders()),
        autoescape=select_autoescape(default=True, default_for_string=True),
        undefined=StrictUndefined,
        extensions=["jinja2.ext.i18n", "jinja2.ext.do"],  # i18n finds the texts for the translators; what ``_`` does is ours
        trim_blocks=True,
        lstrip_blocks=True,
    )
    helpers = {
        each.__name__: each
        for each in (
            formatting.money, formatting.short_money, formatting.number, formatting.percent, formatting.change, formatting.local_time,
            formatting.day, formatting.minute_of_day, formatting.duration, formatting.name,
        )
    }  # fmt: skip
    made.filters.update({key: helper for key, helper in helpers.items() if key != "name"})
    made.globals.update(
        helpers, _=in_words, static_url=static_url, script_messages=script_messages, json_data=json_data, version=__version__
    )
    return made


def in_words(text: str, **values: Any) -> str:
    """What ``_("…")`` is in templates: the text in the page's language, ``%(name)s`` filled from ``values``, everything escaped.

    Jinja's own takes every text for markup and for a format: the detail of an error, which may quote what somebody typed, is neither.
    """
    found = gettext(text)
    return escape(found) % values if values else found


def render(
    request: Request,
    template: str,
    principal: Person | None = None,
    *,
    status_code: int = 200,
    headers: Mapping[str, str] | None = None,
    **context: Any,
) -> HTMLResponse:
    """The page ``template`` (``module/page.html``) in the reader's language.

    Who is signed in, and the session's CSRF token, come from ``request.state`` (``principal``, ``csrf``) unless given.
    """
    person = principal or getattr(request.state, "principal", None)
    locale = locale_of(request, person.locale if person else None)
    token = current_locale.set(locale)
    try:
        html = environment().get_template(template).render(page_context(request, template, person, locale) | context)
    finally:
        current_locale.reset(token)
    response = HTMLResponse(html, status_code=status_code, headers={"Content-Language": HTML_LANGUAGES[locale], **(headers or {})})
    if request.query_params.get("lang") in LOCALES:
        secure = request.url.scheme == "https"
        response.set_cookie(LANGUAGE_COOKIE, locale, max_age=31_536_000, samesite="lax", secure=secure, path="/")
    return response


def page_context(request: Request, template: str, person: Person | None, locale: str) -> dict[str, Any]:
    """What ``base.html`` needs beside the page's own context."""
    navigation: Navigation | None = getattr(request.app.state, "navigation", None)
    theme = request.cookies.get("hutong_theme")
    return {
        "request": request,
        "principal": person,
        "csrf": getattr(request.state, "csrf", None) or "",
        "locale": locale,
        "html_language": HTML_LANGUAGES[locale],
        "languages": [
            (code, LANGUAGE_NAMES[code], HTML_LANGUAGES[code], _with_language(request, code)) for code in LOCALES
        ],
        "navigation": list(navigation(request, person)) if navigation and person else [],
        "path": request.url.path,
        "theme": theme if theme in THEMES else "",
        "wall": request.query_params.get("wall") == "1",
        "template_module": template.partition("/")[0],
    }  # fmt: skip


def _with_language(request: Request, code: str) -> str:
    """This page's own address in another language; after a form was answered in place, the site's start."""
    if request.method not in ("GET", "HEAD"):
        return f"/?lang={code}"
    url = request.url.include_query_params(lang=code)
    return f"/{url.path.lstrip('/')}?{url.query}"  # two slashes would be another host


@lru_cache
def script_strings(module: str) -> tuple[str, ...]:
    """The English texts that a module's scripts show people: every literal ``t("…")`` in its .js files."""
    folder = static_folders().get(module)
    found: set[str] = set()
    for file in sorted(folder.rglob("*.js")) if folder and module != "vendor" else ():
        for match in JS_STRING.finditer(file.read_text(encoding="utf-8")):
            found.add(re.sub(r"\\(.)", r"\1", next(group for group in match.groups() if group is not None)))
    return tuple(sorted(found))


def script_messages(*modules: str) -> Markup:
    """A data block with the translations that the scripts of ``modules`` need; ``t()`` of web/format.js reads it."""
    locale = current_locale.get()
    texts = {text: translate(locale, text) for module in modules for text in script_strings(module)} if locale != "en" else {}
    return json_data("hutong-messages", texts)


def json_data(identifier: str, data: Any) -> Markup:
    """``data`` for a script to read: a ``<script type="application/json">`` that no browser runs."""
    return Markup('<script type="application/json" id="{}">{}</script>').format(identifier, htmlsafe_json_dumps(data, ensure_ascii=False))
