"""Pages know the reader's language, theme and person; figures are written for people; files are kept by their content."""

from datetime import UTC, datetime, timedelta

import httpx
import pytest

from hutong.platform.web import static_url
from hutong.platform.web.formatting import change, duration, local_time, money, number, percent, short_money
from hutong.platform.web.i18n import accepted, current_locale
from hutong.platform.web.templating import json_data
from tests.platform.web_probe import client_of, probe_app


@pytest.fixture
def probe() -> httpx.AsyncClient:
    return client_of(probe_app())


@pytest.fixture(params=["zh", "en"])
def locale(request):
    token = current_locale.set(request.param)
    yield request.param
    current_locale.reset(token)


async def test_the_language_asked_for_wins_and_is_remembered(probe):
    first = await probe.get("/page?lang=en", headers={"Accept-Language": "zh"})
    assert 'lang="en"' in first.text
    assert "hutong_lang=en" in first.headers["set-cookie"]
    assert 'lang="en"' in (await probe.get("/page")).text


async def test_without_a_wish_the_persons_own_language_counts_before_the_browsers(probe):
    assert 'lang="zh-Hans-CN"' in (await probe.get("/page", headers={"Accept-Language": "en"})).text


async def test_a_language_that_is_not_ours_is_ignored(probe):
    answer = await probe.get("/page?lang=%22%3E%3Cscript%3E")
    assert 'lang="zh-Hans-CN"' in answer.text
    assert "set-cookie" not in answer.headers
    assert "<script>" not in answer.text


async def test_the_header_shows_who_is_signed_in_escaped_and_where_they_are(probe):
    html = (await probe.get("/page")).text
    assert "Li Na &lt;b&gt;" in html
    assert '<a href="/page" aria-current="page">商品</a>' in html
    assert '<a href="/monitor">实时监控</a>' in html


async def test_the_chosen_theme_is_on_the_page_before_any_script_runs(probe):
    probe.cookies.set("hutong_theme", "dark")
    assert "theme-dark" in (await probe.get("/page")).text
    assert 'class="wall' in (await probe.get("/page?wall=1")).text


@pytest.mark.parametrize(
    ("header", "language"),
    [
        ("zh-TW,en;q=0.5", "zh"),
        ("en;q=0.2, zh;q=0.9", "zh"),
        ("fr, en;q=0.1", "en"),
        ("zh;q=0, en;q=0.1", "en"),
        ("fr", None),
        ("", None),
        (";;q=,", None),
    ],
)
def test_the_best_accepted_language_is_chosen(header, language):
    assert accepted(header) == language


async def test_a_file_is_kept_for_ever_only_under_its_contents_hash(probe):
    right = await probe.get(static_url("web/hutong.css"))
    wrong = await probe.get("/static/web/hutong.css?v=0000000000")
    assert "immutable" in right.headers["cache-control"]
    assert wrong.headers["cache-control"] == "no-cache"
    again = await probe.get("/static/web/hutong.css", headers={"If-None-Match": right.headers["etag"]})
    assert again.status_code == 304


async def test_nothing_outside_the_static_folders_is_served(probe):
    for path in (
        "/static/web/../templates/base.html",
        "/static/web/%2e%2e/%2e%2e/templating.py",
        "/static/web/..%2f..%2ftemplating.py",
        "/static/directory/x",
    ):
        answer = await probe.get(path)
        assert answer.status_code == 404, path


def test_money_is_written_to_the_fen_with_a_true_minus(locale):
    assert money(-123456) == "−¥1,234.56"
    assert money(None) == "–"


def test_large_money_is_short_in_the_readers_own_units(locale):
    assert short_money(12_345_678_900) == {"zh": "¥1.23亿", "en": "¥123.46M"}[locale]
    assert short_money(999_949) == "¥9,999"


def test_numbers_shares_and_changes(locale):
    assert number(1234.5) == "1,234.5"
    assert percent(-0.1234) == "−12.3%"
    assert change(110, 100) == pytest.approx(0.1)
    assert change(5, 0) is None


def test_times_are_those_of_the_stores_wall(locale):
    noon = datetime(2026, 11, 22, 4, 5, 6, tzinfo=UTC)
    assert local_time(noon, "Asia/Shanghai", "seconds") == "12:05:06"
    assert local_time(noon, "Asia/Urumqi", "time") == "10:05"
    assert local_time(noon) == {"zh": "11月22日 12:05", "en": "22 Nov, 12:05"}[locale]
    assert duration(timedelta(minutes=12)) == {"zh": "12 分钟", "en": "12 min"}[locale]


def test_data_for_scripts_cannot_end_its_block():
    block = json_data("x", {"name": "</script><script>alert(1)</script>"})
    assert block.count("</script>") == 1
