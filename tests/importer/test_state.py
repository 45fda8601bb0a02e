"""The state file survives being torn off anywhere, and refuses to go on with something else."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as some

from hutong.importer.errors import StateDiffers
from hutong.importer.state import Origin, Refusal, State

ORIGIN = Origin("file", "mapping", "http://localhost")


def filled(path: Path) -> None:
    with State(path, ORIGIN) as state:
        state.record([0, 1, 2, 5], 3, 1, [])
        state.record([3, 4], 1, 0, [Refusal(4, 422, "sale_invalid", "没有")])


def test_what_was_answered_is_known_again(tmp_path: Path):
    filled(tmp_path / "s")
    with State(tmp_path / "s", ORIGIN) as state:
        assert state.resumed
        assert state.answers.done == set(range(6))
        assert (state.answers.captured, state.answers.duplicate) == (4, 1)
        assert state.answers.refused[4].reason == "the server refused the sale (422 sale_invalid): 没有"


@given(cut=some.integers(0, 600))
def test_torn_off_anywhere_it_knows_only_what_was_whole(tmp_path: Path, cut: int):
    path = tmp_path / "s"
    path.unlink(missing_ok=True)
    filled(path)
    whole = path.read_bytes()
    path.write_bytes(whole[: min(cut, len(whole))])
    lines = path.read_bytes().count(b"\n")
    with State(path, ORIGIN) as state:
        assert state.answers.done == [set(), set(), {0, 1, 2, 5}, set(range(6))][lines]
        state.record([9], 1, 0, [])
    with State(path, ORIGIN) as again:
        assert 9 in again.answers.done


def test_a_finished_state_makes_room_for_a_new_one(tmp_path: Path):
    filled(tmp_path / "s")
    with State(tmp_path / "s", ORIGIN) as state:
        state.finish()
    with State(tmp_path / "s", ORIGIN) as again:
        assert (again.resumed, again.answers.done) == (False, set())


@pytest.mark.parametrize("other", [Origin("other", "mapping", "http://localhost"), Origin("file", "mapping", "http://elsewhere")])
def test_an_unfinished_state_of_something_else_is_refused(tmp_path: Path, other: Origin):
    filled(tmp_path / "s")
    with pytest.raises(StateDiffers, match="unfinished import with another"):
        State(tmp_path / "s", other)
