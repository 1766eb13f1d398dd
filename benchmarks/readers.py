"""Read MIDI files beside mido, midicsv, symusic and pretty_midi, and name why they differ.

python benchmarks/readers.py midi-big4.zip midi-classical.zip

mido and midicsv give the events of a file: every channel message, tempo and time signature is
compared. symusic and pretty_midi pair them: every note is compared, with start, end, pitch and
velocity. A difference has a reason if the rule of the other reader, applied to our events, gives
its notes, or if it is a fault of the file that our reading counts. Files without a reason are
listed. midicsv is a Debian package; without it, it is left out.
"""

import csv
import io
import shutil
import subprocess
import tempfile
import warnings
from collections import Counter, defaultdict, deque
from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Any

import click
import mido
import numpy as np
import pretty_midi
import symusic
from _midi_files import members

from tunesmith.errors import MidiError
from tunesmith.midi import Limits, Score, read_score
from tunesmith.midi.container import open_container
from tunesmith.midi.decoding import (
    LENGTH,
    LOW_BIT,
    META,
    PAYLOAD,
    STATUS_BIT,
    TEMPO,
    TICK,
    TIME_SIGNATURE,
    TRACK,
    TRACK_BIT,
)
from tunesmith.midi.events import Events, decode_events
from tunesmith.midi.score import TempoMap

REFUSALS = (
    OSError, EOFError, ValueError, LookupError, RuntimeError, TypeError, mido.KeySignatureError
)  # fmt: skip
NOTE_OFF, NOTE_ON, PROGRAM, PRESSURE, CONTROL = 0x80, 0x90, 0xC0, 0xD0, 0xB0
ALL_SOUND_OFF, ALL_NOTES_OFF, FIRST_MODE = 120, 123, 124
GRID_HZ = 9973.3719
"""Times are compared on a grid on which no usual length of a note lies half-way."""

Message = tuple[int, int, int, int, int]
"""Track, tick, status and two data bytes."""
Row = tuple[int, ...]


# --- what each reader gives


def our_messages(events: Events) -> list[Message]:
    """Return the channel messages of a file as our reader decodes them, in file order."""
    ticks, packed = events.messages[:, : events.n_messages].tolist()
    rows = []
    for tick, message in zip(ticks, packed, strict=True):
        status, high = message >> STATUS_BIT & 255, message & 255
        if status != META:
            high = 0 if status & 0xF0 in (PROGRAM, PRESSURE) else high
            rows.append((message >> TRACK_BIT, tick, status, message >> LOW_BIT & 255, high))
    return rows


def our_tempos(events: Events) -> list[tuple[int, int, int]]:
    """Return track, tick and microseconds of each tempo."""
    return [
        (track, tick, int.from_bytes(events.source[at : at + 3].tobytes(), "big"))
        for track, tick, _, at, length in _metas(events, TEMPO)
        if length >= 3
    ]


def our_meters(events: Events) -> list[Row]:
    """Return tick, numerator and denominator of each time signature."""
    return [
        (tick, int(events.source[at]), 2 ** int(events.source[at + 1]))
        for _, tick, _, at, length in _metas(events, TIME_SIGNATURE)
        if length >= 2
    ]


def _metas(events: Events, kind: int) -> list[list[int]]:
    rows = events.meta(kind)
    order = [TRACK, TICK, TRACK, PAYLOAD, LENGTH]
    values: list[list[int]] = rows[order].T.tolist()
    return values


def by_mido(data: bytes) -> Counter[Row]:
    """Return all messages, tempos and time signatures."""
    rows: Counter[Row] = Counter()
    for track in mido.MidiFile(file=io.BytesIO(data), clip=True).tracks:
        tick = 0
        for message in track:
            tick += message.time
            if message.type == "set_tempo":
                rows[tick, TEMPO, message.tempo, 0] += 1
            elif message.type == "time_signature":
                rows[tick, TIME_SIGNATURE, message.numerator, message.denominator] += 1
            elif not message.is_meta and message.type != "sysex":
                status, *values = message.bytes()
                if status < 0xF0:
                    rows[(tick, status, *(*values, 0)[:2])] += 1
    return rows


CSV_STATUS = {
    "Note_off_c": 0x80, "Note_on_c": 0x90, "Poly_aftertouch_c": 0xA0, "Control_c": 0xB0,
    "Program_c": 0xC0, "Channel_aftertouch_c": 0xD0, "Pitch_bend_c": 0xE0,
}  # fmt: skip


def by_midicsv(data: bytes) -> Counter[Row]:
    """Return all messages, tempos and time signatures."""
    with tempfile.NamedTemporaryFile(suffix=".mid") as file:
        file.write(data)
        file.flush()
        done = subprocess.run(
            ["midicsv", file.name],
            check=False,
            capture_output=True,
            timeout=60,
        )
    if done.returncode or not done.stdout:
        message = done.stderr.decode("latin-1").strip().splitlines()
        raise ValueError(message[0][:60] if message else "no output")
    rows: Counter[Row] = Counter()
    for _, tick, kind, *values in csv.reader(
        io.StringIO(done.stdout.decode("latin-1")), skipinitialspace=True, escapechar="\\"
    ):
        if kind == "Tempo":
            rows[int(tick), TEMPO, int(values[0]), 0] += 1
        elif kind == "Time_signature":
            rows[int(tick), TIME_SIGNATURE, int(values[0]), 2 ** int(values[1])] += 1
        elif kind in CSV_STATUS:
            channel, *numbers = map(int, values)
            if kind == "Pitch_bend_c":
                numbers = [numbers[0] & 127, numbers[0] >> 7]
            rows[(int(tick), CSV_STATUS[kind] | channel, *(*numbers, 0)[:2])] += 1
    return rows


def by_symusic(data: bytes) -> Counter[Row]:
    """Return start and end in ticks, pitch and velocity of each note."""
    rows: Counter[Row] = Counter()
    parsed: Any = symusic.Score.from_midi(data)
    for track in parsed.tracks:
        notes = track.notes.numpy()
        start, pitch = notes["time"].astype(int), notes["pitch"].astype(int)
        velocity = notes["velocity"].astype(int)
        columns = (start, start + notes["duration"], pitch, velocity)
        rows.update(zip(*(column.tolist() for column in columns), strict=True))
    return rows


def by_pretty_midi(data: bytes) -> Counter[Row]:
    """Return start and end on the grid of seconds, pitch and velocity of each note."""
    rows: Counter[Row] = Counter()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        midi = pretty_midi.PrettyMIDI(io.BytesIO(data))
    for instrument in midi.instruments:
        for note in instrument.notes:
            start, end = round(note.start * GRID_HZ), round(note.end * GRID_HZ)
            rows[start, end, note.pitch, note.velocity] += 1
    return rows


def by_us(score: Score, *, in_ticks: bool) -> Counter[Row]:
    """Return our notes in the form of the two functions above."""
    notes = score.notes
    if in_ticks:
        start = notes["onset_quarters"].astype(float) * score.ticks_per_quarter
        length = notes["duration_quarters"].astype(float) * score.ticks_per_quarter
        times = np.rint(start), np.rint(start) + np.rint(length)
    else:
        times = np.rint(notes["onset_s"] * GRID_HZ), np.rint(notes["offset_s"] * GRID_HZ)
    columns = [*(each.astype(int) for each in times), notes["pitch"], notes["velocity"]]
    return Counter(zip(*(column.tolist() for column in columns), strict=True))


# --- the rules by which messages become notes


@dataclass(frozen=True)
class Rule:
    """Points in which the pairing of messages by a reader may differ from ours."""

    first_begun_ends_first: bool = False
    keeps_empty_notes: bool = False
    drops_unended_notes: bool = False
    ignores_all_notes_off: bool = False
    reads_tempo_of_first_track_only: bool = False


REASONS = {
    "first_begun_ends_first": "overlapping notes of one key: there a note-off ends the first begun",
    "keeps_empty_notes": "notes of no length are kept there",
    "drops_unended_notes": "notes without a note-off are left out there",
    "ignores_all_notes_off": "'all notes off' ends no note there",
    "reads_tempo_of_first_track_only": "tempos outside the first track are not read there",
}
SYMUSIC = Rule(
    first_begun_ends_first=True,
    keeps_empty_notes=True,
    drops_unended_notes=True,
    ignores_all_notes_off=True,
)
PRETTY_MIDI = Rule(
    drops_unended_notes=True, ignores_all_notes_off=True, reads_tempo_of_first_track_only=True
)


def paired(messages: Iterable[Message], rule: Rule) -> Iterator[Row]:
    """Yield start and end in ticks, pitch and velocity of the notes that a rule makes.

    A note without an end has the end -1: how ours find one is tested elsewhere.
    """
    sounding: defaultdict[tuple[int, int], deque[tuple[int, int]]] = defaultdict(deque)
    track_before = -1
    for track, tick, status, low, high in messages:
        if track != track_before:
            yield from _left(sounding, rule)
            track_before = track
        kind, channel = status & 0xF0, status & 0x0F
        if kind == NOTE_ON and high:
            sounding[channel, low].append((tick, high))
        elif kind in (NOTE_ON, NOTE_OFF):
            yield from _ended(sounding[channel, low], tick, low, rule)
        elif (
            kind == CONTROL
            and (low in (ALL_SOUND_OFF, ALL_NOTES_OFF) or low >= FIRST_MODE)
            and not rule.ignores_all_notes_off
        ):
            for pitch in range(128):
                for start, velocity in sounding.pop((channel, pitch), ()):
                    if start < tick:
                        yield start, tick, pitch, velocity
    yield from _left(sounding, rule)


def _ended(notes: deque[tuple[int, int]], tick: int, pitch: int, rule: Rule) -> Iterator[Row]:
    if rule.first_begun_ends_first:
        if notes:
            start, velocity = notes.popleft()
            if start < tick or rule.keeps_empty_notes:
                yield start, tick, pitch, velocity
        return
    begun = [note for note in notes if note[0] < tick]
    of_now = [note for note in notes if note[0] == tick]
    notes.clear()
    notes.extend(of_now if begun else ())
    if rule.keeps_empty_notes and not begun:
        begun = of_now
    for start, velocity in begun:
        yield start, tick, pitch, velocity


def _left(sounding: dict[tuple[int, int], deque[tuple[int, int]]], rule: Rule) -> Iterator[Row]:
    if not rule.drops_unended_notes:
        for (_, pitch), notes in sounding.items():
            for start, velocity in notes:
                yield start, -1, pitch, velocity
    sounding.clear()


# --- comparison

READERS: Mapping[str, Callable[[bytes], Counter[Row]]] = {
    "mido": by_mido,
    "midicsv": by_midicsv,
    "symusic": by_symusic,
    "pretty_midi": by_pretty_midi,
}
OF_EVENTS = frozenset({"mido", "midicsv"})
"""Readers that give events; the others give notes."""


def compare(data: bytes, reader: str) -> str:
    """Return ``equal``, the reasons why a reader differs, or ``unexplained``."""
    try:
        score = read_score(data)
    except MidiError as error:
        return _refused_here(data, reader, type(error).__name__)
    try:
        theirs = READERS[reader](data)
    except REFUSALS as error:
        return f"refused there ({type(error).__name__}: {_short(error)})"
    layout = open_container(data, Limits())
    events = decode_events(layout.data, layout.first, layout.declared_tracks)
    if reader in OF_EVENTS:
        ours = _all_events(events)
        return "equal" if ours == theirs else _damage(score, data) or "unexplained"
    in_ticks = reader == "symusic"
    if by_us(score, in_ticks=in_ticks) == theirs:
        return "equal"
    rule = SYMUSIC if in_ticks else PRETTY_MIDI
    times = Times(events, layout.ticks_per_quarter, layout.ticks_per_second, in_ticks)
    messages = our_messages(events)
    as_theirs = times.notes(messages, rule)
    if as_theirs != theirs:
        return _damage(score, data) or "unexplained"
    reasons = []
    for each in fields(Rule):
        if getattr(rule, each.name):
            other = times.notes(messages, replace(rule, **{each.name: False}))
            if other != as_theirs:
                reasons.append(REASONS[each.name])
    return "; ".join(reasons) or "unexplained"


def _refused_here(data: bytes, reader: str, name: str) -> str:
    try:
        theirs = READERS[reader](data)
    except REFUSALS:
        return f"refused by both ({name})"
    sounds = any(row[1] & 0xF0 == NOTE_ON for row in theirs) if reader in OF_EVENTS else theirs
    return f"refused here ({name})" if sounds else f"no notes there either ({name})"


def _short(error: BaseException) -> str:
    return " ".join(word for word in str(error).split()[:6] if not any(map(str.isdigit, word)))


def _all_events(events: Events) -> Counter[Row]:
    rows: Counter[Row] = Counter(row[1:] for row in our_messages(events))
    rows.update((tick, TEMPO, value, 0) for _, tick, value in our_tempos(events))
    rows.update((tick, TIME_SIGNATURE, n, d) for tick, n, d in our_meters(events))
    return rows


def _damage(score: Score, data: bytes) -> str:
    """Return the faults of a file that make readers differ in its events; empty if it has none."""
    damage = score.damage
    faults = {
        "fewer or more tracks than declared": damage.tracks_declared != damage.tracks_found,
        "a track of another length than it says": damage.wrong_lengths,
        "a track without an end mark": damage.missing_ends,
        "bytes outside any event": damage.lost_bytes,
        "events that cannot be decoded": damage.lost_events,
        "data bytes above 127": damage.clipped_bytes,
        "bytes around the MIDI data": data[:4] != b"MThd",
    }
    return (
        "damaged file: " + ", ".join(k for k, v in faults.items() if v)
        if any(faults.values())
        else ""
    )


@dataclass(frozen=True)
class Times:
    """Conversion of paired notes to the times that a reader gives."""

    events: Events
    ticks_per_quarter: int
    ticks_per_second: float | None
    in_ticks: bool

    def notes(self, messages: list[Message], rule: Rule) -> Counter[Row]:
        """Return the notes that a rule makes of messages."""
        rows = list(paired(messages, rule))
        if self.in_ticks or not rows:
            return Counter(rows)
        start, end, pitch, velocity = np.array(rows).T
        tempo_map = self._map(rule)
        times = [np.rint(tempo_map.seconds(t) * GRID_HZ).astype(int) for t in (start, end)]
        columns = (column.tolist() for column in (*times, pitch, velocity))
        return Counter(zip(*columns, strict=True))

    def _map(self, rule: Rule) -> TempoMap:
        if self.ticks_per_second is not None:
            return TempoMap.constant(self.ticks_per_second)
        first = rule.reads_tempo_of_first_track_only
        tempos = [
            row[1:] for row in our_tempos(self.events) if row[2] and (not first or not row[0])
        ]
        ticks, microseconds = np.array(tempos, dtype=np.int64).reshape(-1, 2).T.copy()
        return TempoMap.build(ticks, microseconds, self.ticks_per_quarter)


# --- the command


def _of_file(job: tuple[str, bytes, tuple[str, ...]]) -> list[tuple[str, str, str]]:
    name, data, readers = job
    return [(name, reader, compare(data, reader)) for reader in readers]


def differences(
    files: list[tuple[str, bytes]], readers: tuple[str, ...], jobs: int
) -> dict[str, dict[str, list[str]]]:
    """Return the names of the files by reader and reason."""
    names: dict[str, dict[str, list[str]]] = {reader: defaultdict(list) for reader in readers}
    with ProcessPoolExecutor(jobs) as pool:
        work = [(name, data, readers) for name, data in files]
        for results in pool.map(_of_file, work, chunksize=32):
            for name, reader, reason in results:
                names[reader][reason].append(name)
    return names


@click.command()
@click.argument("corpora", nargs=-1, required=True, type=click.Path(exists=True, path_type=Path))
@click.option("--readers", default=",".join(READERS), show_default=True)
@click.option("--step", default=1, show_default=True, help="Read every n-th file.")
@click.option("--jobs", default=1, show_default=True, help="Processes.")
@click.option("--names/--no-names", default=False, help="List the files of each reason.")
def main(corpora: tuple[Path, ...], readers: str, step: int, jobs: int, *, names: bool) -> None:
    """Compare readers on all files of archives; end with 1 if a difference has no reason."""
    chosen = tuple(r for r in readers.split(",") if r != "midicsv" or shutil.which("midicsv"))
    if "midicsv" in readers and "midicsv" not in chosen:
        click.echo("midicsv is not installed (apt install midicsv): left out")
    unexplained = 0
    for corpus in corpora:
        files = members(corpus)[::step]
        click.echo(f"\n{corpus.name}: {len(files):,} files\n")
        click.echo("| reader | files | reason |\n|---|---|---|")
        for reader, reasons in differences(files, chosen, jobs).items():
            for reason, alike in sorted(reasons.items(), key=lambda item: -len(item[1])):
                click.echo(f"| {reader} | {len(alike):,} | {reason} |")
                if names or reason == "unexplained":
                    for name in alike if reason != "equal" else ():
                        click.echo(f"    {name}")
            unexplained += len(reasons.get("unexplained", ()))
    raise SystemExit(bool(unexplained))


if __name__ == "__main__":
    main()
