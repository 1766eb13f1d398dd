import subprocess
import sys
import textwrap
from contextlib import suppress

from tunesmith.ingestion.isolation import MAX_CRASHES, CrashLog

CRASH = textwrap.dedent("""
    import os, sys
    from tunesmith.ingestion.isolation import CrashLog
    from tunesmith.artifacts.store import Store
    with CrashLog(Store(sys.argv[1]), ("w",)) as log:
        for number in range(10):
            if log.begin(number):
                print(number)
                if number in {3, 7}:
                    sys.stdout.flush()
                    os.kill(os.getpid(), 9)
""")


def attempt(store) -> tuple[int, list[int]]:
    done = subprocess.run(
        [sys.executable, "-c", CRASH, store.uri],
        capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    return done.returncode, [int(line) for line in done.stdout.split()]


def test_a_file_that_crashes_the_process_is_skipped_after_three_tries(store):
    runs = [attempt(store) for _ in range(2 * MAX_CRASHES)]
    assert all(code == -9 for code, _ in runs)
    assert [tried[-1] for _, tried in runs] == [3] * MAX_CRASHES + [7] * MAX_CRASHES
    assert attempt(store) == (0, [0, 1, 2, 4, 5, 6, 8, 9])


def interrupt():
    raise KeyboardInterrupt


def test_an_exception_is_not_a_crash(store):
    for _ in range(MAX_CRASHES + 1):
        with suppress(KeyboardInterrupt), CrashLog(store, ("w",)) as log:
            assert log.begin(0)
            interrupt()
    with CrashLog(store, ("w",)) as log:
        assert log.begin(0)
    assert [p.name for p in store.local_path("w").iterdir()] == ["current"]
