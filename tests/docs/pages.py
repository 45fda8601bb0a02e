"""Reads the project's Markdown: its links, headings, fenced blocks, tables, and the commands in them."""

import re
import shlex
from collections.abc import Iterator
from pathlib import Path

CHECKOUT = Path(__file__).resolve().parents[2]
PAGES = sorted(each.relative_to(CHECKOUT) for each in [*CHECKOUT.glob("*.md"), *(CHECKOUT / "docs").rglob("*.md")])

_FENCE = re.compile(r"^```(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
_LINK = re.compile(r"\]\(([^)\s]+)\)|<img src=\"([^\"]+)\"|^\[[^\]]+\]: (\S+)$", re.MULTILINE)


def read(page: str | Path) -> str:
    """A page's text."""
    return (CHECKOUT / page).read_text()


def links(page: Path) -> Iterator[str]:
    """The targets of a page's links and pictures that lie within the project."""
    for found in _LINK.finditer(_FENCE.sub("", read(page))):
        target = next(each for each in found.groups() if each)
        if "://" not in target:
            yield target


def anchors(file: Path) -> set[str]:
    """The anchors of a page's headings, as they are made from them: small letters, hyphens for spaces, nothing else."""
    headings = re.findall(r"^#+ (.*)$", _FENCE.sub("", file.read_text()), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


def fenced(page: str, mark: str, language: str) -> str:
    """The first block of this language behind the place where ``mark`` stands."""
    text = read(page)
    behind = text[text.index(mark) :]
    return next(found[2] for found in _FENCE.finditer(behind) if found[1] == language)


def tables_after(page: str, mark: str) -> Iterator[list[list[str]]]:
    """The rows of the table behind a comment that begins with ``mark``, without its head."""
    for part in read(page).split(f"<!-- {mark}")[1:]:
        rows = re.search(r"^\|.*?(?=^[^|]|\Z)", part, re.MULTILINE | re.DOTALL)
        assert rows is not None
        yield [[cell.strip() for cell in row.strip("|").split("|")] for row in rows[0].strip().splitlines()[2:]]


def commands(page: Path) -> Iterator[list[str]]:
    """The words behind `hutong` of every command in a page's blocks and inline code."""
    text = read(page)
    lines = [
        line.removeprefix("$ ")
        for found in _FENCE.finditer(text)
        if found[1] in ("console", "bash", "sh")
        for line in found[2].splitlines()
    ]
    lines += re.findall(r"`([^`\n]+)`", _FENCE.sub("", text))
    for line in lines:
        found = re.match(r"(?:.*\$\()?(?:[A-Z_]+=\S+ )*(?:\S*/)?hutong ([a-z-].*)", line)
        if found and not found[1].startswith(("is ", "and ")):
            words = re.split(r"\s#|\)$|[|>;]", found[1])[0].rstrip("…. ")
            yield shlex.split(words)
