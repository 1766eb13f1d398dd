"""Files beside four independent readers: every difference has a named reason."""

import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from tests.midi.material import event, meta, midi_file, scale_notes, tempo

ROOT = Path(__file__).parents[2]


def compared(archive: Path, *options: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, str(ROOT / "benchmarks" / "readers.py"), str(archive), *options]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def on(delta: int, pitch: int) -> bytes:
    return event(delta, 0x90, pitch, 80)


def off(delta: int, pitch: int) -> bytes:
    return event(delta, 0x80, pitch, 0)


FILES = {
    "plain": midi_file(tempo(0, 400_000) + scale_notes(8)),
    "overlapping": midi_file(on(0, 60) + on(100, 60) + off(100, 60) + off(100, 60)),
    "empty note": midi_file(on(0, 60) + off(0, 60) + on(9, 62) + off(90, 62)),
    "unended": midi_file(on(0, 60) + on(100, 62) + off(100, 60)),
    "all notes off": midi_file(on(0, 60) + event(50, 0xB0, 123, 0) + off(50, 60)),
    "tempo in track 2": midi_file(tempo(0, 400_000), tempo(0, 300_000) + scale_notes(8)),
    "cut": midi_file(scale_notes(8))[:-9],
    "high byte": midi_file(on(0, 60) + event(10, 0x80, 60, 200) + on(0, 62) + off(10, 62)),
    "no notes": midi_file(meta(0, 3, b"nothing")),
}
REASONS = {
    ("symusic", "overlapping"): "overlapping notes of one key",
    ("symusic", "empty note"): "notes of no length are kept there",
    ("symusic", "unended"): "notes without a note-off are left out there",
    ("pretty_midi", "unended"): "notes without a note-off are left out there",
    ("symusic", "all notes off"): "'all notes off' ends no note there",
    ("pretty_midi", "all notes off"): "'all notes off' ends no note there",
    ("pretty_midi", "tempo in track 2"): "tempos outside the first track",
}


def test_the_mechanisms_are_told_apart(tmp_path: Path) -> None:
    archive = tmp_path / "files.zip"
    with zipfile.ZipFile(archive, "w") as members:
        for name, data in FILES.items():
            members.writestr(f"{name}.mid", data)
    done = compared(archive, "--names")
    assert done.returncode == 0, done.stdout + done.stderr
    reasons: dict[tuple[str, str], str] = {}
    reader = reason = ""
    for line in done.stdout.splitlines():
        if line.startswith("| "):
            reader, _, reason = (cell.strip() for cell in line.strip("|").split("|"))
        elif line.startswith("    "):
            reasons[reader, line.strip().removesuffix(".mid")] = reason
    for place, words in REASONS.items():
        assert reasons[place].startswith(words), place
    assert not {name for _, name in reasons} & {"plain"}
    assert reasons["symusic", "cut"].startswith(("damaged file", "refused there"))
    assert reasons["symusic", "no notes"] == "no notes there either (NoNotes)"


@pytest.mark.data
@pytest.mark.slow
@pytest.mark.parametrize("step", ["20", pytest.param("1", marks=pytest.mark.long, id="all files")])
@pytest.mark.parametrize("corpus", ["midi-big4", "midi-classical", "midi-performed"])
def test_every_difference_has_a_reason(data_dir: Path, corpus: str, step: str) -> None:
    archive = data_dir / f"{corpus}.zip"
    if not archive.exists():
        pytest.skip(f"{archive.name} is not in the data folder")
    done = compared(archive, "--step", step)
    assert done.returncode == 0, done.stdout + done.stderr
