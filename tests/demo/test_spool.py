from pathlib import Path

from hutong.demo.spool import SEGMENT, Spool


def documents(count: int, first: int = 0) -> list[dict[str, str]]:
    return [{"id": str(number)} for number in range(first, first + count)]


def test_what_was_not_acknowledged_is_there_for_the_next_player_in_order(tmp_path: Path) -> None:
    crashed = Spool(tmp_path)
    crashed.write(documents(3))
    crashed.write(documents(2, 3))
    crashed.done({"id": "0"})
    assert list(Spool(tmp_path).left_over()) == documents(5)  # one more than needed: sending twice harms nothing


def test_nothing_is_left_of_what_was_acknowledged(tmp_path: Path) -> None:
    spool = Spool(tmp_path)
    for first in range(0, 3 * SEGMENT, 500):
        spool.write(documents(500, first))
    for document in documents(3 * SEGMENT):
        spool.done(document)
    spool.close()
    assert list(tmp_path.iterdir()) == []


def test_finished_files_go_as_soon_as_all_of_theirs_is_acknowledged(tmp_path: Path) -> None:
    spool = Spool(tmp_path)
    spool.write(documents(SEGMENT))
    spool.write(documents(10, SEGMENT))
    assert len(list(tmp_path.iterdir())) == 2
    for document in documents(SEGMENT):
        spool.done(document)
    assert len(list(tmp_path.iterdir())) == 1


def test_a_line_that_a_crash_cut_short_is_left_out(tmp_path: Path) -> None:
    Spool(tmp_path).write(documents(2))
    [file] = tmp_path.iterdir()
    file.write_bytes(file.read_bytes()[:-5])
    assert list(Spool(tmp_path).left_over()) == documents(1)


def test_a_later_player_writes_beside_what_is_left_and_then_forgets_it(tmp_path: Path) -> None:
    Spool(tmp_path).write(documents(2))
    later = Spool(tmp_path)
    later.write(documents(1, 7))
    assert list(later.left_over()) == documents(2)
    later.forget_left_over()
    assert list(Spool(tmp_path).left_over()) == documents(1, 7)
