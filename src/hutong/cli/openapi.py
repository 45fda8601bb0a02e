"""``hutong openapi``: the API's own description, for code generators and readers."""

import json
from pathlib import Path

import typer

from hutong.cli.say import said
from hutong.platform.config import Settings


def openapi(
    file: Path | None = typer.Option(None, "--output", "-o", help="Write into this file instead of standard output."),
) -> None:
    """
    Print the OpenAPI document of the HTTP API (JSON). Needs no database.

    Examples:

      hutong openapi > openapi.json

      hutong openapi -o openapi.json
    """
    from hutong.app import create_app

    document = json.dumps(create_app(Settings()).openapi(), ensure_ascii=False, indent=2)
    if file is None:
        print(document)  # noqa: T201 - the answer itself, unwrapped
    else:
        file.write_text(document + "\n")
        said(f"{file}: {len(document):,} characters")
