import subprocess
import sys
import textwrap
from contextlib import suppress

from tunesmith.ingestion.isolation import MAX_DEATHS, Watch

DIE = textwrap.dedent("""
    import os, sys
    from tunesmith.ingestion.isolation import Watch
    from tunesmith.artifacts.store import Store
    with Watch(Store(sys.argv[1]), ("w",)) as watch:
        for number in range(10):
            if watch.begin(number):
                print(number)
                if number in {3, 7}:
                    sys.stdout.flush()
                    os.kill(os.getpid(), 9)
""")


def attempt(store) -> tuple[int, list[int]]:
    done = subprocess.run(
        [sys.executable, "-c", DIE, store.uri],
        capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    return done.returncode, [int(line) for line in done.stdout.split()]


def test_a_file_during_which_processes_die_is_found_and_the_rest_is_done(store):
    runs = [attempt(store) for _ in range(2 * MAX_DEATHS)]
    assert all(code == -9 for code, _ in runs)
    assert [tried[-1] for _, tried in runs] == [3] * MAX_DEATHS + [7] * MAX_DEATHS
    assert attempt(store) == (0, [0, 1, 2, 4, 5, 6, 8, 9])


def interrupt():
    raise KeyboardInterrupt


def test_an_exception_is_no_death(store):
    for _ in range(MAX_DEATHS + 1):
        with suppress(KeyboardInterrupt), Watch(store, ("w",)) as watch:
            assert watch.begin(0)
            interrupt()
    with Watch(store, ("w",)) as watch:
        assert watch.begin(0)
    assert [p.name for p in store.local_path("w").iterdir()] == ["current"]
