"""The cause of a failed trial."""

from pathlib import Path

import pytest

from tunesmith.tuning.failures import cause_in, cause_of, ran_out_of_memory

# As Ray 2.60 words them, shortened.
OUT = (
    "1 worker(s) were killed due to the node running low on memory. Memory on the node (IP: "
    "127.0.0.1, ID: db06) was 26.12GB used / 27.54GB limit (0.948)\n"
    "OOM kill reason: Memory usage 2918092800B exceeded threshold of 2729863168B\n"
    "Object store memory usage: [- objects spillable: 3\n- bytes spillable: 871728\n"
)
DIED = (
    "The actor died unexpectedly before finishing this task.\n\tclass_name: ResourceTrainable\n"
    "The actor is dead because its worker process has died. Worker exit type: SYSTEM_ERROR Worker "
    "exit detail: Worker unexpectedly exits with a connection error code 2. End of file."
)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Failure # 1 (occurred)\nray.exceptions.OutOfMemoryError: Task was killed", True),
        ("Failure # 1 (occurred)\ntensorflow...ResourceExhaustedError: OOM when", True),
        ("Failure # 1 (x)\nMemoryError: \nFailure # 2 (y)\nValueError: no", False),
        ("Failure # 1 (occurred)\nValueError: no", False),
        (f"Failure # 1 (occurred)\n{OUT}", True),
        (f"Failure # 1 (occurred)\n{DIED}", False),
    ],
)
def test_a_lack_of_memory_is_recognised(text: str, expected: bool, tmp_path: Path) -> None:
    (tmp_path / "error.txt").write_text(text)
    assert ran_out_of_memory(str(tmp_path / "error.txt")) is expected


def test_no_failure_is_no_lack_of_memory(tmp_path: Path) -> None:
    assert not ran_out_of_memory(None)
    assert not ran_out_of_memory(str(tmp_path / "absent"))


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (OUT, "out of memory (26.12 of the machine's 27.54 GB were in use)"),
        ("MemoryError: Unable to allocate 9 GiB", "out of memory"),
        (DIED, "its process crashed or was killed, as the system does when memory runs out"),
        ("ray::X()\n  File y\nValueError: depth\n is wrong", "ValueError: depth"),
        ("", "its process ended"),
    ],
)
def test_a_cause_is_one_line(text: str, expected: str, tmp_path: Path) -> None:
    assert cause_of(text) == expected
    (tmp_path / "error.txt").write_text(f"Failure # 1 (a)\nOSError: b\nFailure # 2 (c)\n{text}")
    assert cause_in(str(tmp_path / "error.txt")) == expected
