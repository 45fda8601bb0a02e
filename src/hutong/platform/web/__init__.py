"""The web shell that every page and route stands in: rendering, languages, static files, errors, protection and metrics."""

from hutong.platform.web.assets import static_url
from hutong.platform.web.csrf import SESSION_COOKIE, CrossSite
from hutong.platform.web.formatting import day, duration, local_time, minute_of_day, money, name, number, percent, short_money
from hutong.platform.web.i18n import LANGUAGE_COOKIE, LOCALES, locale_of, mark, translate
from hutong.platform.web.problems import PROBLEM_TYPE, answer, problem_of, wants_page
from hutong.platform.web.shell import install
from hutong.platform.web.templating import NavigationItem, json_data, render

__all__ = [
    "LANGUAGE_COOKIE",
    "LOCALES",
    "PROBLEM_TYPE",
    "SESSION_COOKIE",
    "CrossSite",
    "NavigationItem",
    "answer",
    "day",
    "duration",
    "install",
    "json_data",
    "local_time",
    "locale_of",
    "mark",
    "minute_of_day",
    "money",
    "name",
    "number",
    "percent",
    "problem_of",
    "render",
    "short_money",
    "static_url",
    "translate",
    "wants_page",
]
