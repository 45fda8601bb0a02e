"""Holds the project's pages against the program: links, commands, settings, errors, metrics, addresses, and the first sale."""

import json
import re
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
import typer

from hutong.kernel.errors import HutongError
from hutong.platform.config import Settings
from tests.docs.pages import CHECKOUT, PAGES, anchors, commands, fenced, links, tables_after
from tests.support.network import Network

Person = Callable[[str], httpx.AsyncClient]
COMMAND_LINE_ONLY = {"mapping_invalid", "source_unreadable", "state_differs", "sending_stopped"}
"""Errors of `hutong import`, which no route answers with."""
NEVER_ANSWERED = {"error", "ledger_refuses", "outbound_failed", "outbound_refused"}
"""What others are made of, what the webhooks' commands turn into `webhook_address`, and what the books say to commands alone."""
OF_THE_FRAMEWORK = {"method_not_allowed"}


@pytest.mark.parametrize("page", PAGES, ids=str)
def test_every_link_leads_to_a_file_and_a_heading(page: Path) -> None:
    broken = []
    for target in links(page):
        name, _, anchor = target.partition("#")
        file = (CHECKOUT / page).parent / name if name else CHECKOUT / page
        if not file.exists() or (anchor and anchor not in anchors(file)):
            broken.append(target)
    assert not broken


def test_every_command_in_the_pages_is_there_with_its_options() -> None:
    from hutong.cli.main import build

    tree = typer.main.get_command(build())
    found = [(page, words) for page in PAGES for words in commands(page)]
    assert len(found) > 20
    wrong = [f"{page}: hutong {' '.join(words)}: {fault}" for page, words in found if (fault := fault_of(tree, words))]
    assert not wrong


def fault_of(command: Any, words: list[str]) -> str | None:
    """What the command line does not know of these words."""
    while words and hasattr(command, "commands"):
        if words[0] in command.commands:
            command, words = command.commands[words[0]], words[1:]
        elif words[0].startswith("-"):
            break
        else:
            return f"no command {words[0]}"
    known = {name for parameter in command.params for name in (*parameter.opts, *parameter.secondary_opts)} | {"--help", "-h"}
    if command.context_settings.get("ignore_unknown_options"):
        return None
    return next((f"no option {word}" for word in words if word.startswith("-") and word.partition("=")[0] not in known), None)


def test_the_table_of_settings_is_that_of_the_program() -> None:
    (table,) = tables_after("docs/operating.md", "settings:")
    told = {row[0].strip("`"): row[1].strip("`") for row in table}
    fields = Settings.model_fields.items()
    assert told == {f"HUTONG_{name.upper()}": spelled(field.default) for name, field in fields}


def spelled(default: Any) -> str:
    return "none" if default is None else str(default).lower() if isinstance(default, bool) else str(default)


def test_the_table_of_errors_is_that_of_the_program() -> None:
    (table,) = tables_after("docs/api.md", "codes:")
    told = {row[0].strip("`"): int(row[1]) for row in table}
    there = {each.code: each.status for each in errors_of_the_program()}
    assert there.keys() >= COMMAND_LINE_ONLY | NEVER_ANSWERED
    framework = {code: told.get(code) for code in OF_THE_FRAMEWORK}
    assert told == {code: status for code, status in there.items() if code not in COMMAND_LINE_ONLY | NEVER_ANSWERED} | framework
    assert framework == {"method_not_allowed": 405}


def errors_of_the_program() -> Iterator[type[HutongError]]:
    """Every error that the program's modules define."""
    import hutong.app
    import hutong.importer  # noqa: F401 - for the errors that it defines

    waiting = [HutongError]
    while waiting:
        each = waiting.pop()
        waiting += each.__subclasses__()
        if each.__module__.startswith("hutong.") and each.__name__ != "FrameworkError":
            yield each


def test_the_table_of_metrics_is_that_of_the_program() -> None:
    from hutong.platform.telemetry import REGISTRY

    (table,) = tables_after("docs/operating.md", "metrics:")
    names = {metric.name + ("_total" if metric.type == "counter" else "") for metric in REGISTRY.collect()}
    assert {row[0].strip("`") for row in table} == names


@pytest.fixture(scope="module")
def routes() -> set[tuple[str, str]]:
    """Method and address, without the names of what is in it, of everything in the OpenAPI document."""
    from hutong.app import create_app

    document = create_app(Settings(database_url="postgresql://nowhere/none")).openapi()["paths"]
    return {(method.upper(), re.sub(r"\{\w+\}", "{}", path)) for path, methods in document.items() for method in methods}


@pytest.mark.parametrize("page", PAGES, ids=str)
def test_every_address_in_the_pages_is_in_the_openapi_document(page: Path, routes: set[tuple[str, str]]) -> None:
    told = re.findall(r"\b(GET|POST|PUT|PATCH|DELETE) (/v1/[\w/:{}.-]*[\w}])(?!/?…|[\w/])", (CHECKOUT / page).read_text())
    assert {(method, re.sub(r"\{\w+\}", "{}", path)) for method, path in told} <= routes


def test_every_file_that_the_architecture_names_is_there() -> None:
    text = (CHECKOUT / "ARCHITECTURE.md").read_text()
    named = {each for each in re.findall(r"`([\w./-]+(?:/|\.py|\.sql))`", text) if "<" not in each}
    places = [CHECKOUT, CHECKOUT / "src" / "hutong", *(CHECKOUT / "src" / "hutong").iterdir()]
    assert len(named) > 30
    assert not {each for each in named if not any((place / each).exists() for place in places)}


def test_every_target_of_make_is_there() -> None:
    targets = set(re.findall(r"^([a-z-]+):", (CHECKOUT / "Makefile").read_text(), re.MULTILINE))
    told = {each for page in PAGES for each in re.findall(r"(?:`|\$ )make ([a-z-]+)", (CHECKOUT / page).read_text())}
    assert {"demo", "test"} <= told <= targets


@pytest.mark.parametrize(("page", "mark"), [("README.md", "first sale:"), ("docs/api.md", "## 3. The first sale")])
async def test_the_first_sale_is_captured_as_it_stands(
    page: str, mark: str, network: Network, with_key: Person, client: httpx.AsyncClient
) -> None:
    at = what_curl_sends(fenced(page, mark, "bash")) | {"store": network.store.gln, "till": network.till.code}
    first = await with_key(network.till.key).post("/v1/sales", json=at)
    assert first.status_code == 201, first.text
    again = await with_key(network.till.key).post("/v1/sales", json=at)
    assert (again.status_code, again.json()) == (200, first.json())
    assert json.loads(fenced(page, mark, "json")).keys() == first.json().keys()
    counted = (await client.get("/metrics")).text
    assert 'hutong_http_requests_total{method="POST",route="/v1/sales",status="201"}' in counted


def what_curl_sends(script: str) -> dict[str, Any]:
    """The body that a script hands to curl, which here only shows it."""
    given = "HUTONG_URL=http://test HUTONG_KEY=ht_test\ncurl() { cat; }\n"
    done = subprocess.run(["bash", "-euc", given + script], check=True, capture_output=True, text=True)
    body: dict[str, Any] = json.loads(done.stdout)
    return body


async def test_the_return_of_the_guide_comes_back_to_its_first_sale(network: Network, with_key: Person) -> None:
    script = fenced("docs/api.md", "## 3. The first sale", "bash")
    sold = what_curl_sends(script) | {"store": network.store.gln, "till": network.till.code}
    client = with_key(network.till.key)
    assert (await client.post("/v1/sales", json=sold)).status_code == 201
    told = json.loads(fenced("docs/api.md", "## 5. Returns", "json"))
    of_the_day = {name: sold[name] for name in ("store", "till", "business_date", "completed_at")}
    answer = await client.post("/v1/sales", json=told | of_the_day | {"original": sold["id"]})
    assert answer.status_code == 201, answer.text
