"""Every text that people see, in templates, scripts and code, has a Chinese translation."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from jinja2 import TemplateSyntaxError

from hutong.platform.web.assets import static_folders
from hutong.platform.web.i18n import SOURCE, translation_files, translations
from hutong.platform.web.reference import problem_codes
from hutong.platform.web.templating import environment, script_strings, template_folders

PLACEHOLDER = re.compile(r"%\((\w+)\)[sd]|\{(\w+)\}")


def texts_of_templates() -> Iterator[tuple[Path, int, str]]:
    for folder in template_folders():
        for path in sorted(folder.rglob("*.html")):
            try:
                messages = list(environment().extract_translations(path.read_text(encoding="utf-8")))
            except TemplateSyntaxError as error:
                raise AssertionError(f"{path}:{error.lineno}: {error.message}") from error
            for line, _function, message in messages:
                for text in message if isinstance(message, tuple) else (message,):
                    if text:
                        yield path, line, text


def texts_of_scripts() -> Iterator[tuple[Path, int, str]]:
    for module, folder in static_folders().items():
        for text in script_strings(module):
            yield folder, 0, text


def texts_of_code() -> Iterator[tuple[Path, int, str]]:
    """Literal texts given to ``mark("…")`` and ``translate(locale, "…")``."""
    for path in sorted(SOURCE.rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"), filename=str(path))):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in ("mark", "translate"):
                place = 0 if node.func.id == "mark" else 1
                if len(node.args) > place and isinstance(node.args[place], ast.Constant):
                    yield path, node.lineno, str(node.args[place].value)


def texts_of_errors() -> Iterator[tuple[Path, int, str]]:
    import hutong.app  # noqa: F401 - brings every module's errors along

    for kind in problem_codes():
        yield Path(kind.__module__.replace(".", "/")), 0, kind.title


@pytest.mark.parametrize("source", [texts_of_templates, texts_of_scripts, texts_of_code, texts_of_errors], ids=lambda each: each.__name__)
def test_every_text_is_translated(source):
    known = translations("zh")
    missing = sorted({(str(path).rpartition("hutong/")[2], line, text) for path, line, text in source() if text not in known})
    listed = "\n".join(f"  {path}:{line}: {text!r}" for path, line, text in missing)
    assert not missing, f"{len(missing)} texts have no Chinese in their module's locale/zh.po:\n{listed}"


def test_translations_keep_their_placeholders():
    for text, translated in translations("zh").items():
        assert set(PLACEHOLDER.findall(text)) == set(PLACEHOLDER.findall(translated)), text


def test_no_module_translates_a_text_otherwise_than_the_shell_or_a_neighbour():
    from babel.messages.pofile import read_po

    seen: dict[str, tuple[str, Path]] = {}
    for path in translation_files("zh"):
        with path.open("rb") as file:
            for message in read_po(file):
                if isinstance(message.id, str) and message.id:
                    earlier = seen.setdefault(message.id, (str(message.string), path))
                    assert earlier[0] == message.string, (
                        f"{message.id!r} is {earlier[0]!r} in {earlier[1]} and {message.string!r} in {path}"
                    )
