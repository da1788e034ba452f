import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from mmrad.errors import DataError
from mmrad.journal import Journal, read_journal

RECORDS = [
    {"key": "a", "text": "scharfe Kante\n"},
    {"key": "b", "text": "划痕 \u2028 \udc80"},
    {"key": "c", "n": [1.5, None]},
]


def write(path: Path, records: list[dict]) -> None:
    with Journal(path) as journal:
        for record in records:
            journal.append(record)


def test_records_come_back_in_order(tmp_path: Path) -> None:
    path = tmp_path / "deep" / "er" / "a.jsonl"
    write(path, RECORDS[:2])
    write(path, RECORDS[2:])
    assert list(read_journal(path)) == RECORDS
    assert path.read_bytes().count(b"\n") == 3


def test_no_file_has_no_records(tmp_path: Path) -> None:
    assert list(read_journal(tmp_path / "none.jsonl")) == []


def test_a_journal_torn_at_any_byte_keeps_its_whole_lines_and_goes_on(tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl"
    write(path, RECORDS)
    whole = path.read_bytes()
    for end in range(len(whole) + 1):
        path.write_bytes(whole[:end])
        kept = RECORDS[: whole[:end].count(b"\n")]
        assert list(read_journal(path)) == kept
        write(path, [{"key": "new"}])
        assert list(read_journal(path)) == [*kept, {"key": "new"}]


def test_a_torn_line_longer_than_one_block_is_cut_off(tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl"
    path.write_bytes(b'{"key": 1}\n{"text": "' + b"x" * 200_000)
    write(path, [{"key": 2}])
    assert list(read_journal(path)) == [{"key": 1}, {"key": 2}]
    path.write_bytes(b"x" * 200_000)
    write(path, [{"key": 3}])
    assert list(read_journal(path)) == [{"key": 3}]


@pytest.mark.parametrize("damage", [b'{"key": ', b"\0\0\0", b"", b"7", b"[1]", b'{"a": "\xff"}'])
def test_a_damaged_line_is_an_error_that_names_it(tmp_path: Path, damage: bytes) -> None:
    path = tmp_path / "a.jsonl"
    path.write_bytes(b'{"key": 1}\n' + damage + b'\n{"key": 3}\n')
    with pytest.raises(DataError, match=r"a\.jsonl, line 2: not"):
        list(read_journal(path))


def test_lines_are_on_disk_after_each_group_and_at_the_end(tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl"
    with pytest.raises(KeyboardInterrupt), Journal(path, group=2) as journal:
        journal.append({"n": 1})
        journal.append({"n": 2})
        assert [record["n"] for record in read_journal(path)] == [1, 2]
        journal.append({"n": 3})
        raise KeyboardInterrupt
    assert [record["n"] for record in read_journal(path)] == [1, 2, 3]


WRITER = """
import sys
from pathlib import Path
from mmrad.journal import Journal
with Journal(Path(sys.argv[1]), group=4) as journal:
    for n in range(10**9):
        journal.append({"n": n, "text": "x" * 3000})
        if n == 40:
            print("go", flush=True)
"""


@pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="needs SIGKILL")
def test_kill_9_costs_at_most_the_last_group(tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl"
    process = subprocess.Popen([sys.executable, "-c", WRITER, path], stdout=subprocess.PIPE)
    assert process.stdout is not None and process.stdout.readline() == b"go\n"
    os.kill(process.pid, signal.SIGKILL)
    process.wait()
    process.stdout.close()
    found = [record["n"] for record in read_journal(path)]
    assert found == list(range(len(found))) and len(found) >= 40
    write(path, [{"n": len(found)}])
    assert len(list(read_journal(path))) == len(found) + 1
