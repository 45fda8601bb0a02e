"""A sandbox wallet that real clients can talk to: its own signing, its own people, its own clock; it shares nothing with payments."""

from hutong.sandbox.application import Options, Sandbox, create_sandbox

__all__ = ["Options", "Sandbox", "create_sandbox"]
