"""The commands that let people, tills and programs in, run as an operator runs them, against a database of one's own."""

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import psycopg
import pytest
from typer.testing import CliRunner

from hutong.cli.main import build
from hutong.cli.say import explain
from tests.support.network import Network, stored

Run = Callable[..., str]


@pytest.fixture
def run(database_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Run:
    """Runs a command that must succeed (or fail, with ``code=1``) and answers what it printed."""
    monkeypatch.setenv("HUTONG_DATABASE_URL", database_url)
    monkeypatch.setenv("HUTONG_DATA_DIR", str(tmp_path / "data"))
    monkeypatch.setenv("HUTONG_PASSWORD", "a long enough secret for tests")

    def run(*arguments: str, code: int = 0) -> str:
        result = CliRunner().invoke(build(), list(arguments))
        if result.exception is not None and not isinstance(result.exception, SystemExit):
            assert code == 1, repr(result.exception)
            return explain(result.exception)
        assert result.exit_code == code, result.output
        return result.stdout

    return run


def commands(app: Any, path: tuple[str, ...] = ()) -> list[tuple[str, ...]]:
    import typer

    top = typer.main.get_command(app) if path == () else app
    if not hasattr(top, "commands"):
        return [path]
    return [path, *(leaf for name, command in top.commands.items() for leaf in commands(command, (*path, name)))]


@pytest.mark.parametrize("path", commands(build()), ids=" ".join)
def test_every_command_explains_itself_with_an_example(path: tuple[str, ...]) -> None:
    result = CliRunner().invoke(build(), [*path, "--help"])
    assert result.exit_code == 0, result.output
    shown = result.stdout
    assert "Usage" in shown
    if len(path) and path not in {("import",), ("user",), ("till",), ("key",)}:
        assert f"hutong {' '.join(path)}" in re.sub(r"\s+", " ", shown)


def test_a_person_is_created_given_a_role_and_listed(run: Run, network: Network) -> None:
    run("user", "create", "ada", "--name", "Ada", "--role", "head_office", "--retailer", "one")
    run("user", "grant", "ada", "brand_manager", "--brand", "yunqi")
    shown = run("user", "list", "ada")
    assert "head_office @ one" in shown
    run("user", "password", "ada")


def test_what_is_not_there_is_named_with_what_is(run: Run, network: Network) -> None:
    assert "There are: one, two" in run("user", "create", "ada", "--name", "Ada", "--role", "head_office", "--retailer", "three", code=1)
    assert "Nobody has the login" in run("user", "password", "nobody-at-all", code=1)
    assert "No store has the GLN" in run("till", "list", "6900000000000", code=1)


def test_a_till_gets_a_code_and_is_locked_out(run: Run, network: Network, owner: psycopg.Connection[Any]) -> None:
    code = run("till", "enrol", network.store.gln, "77", "--name", "Side door").split()[0]
    assert owner.execute(
        "select t.code from till_enrolment e join till t on t.id = e.till_id where code_hash = %s", [stored(code)]
    ).fetchone() == ("77",)
    run("till", "revoke", network.store.gln, "01")
    assert owner.execute("select key_hash from till where id = %s", [network.till.id]).fetchone() == (None,)
    assert "revoked" in run("till", "list", network.store.gln)


def test_a_key_is_shown_once_and_ended_by_its_id(run: Run, network: Network, owner: psycopg.Connection[Any]) -> None:
    key = run("key", "create", "erp", "--retailer", "one").split()[-1]
    row = owner.execute("select id from api_key where key_hash = %s", [stored(key)]).fetchone()
    assert row is not None
    assert key not in run("key", "list")
    run("key", "revoke", str(row[0]))
    assert owner.execute("select revoked_at is not null from api_key where id = %s", [row[0]]).fetchone() == (True,)
    assert "sales:capture" in run("key", "create", "erp", "--retailer", "one", "--permission", "everything", code=1)


def test_a_product_list_with_a_bad_row_is_imported_only_when_told_to(
    run: Run, network: Network, owner: psycopg.Connection[Any], tmp_path: Path
) -> None:
    file, bad = tmp_path / "products.csv", tmp_path / "bad.csv"
    file.write_text("barcode,name,brand\n6909900100992,Good tea,yunqi\n6909900100990,Bad tea,yunqi\n")
    count = "select count(*) from product where name_en = 'Good tea' or name_zh = 'Good tea'"
    shown = run("import", "products", str(file), code=1)
    assert "line 3" in shown
    assert owner.execute(count).fetchone() == (0,)
    run("import", "products", str(file), "--dry-run")
    assert owner.execute(count).fetchone() == (0,)
    run("import", "products", str(file), "--skip-bad", "--bad-rows", str(bad))
    assert owner.execute(count).fetchone() == (1,)
    assert "6909900100990" in bad.read_text()


def test_a_backup_restores_into_an_empty_database(
    run: Run, network: Network, postgres: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "hutong.dump"
    run("backup", str(file))
    assert "exists already" in run("backup", str(file), code=1)
    assert "not empty" in run("restore", str(file), code=1)
    with postgres.empty_database() as url:
        monkeypatch.setenv("HUTONG_DATABASE_URL", url)
        run("restore", str(file))
        with psycopg.connect(url) as restored:
            assert restored.execute("select count(*) from store").fetchone() == (5,)
        assert "add up" in run("verify")


def test_the_openapi_document_is_printed(run: Run) -> None:
    assert "/v1/sales" in json.loads(run("openapi"))["paths"]


def test_a_benchmark_must_end_with_a_line_of_json(run: Run, tmp_path: Path) -> None:
    (tmp_path / "good.py").write_text('"""Good."""\nimport sys\nif __name__ == "__main__":\n    print(\'{"bench": "good", "value": 1}\')\n')
    (tmp_path / "silent_one.py").write_text('"""Silent."""\nif __name__ == "__main__":\n    pass\n')
    assert "silent-one" in run("bench", "list", "--folder", str(tmp_path))
    run("bench", "good", "--folder", str(tmp_path))
    assert "Failed: silent-one" in run("bench", "all", "--folder", str(tmp_path), code=1)
