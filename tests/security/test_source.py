"""Rules that the source itself must keep: SQL takes values by parameters only, templates escape everything, nothing runs inline."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from hutong.platform.web.templating import environment

SOURCE = Path(__file__).resolve().parents[2] / "src" / "hutong"
TAKES_SQL = {"execute", "rows", "row", "value", "scalar", "executemany", "exec_driver_sql", "text", "copy", "run_text", "stream"}
LOOKS_LIKE_SQL = re.compile(
    r"\s*(select\s|insert\s+into|update\s+\w+\s+set|delete\s+from|with\s+\w+\s+as|create\s+(table|or|database|role)|alter\s|drop\s|truncate\s|listen\s|notify\s|copy\s|set\s+role|where\s)",
    re.IGNORECASE,
)
TEMPLATES = sorted(SOURCE.rglob("templates/**/*.html"))
SCRIPTS = sorted(path for path in SOURCE.rglob("static/**/*.js") if "vendor" not in path.parts)

PUT_TOGETHER = {
    "catalog/prices.py:_append": "a piece of its own that two statements share",
    "catalog/queries.py:search_products": "conditions that are literals here, present or absent",
    "catalog/seed.py:seed_products": "columns from a literal here",
    "cli/places.py:find_place": "tables from a literal here; the operator's own machine",
    "demo/seed.py:_analyze": "tables from a literal here",
    "directory/commands.py:create_store": "columns of STORE_FIELDS, nothing else passes _store_values",
    "directory/commands.py:update_store": "columns of STORE_FIELDS, nothing else passes _store_values",
    "directory/queries.py:stores": "a literal here or nothing",
    "directory/queries.py:stores_by_gln": "a literal here or nothing",
    "monitor/places.py:read_place": "a date, written by date.isoformat",
    "monitor/states/brand.py:load": "dates by date.isoformat, ids by int",
    "monitor/states/network.py:load": "dates by date.isoformat",
    "monitor/topics.py:latest_day": "tables and columns by the kind of topic, from literals there",
    "monitor/usual.py:_count_launches": "dates by date.isoformat",
    "monitor/usual.py:refresh_usual": "dates by date.isoformat, weekdays by range",
    "monitor/webhooks/commands.py:replay": "one of two literals; the status is an enumeration's",
    "monitor/webhooks/housekeeping.py:_delete": "an enumeration's status and a UUID of our own making",
    "monitor/webhooks/queries.py:deliveries": "an enumeration's status",
    "payments/ledger/check.py:check": "an invariant's own statement, a literal of a module",
    "payments/ledger/writing.py:CALL_MANY": "types from a literal here",
    "payments/ledger/writing.py:CALL_ONE": "types from a literal here",
    "payments/ledger/writing.py:_MANY": "types from a literal here, and numbers",
    "payments/ledger/writing.py:_ONE": "types from a literal here, and numbers",
    "payments/listing.py:payments_of": "one of the conditions that are literals there",
    "payments/pages_books.py:choices": "a condition that is a literal here, present or absent",
    "payments/reconciliation/statements.py:account_sums": "one of the conditions that are literals there",
    "payments/reconciliation/statements.py:statement_lines": "one of the conditions that are literals there",
    "payments/story.py:names_of": "tables and columns from a literal here",
    "payments/story.py:search": "one of three conditions that are literals here, and a number",
    "platform/migrations/__init__.py:run_text": "our own SQL files",
    "sales/partitions.py:_make": "one of two functions, from literals there",
    "sales/queries.py:sales_page": "conditions that are literals here, present or absent",
}
"""SQL that is put together from pieces, by file and function, and why no caller's text can be among the pieces."""


def functions(tree: ast.AST) -> Iterator[tuple[str, ast.AST]]:
    """Every node with the name of the innermost function (or of the module's constant) that it stands in."""

    def walk(node: ast.AST, name: str) -> Iterator[tuple[str, ast.AST]]:
        for child in ast.iter_child_nodes(node):
            inner = child.name if isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef) else name
            if not name and isinstance(child, ast.Assign) and isinstance(child.targets[0], ast.Name):
                inner = child.targets[0].id
            yield inner, child
            yield from walk(child, inner)

    yield from walk(tree, "")


def constant_part(node: ast.AST) -> str:
    """The text with which a put-together string begins, as far as it stands in the source."""
    if isinstance(node, ast.Constant) and isinstance(node.value, str):
        return node.value
    if isinstance(node, ast.JoinedStr):
        return constant_part(node.values[0]) if node.values else ""
    if isinstance(node, ast.BinOp):
        return constant_part(node.left)
    if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
        return constant_part(node.func.value)
    return ""


def is_our_own(node: ast.AST) -> bool:
    """Whether an expression is a text of ours: a literal, or a constant by its name (``_STORE``, ``scope.SET_SCOPE``), or both joined."""
    if isinstance(node, ast.JoinedStr):
        return all(is_our_own(each.value if isinstance(each, ast.FormattedValue) else each) for each in node.values)
    if isinstance(node, ast.BinOp):
        return isinstance(node.op, ast.Add) and is_our_own(node.left) and is_our_own(node.right)
    if isinstance(node, ast.IfExp):
        return is_our_own(node.body) and is_our_own(node.orelse)
    name = node.id if isinstance(node, ast.Name) else node.attr if isinstance(node, ast.Attribute) else ""
    return isinstance(node, ast.Constant) or name.strip("_").isupper()


def is_put_together(node: ast.AST) -> bool:
    """Whether an expression makes a text of several that are not all ours: an f-string, ``+``, ``%``, ``format``, ``replace``, ``join``."""
    if isinstance(node, ast.JoinedStr | ast.BinOp):
        return not is_our_own(node)
    return (
        isinstance(node, ast.Call)
        and isinstance(node.func, ast.Attribute)
        and node.func.attr in ("format", "replace", "join", "format_map")
    )


def put_together() -> set[str]:
    """``file:function`` of all SQL that is put together from pieces."""
    found = set()
    for path in sorted(SOURCE.rglob("*.py")):
        for name, node in functions(ast.parse(path.read_text())):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute | ast.Name) and node.args:
                called = node.func.attr if isinstance(node.func, ast.Attribute) else node.func.id
                if called in TAKES_SQL and is_put_together(node.args[0]):
                    found.add(f"{path.relative_to(SOURCE)}:{name}")
            if is_put_together(node) and LOOKS_LIKE_SQL.match(constant_part(node)):
                found.add(f"{path.relative_to(SOURCE)}:{name}")
    return found


def test_sql_is_never_put_together_from_what_a_caller_sent():
    found = put_together()
    unknown = sorted(found - PUT_TOGETHER.keys())
    assert not unknown, f"Pass values as parameters; or say here why the pieces are our own: {unknown}"
    assert not sorted(PUT_TOGETHER.keys() - found), "these are gone: take them out of the list"


@pytest.mark.parametrize("path", TEMPLATES, ids=lambda path: path.name)
def test_templates_escape_everything_and_run_nothing_inline(path):
    text = path.read_text()
    assert not re.search(r"\|\s*safe\b|autoescape|Markup", text)
    plain = re.sub(r"\{\{.*?\}\}|\{%.*?%\}|\{#.*?#\}", "{{}}", text, flags=re.DOTALL)
    assert not re.search(r"<style|\sstyle\s*=|\son[a-z]+\s*=|javascript:|srcdoc", plain, re.IGNORECASE)
    for tag in re.findall(r"<script[^>]*>", text):
        assert " src=" in tag or 'type="application/json"' in tag, tag
    for attribute in re.findall(r"\s[\w:-]+=\{\{", text):  # an attribute without quotes ends at the first blank of a value
        raise AssertionError(f"{path.name}: {attribute} needs quotes")


# The sandbox knows no sessions that another site could abuse: it is a program of its own, and refuses posts from other sites.
WITH_SESSIONS = [path for path in TEMPLATES if "sandbox" not in path.parts]


@pytest.mark.parametrize("path", WITH_SESSIONS, ids=lambda path: path.name)
def test_every_form_that_posts_carries_the_sessions_token(path):
    for form in re.findall(r"<form\b[^>]*>.*?</form>", path.read_text(), re.DOTALL | re.IGNORECASE):
        if re.search(r'method\s*=\s*"post"|hx-post', form[: form.index(">")], re.IGNORECASE):
            assert 'name="csrf"' in form or "csrf(" in form or "ui.form_token" in form, form[:200]


async def test_jinja_escapes_what_templates_of_any_name_and_text_are_given():
    evil = "<img src=x onerror=alert(1)>\"'&"
    made = environment()
    assert made.autoescape("a.html") and made.autoescape("a.txt") and made.autoescape(None)  # type: ignore[operator]
    assert made.from_string("{{ text }}").render(text=evil) == "&lt;img src=x onerror=alert(1)&gt;&#34;&#39;&amp;"


@pytest.mark.parametrize("path", SCRIPTS, ids=lambda path: path.name)
def test_scripts_never_write_markup_or_run_text(path):
    found = re.search(
        r"\.(innerHTML|outerHTML)\s*[+=]|insertAdjacentHTML|document\.write|\beval\(|new Function\(|setTimeout\(\s*[\"'`]", path.read_text()
    )
    assert found is None, found


def test_markup_is_made_in_one_place_only():
    """``Markup`` passes text by the escaping: only the block of JSON data for scripts is made so."""
    found = [str(path.relative_to(SOURCE)) for path in sorted(SOURCE.rglob("*.py")) if re.search(r"\bMarkup\(", path.read_text())]
    assert found == ["platform/web/templating.py"]


def test_nothing_dangerous_is_called():
    """No ``eval``, ``exec``, ``pickle``, ``yaml.load``, shell or unsafe XML: none of it is needed here."""
    wrong = []
    for path in sorted(SOURCE.rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Call):
                called = ast.unparse(node.func)
                if called in (
                    "eval",
                    "exec",
                    "os.system",
                    "os.popen",
                    "pickle.loads",
                    "pickle.load",
                    "yaml.load",
                    "marshal.loads",
                    "__import__",
                ):
                    wrong.append(f"{path.relative_to(SOURCE)}:{node.lineno} {called}")
                if any(
                    each.arg == "shell" and not (isinstance(each.value, ast.Constant) and each.value.value is False)
                    for each in node.keywords
                ):
                    wrong.append(f"{path.relative_to(SOURCE)}:{node.lineno} shell=")
                if any(
                    each.arg == "verify" and isinstance(each.value, ast.Constant) and each.value.value is False for each in node.keywords
                ):
                    wrong.append(f"{path.relative_to(SOURCE)}:{node.lineno} verify=False")
    assert wrong == []


def test_chance_that_can_be_guessed_makes_no_secrets():
    """``random`` is for demonstrations and for spreading retries; tokens come from ``secrets``."""
    users = {
        str(path.relative_to(SOURCE))
        for path in SOURCE.rglob("*.py")
        if re.search(r"^(import|from) random\b", path.read_text(), re.MULTILINE)
    }
    assert {each for each in users if not each.startswith(("demo/", "importer/"))} <= {"monitor/webhooks/delivery.py"}
