"""The command ``hutong``: runs the network, looks after its database, and lets the first people, tills and programs in."""

from hutong.cli.main import main

__all__ = ["main"]
