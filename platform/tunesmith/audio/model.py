"""The transcription model: sound to probabilities of notes and of their onsets.

The model is Basic Pitch (Bittner et al., ICASSP 2022). It reads windows of about two seconds;
windows overlap by 30 frames, of which 15 are cut at each side, because a note at the edge of a
window is heard badly.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tunesmith.audio.decoding import SAMPLE_RATE, Samples

__all__ = [
    "FRAMES_PER_SECOND",
    "LOWEST_PITCH",
    "N_KEYS",
    "PITCHES_PER_KEY",
    "Posteriors",
    "frame_times",
    "posteriors",
]

MODEL = Path(__file__).parent / "basic_pitch.onnx"

WINDOW_SAMPLES = 43_844
FRAME_SAMPLES = 256
WINDOW_FRAMES = 172
EDGE_FRAMES = 15
KEPT_FRAMES = WINDOW_FRAMES - 2 * EDGE_FRAMES
HOP_SAMPLES = WINDOW_SAMPLES - 2 * EDGE_FRAMES * FRAME_SAMPLES
FRAMES_PER_SECOND = 86
"""Frames of a second, rounded down as the authors do; `frame_times` has the exact times."""
N_KEYS = 88
PITCHES_PER_KEY = 3
LOWEST_PITCH = 21
_INPUT = "serving_default_input_2:0"
_OUTPUTS = [f"StatefulPartitionedCall:{number}" for number in (1, 2, 0)]


@dataclass(frozen=True)
class Posteriors:
    """Probabilities of some frames: of each key that it sounds, that a note begins, and of pitches.

    Attributes
    ----------
    notes, onsets
        float32 [frames, 88], from the lowest key of a piano.
    contours
        float16 [frames, 264], three pitches a key.
    """

    notes: NDArray[np.float32]
    onsets: NDArray[np.float32]
    contours: NDArray[np.float16]

    @classmethod
    def join(cls, parts: Sequence["Posteriors"]) -> "Posteriors":
        """Return the frames of all parts."""
        return cls(
            np.concatenate([part.notes for part in parts]),
            np.concatenate([part.onsets for part in parts]),
            np.concatenate([part.contours for part in parts]),
        )

    def after(self, frames: int) -> "Posteriors":
        """Return a copy without the first frames."""
        return Posteriors(
            self.notes[frames:].copy(), self.onsets[frames:].copy(), self.contours[frames:].copy()
        )


def posteriors(blocks: Iterable[Samples]) -> Iterator[Posteriors]:
    """Yield the probabilities of each window's `KEPT_FRAMES` frames.

    Parameters
    ----------
    blocks
        Mono sound at `SAMPLE_RATE`, in blocks of any length.
    """
    session = _session()
    for window in _windows(blocks):
        outputs = session.run(_OUTPUTS, {_INPUT: window[None, :, None]})
        notes, onsets, contours = (output[0, EDGE_FRAMES:-EDGE_FRAMES] for output in outputs)
        yield Posteriors(notes, onsets, contours.astype(np.float16))


def frame_times(frames: NDArray[np.int64]) -> NDArray[np.float64]:
    """Return the times of frames in seconds.

    A window keeps 142 frames and the next one begins 141.3 frames later, so that times follow from
    the window and the frame within it.
    """
    window, within = np.divmod(frames, KEPT_FRAMES)
    times: NDArray[np.float64] = (window * HOP_SAMPLES + within * FRAME_SAMPLES) / SAMPLE_RATE
    return times


def _windows(blocks: Iterable[Samples]) -> Iterator[Samples]:
    """Yield overlapping windows, the first one after some silence and the last one before some."""
    held = np.zeros(EDGE_FRAMES * FRAME_SAMPLES, dtype=np.float32)
    waiting: list[Samples] = [held]
    size = held.size
    for block in blocks:
        waiting.append(block)
        size += block.size
        if size < WINDOW_SAMPLES:
            continue
        held = np.concatenate(waiting)
        while held.size >= WINDOW_SAMPLES:
            yield held[:WINDOW_SAMPLES]
            held = held[HOP_SAMPLES:]
        waiting, size = [held], held.size
    held = np.concatenate(waiting)
    while held.size:
        yield np.pad(held[:WINDOW_SAMPLES], (0, max(0, WINDOW_SAMPLES - held.size)))
        held = held[HOP_SAMPLES:]


@lru_cache(maxsize=1)
def _session() -> Any:
    """Return the loaded model; one thread, because callers run beside each other."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    options.log_severity_level = 3
    return onnxruntime.InferenceSession(MODEL, options, providers=["CPUExecutionProvider"])
