"""A sandbox wallet that real clients can talk to: its own signing, its own people, its own clock; it shares nothing with payments."""
