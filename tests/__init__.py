"""The tests of hutong: real PostgreSQL, real HTTP, real browsers."""
