"""Decode a recording to mono sound at the rate of the model, block by block."""

import io
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tunesmith.audio.errors import NoMusicHeard, RecordingLimitExceeded, UnreadableRecording

__all__ = ["SAMPLE_RATE", "Sound"]

SAMPLE_RATE = 22_050
"""Samples a second that the model reads."""
_CUT_OFF_S = 2.0
"""A recording that ends this much earlier than it declares was cut off."""
_HEADER_BYTES = 1_000_000
"""Bytes in which the header of an MP3 file is looked for, behind its pictures."""
_MOST_CHANNELS = 32
_MOST_RATE = 768_000
_OPTIONS = {
    # FFmpeg also takes lists of other files, and descriptions of streams for which it opens ports,
    # by what they hold: a file that begins like a recording may be one of those.
    "format_whitelist": "aac,aiff,flac,matroska,mov,mp3,ogg,wav,webm",
    "protocol_whitelist": "none",
}

Samples = NDArray[np.float32]


@dataclass
class Sound:
    """The sound of a recording, decoded while it is iterated.

    Iterating yields mono blocks, float32 [samples] at `SAMPLE_RATE`. One block is held at a time,
    so memory does not grow with the length.

    Parameters
    ----------
    data
        Bytes of the file.
    format
        Its format, for messages.
    max_duration_s
        Longest recording that is read.
    max_heard_s
        Seconds after which the iteration ends.

    Attributes
    ----------
    seconds
        Seconds decoded so far.
    declared_s
        Length that the file declares; None where it does not.
    lost_packets
        Parts of the file that could not be decoded so far.
    """

    data: bytes
    format: str
    max_duration_s: float
    max_heard_s: float = float("inf")
    seconds: float = field(default=0.0, init=False)
    declared_s: float | None = field(default=None, init=False)
    lost_packets: int = field(default=0, init=False)

    def __iter__(self) -> Iterator[Samples]:
        """Yield the blocks.

        Raises
        ------
        UnreadableRecording
            If no sound can be decoded.
        NoMusicHeard
            If there is none.
        RecordingLimitExceeded
            If the recording is too long.
        """
        import av
        import soxr

        try:
            container = av.open(
                io.BytesIO(self.data), mode="r", metadata_errors="ignore", options=_OPTIONS
            )
        except (av.FFmpegError, ValueError) as error:
            raise self._unreadable(error) from error
        with container:
            stream = next(iter(container.streams.audio), None)
            if stream is None:
                message = (
                    "No music heard: the film has no sound. Send one with sound, or a recording."
                )
                raise NoMusicHeard(message)
            self._check_length(container, stream)
            rate = stream.codec_context.sample_rate
            resampler = soxr.ResampleStream(rate, SAMPLE_RATE, 1, dtype="float32", quality="HQ")
            for mono in self._mono(av, container, stream, rate):
                block = resampler.resample_chunk(mono)
                if block.size:
                    yield block
            rest = resampler.resample_chunk(np.zeros(0, dtype=np.float32), last=True)
            if rest.size:
                yield rest
        if not self.seconds:
            fault = "it holds no sound that can be played"
            raise self._unreadable(fault)

    def _check_length(self, container: Any, stream: Any) -> None:
        rate, channels = stream.codec_context.sample_rate, stream.codec_context.channels
        if not 1 <= channels <= _MOST_CHANNELS or not 1000 <= rate <= _MOST_RATE:
            fault = f"{channels} channels at {rate} Hz"
            raise self._unreadable(fault)
        if container.duration and self._declares_length():
            self.declared_s = container.duration / 1_000_000
            self._check(self.declared_s)

    def _declares_length(self) -> bool:
        """Return whether the length is written in the file; of others FFmpeg guesses it."""
        if self.format == "mp3":
            start = self.data[:_HEADER_BYTES]
            return b"Xing" in start or b"Info" in start or b"VBRI" in start
        return self.format != "aac"

    def _mono(self, av: Any, container: Any, stream: Any, rate: int) -> Iterator[Samples]:
        """Yield the mean of the channels, at the rate of the file."""
        planar = av.AudioResampler(format="fltp", rate=rate)
        for frame in self._frames(av, container, stream):
            for part in planar.resample(frame):
                mono = np.nan_to_num(part.to_ndarray().mean(axis=0, dtype=np.float32))
                self.seconds += mono.size / rate
                self._check(self.seconds)
                yield np.clip(mono, -8.0, 8.0)
                if self.seconds >= self.max_heard_s:
                    return

    def _frames(self, av: Any, container: Any, stream: Any) -> Iterator[Any]:
        """Yield the decoded frames; what cannot be decoded is counted."""
        packets = container.demux(stream)
        while True:
            try:
                packet = next(packets, None)
            except av.FFmpegError:
                self.lost_packets += 1
                return
            if packet is None:
                return
            try:
                yield from packet.decode()
            except av.FFmpegError:
                self.lost_packets += 1

    def _check(self, seconds: float) -> None:
        if not seconds <= self.max_duration_s:
            name = "max_duration_s"
            raise RecordingLimitExceeded(name, seconds, self.max_duration_s)

    def _unreadable(self, error: object) -> UnreadableRecording:
        reason = getattr(error, "strerror", None) or error
        return UnreadableRecording(
            f"The recording ({self.format}) cannot be decoded ({reason}): it is damaged, cut off "
            "or protected against copies. Download or export it again, or send it in another "
            "format, such as MP3 or WAV."
        )

    def warnings(self) -> tuple[str, ...]:
        """Return sentences about what was missing, after the iteration."""
        sentences = []
        missing_s = (self.declared_s or 0.0) - self.seconds
        missing_bytes = _riff_bytes(self.data) - len(self.data)
        if missing_bytes > 1:
            sentences.append(f"cut off: {missing_bytes:,} bytes are missing")
        elif missing_s > _CUT_OFF_S and self.seconds < self.max_heard_s:
            sentences.append(
                f"cut off: {self.seconds:.0f} s of the declared {self.declared_s:.0f} s are there"
            )
        if self.lost_packets:
            parts = "part" if self.lost_packets == 1 else "parts"
            sentences.append(f"{self.lost_packets:,} damaged {parts} of the recording left out")
        return tuple(sentences)


def _riff_bytes(data: bytes) -> int:
    """Return the size that a WAV file declares; 0 for others, and for files that were streamed."""
    size = int.from_bytes(data[4:8], "little")
    return size + 8 if data.startswith(b"RIFF") and size < 0xFFFF_0000 else 0
