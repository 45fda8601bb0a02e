"""Fails where a module reaches past another's door: directory, catalog, payments, sales and monitor are met through their __init__ alone."""

import ast
import sys
from collections.abc import Iterator
from pathlib import Path

SOURCE = Path(__file__).resolve().parents[1] / "src" / "hutong"
BEHIND_DOORS = {"directory", "catalog", "payments", "sales", "monitor"}


def main() -> int:
    """Print each import that goes past a door; answers the exit code."""
    found = [line for path in sorted(SOURCE.rglob("*.py")) for line in trespasses(path)]
    print("\n".join(found) if found else "doors: modules meet only through what their __init__ hands on")
    return 1 if found else 0


def trespasses(path: Path) -> Iterator[str]:
    """A line for each import in this file of something behind another module's door."""
    own = path.relative_to(SOURCE).parts[0]
    for node in ast.walk(ast.parse(path.read_text())):
        for name in imported(node):
            parts = name.split(".")
            if len(parts) > 2 and parts[0] == "hutong" and parts[1] in BEHIND_DOORS and parts[1] != own:
                line = getattr(node, "lineno", 0)
                yield f"src/hutong/{path.relative_to(SOURCE)}:{line}: imports {name}; take it from hutong.{parts[1]}, which must hand it on"


def imported(node: ast.AST) -> list[str]:
    """The modules that an import statement names; ``from hutong.sales import model`` counts as hutong.sales.model if that is a module."""
    if isinstance(node, ast.Import):
        return [alias.name for alias in node.names]
    if isinstance(node, ast.ImportFrom) and node.module and not node.level:
        folder = SOURCE.parent.joinpath(*node.module.split("."))
        modules = [
            f"{node.module}.{alias.name}"
            for alias in node.names
            if (folder / f"{alias.name}.py").exists() or (folder / alias.name).is_dir()
        ]
        return modules or [node.module]
    return []


if __name__ == "__main__":
    sys.exit(main())
