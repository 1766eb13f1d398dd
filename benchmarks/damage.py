"""Count the damage of files by kind, and list the pieces that pretty_midi's rule reads otherwise.

python benchmarks/damage.py midi-big4.zip midi-classical.zip

The rule of pretty_midi (tempos of the first track only, no note without a note-off, "all notes
off" ignored) is applied to the events that we read; benchmarks/readers.py shows that it gives the
notes of pretty_midi itself.
"""

from collections import Counter
from dataclasses import dataclass, fields
from pathlib import Path

import click
from _midi_files import members
from readers import GRID_HZ, PRETTY_MIDI, Times, by_us, our_messages

from tunesmith.errors import MidiError
from tunesmith.midi import Limits, read_score
from tunesmith.midi.container import open_container
from tunesmith.midi.damage import Damage
from tunesmith.midi.events import decode_events

COUNTED = tuple(f.name for f in fields(Damage) if not f.name.startswith("tracks"))
LEAST_CHANGE_S = 0.05


@dataclass(frozen=True)
class Change:
    """Notes and length of a piece by the rule of pretty_midi, and as they are read here."""

    name: str
    notes_before: int
    notes: int
    length_before_s: float
    length_s: float


def change_of(name: str, data: bytes) -> Change | None:
    """Return the change of a piece; None where both rules give the same notes."""
    layout = open_container(data, Limits())
    events = decode_events(layout.data, layout.first, layout.declared_tracks)
    times = Times(events, layout.ticks_per_quarter, layout.ticks_per_second, in_ticks=False)
    before = times.notes(our_messages(events), PRETTY_MIDI)
    score = read_score(data)
    if before == by_us(score, in_ticks=False):
        return None
    length_before_s = max((row[1] for row in before), default=0) / GRID_HZ
    return Change(name, before.total(), len(score.notes), length_before_s, score.end_time_s)


@click.command()
@click.argument("corpora", nargs=-1, required=True, type=click.Path(exists=True, path_type=Path))
def main(corpora: tuple[Path, ...]) -> None:
    """Print counts of damage, and the pieces whose notes or length change."""
    for corpus in corpora:
        files, events, changes = Counter[str](), Counter[str](), list[Change]()
        archive = members(corpus)
        for name, data in archive:
            try:
                damage = read_score(data).damage
            except MidiError as error:
                files[f"refused: {type(error).__name__}"] += 1
                continue
            counts = {each: getattr(damage, each) for each in COUNTED}
            counts["missing or additional tracks"] = abs(
                damage.tracks_declared - damage.tracks_found
            )
            files.update(each for each, number in counts.items() if number)
            events.update(counts)
            if (change := change_of(name, data)) is not None:
                changes.append(change)
        click.echo(f"\n{corpus.name}: {len(archive):,} files\n\n| damage | files | number |")
        click.echo("|---|---|---|")
        for each, number in files.most_common():
            click.echo(f"| {each.replace('_', ' ')} | {number:,} | {events[each]:,} |")
        longer = [c for c in changes if abs(c.length_s - c.length_before_s) > LEAST_CHANGE_S]
        more = [c for c in changes if c.notes != c.notes_before]
        click.echo(
            f"\n{len(changes):,} pieces change against pretty_midi's rule: {len(more):,} in their "
            f"number of notes, {len(longer):,} in their length\n\n| piece | notes | seconds |"
        )
        click.echo("|---|---|---|")
        for c in changes:
            click.echo(
                f"| {c.name} | {c.notes_before:,} → {c.notes:,} | {c.length_before_s:.1f} → "
                f"{c.length_s:.1f} |"
            )


if __name__ == "__main__":
    main()
