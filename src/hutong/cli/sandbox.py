"""``hutong sandbox``: wallets to try everything with, without a contract and without money."""

from pathlib import Path

import typer
from rich.table import Table

from hutong.cli.say import answers, note

app = typer.Typer(no_args_is_help=True)


@app.command()
def alipay(
    host: str = typer.Option("127.0.0.1", help="Address to listen on."),
    port: int = typer.Option(8100, min=1, max=65535, help="Port to listen on."),
    data: Path | None = typer.Option(None, help="File to keep everything in; without it all is forgotten at the end."),
    speed: float | None = typer.Option(None, min=0, max=10_000, help="Virtual seconds in a real one; 0 stops the clock (default: 1)."),
    seed: int = typer.Option(1, help="Seed of faults, risks and the shape of answers."),
    switch: list[str] = typer.Option([], "--switch", help="Set a behaviour: name=value; --explain lists them."),
    notify_host: list[str] = typer.Option([], "--notify-host", help="Host beside the loopback that notifications may go to."),
    admin_open: bool = typer.Option(False, "--admin-open", help="Let other machines use /admin too."),
    people: bool = typer.Option(True, "--people/--no-people", help="Start with some invented people."),
    explain: bool = typer.Option(False, "--explain", help="List the switches with default and meaning, and end."),
) -> None:
    """
    Run a sandbox Alipay that real clients can talk to, with a wallet to open in a browser.

    The gateway is at /gateway.do, the wallet at /wallet, the operator's API at /admin (from this machine only).

    Examples:

      hutong sandbox alipay

      hutong sandbox alipay --data .data/alipay.sqlite --speed 60 --switch code_seconds=30

      hutong sandbox alipay --explain
    """
    from hutong.sandbox.switches import explained, of_texts

    if explain:
        table = Table("switch", "default", "meaning")
        for name, default, meaning in explained():
            table.add_row(name, default, meaning)
        answers.print(table)
        return
    from hutong.platform.config import Settings
    from hutong.platform.telemetry import configure_logging
    from hutong.sandbox import create_sandbox
    from hutong.sandbox.serving import server_of

    configure_logging(Settings())
    sandbox = create_sandbox(
        data=data, seed=seed, speed=speed, switches=of_texts(switch), notify_hosts=tuple(notify_host), admin_open=admin_open, people=people
    )
    note(f"Sandbox Alipay: gateway http://{host}:{port}/gateway.do")
    note(f"The wallet to open in a browser: http://{host}:{port}/wallet")
    server_of(sandbox, host, port).run()


@app.callback()
def _group() -> None:
    """Keep ``alipay`` a command of its own while it is the only one."""
