"""Files that begin like recordings and are something else: FFmpeg never reads them as that."""

import threading

import pytest

from tunesmith.audio.decoding import Sound
from tunesmith.audio.errors import UnreadableRecording
from tunesmith.audio.formats import recording_format

# For a description of a stream FFmpeg opens ports on every interface and waits for sound.
STREAM = (
    b"v=0\no=- 0 0 IN IP4 127.0.0.1\ns=x\nc=IN IP4 127.0.0.1\nt=0 0\n"
    b"m=audio 49170 RTP/AVP 0\na=rtpmap:0 PCMU/8000\n"
)
# These make it open other files and servers.
LISTS = {
    "concat": b"ffconcat version 1.0\nfile other.wav\n",
    "hls": b"#EXTM3U\n#EXT-X-TARGETDURATION:9\n#EXTINF:9,\nhttp://127.0.0.1:9/a.ts\n#EXT-X-ENDLIST\n",
    "dash": b'<?xml version="1.0"?><MPD xmlns="urn:mpeg:dash:schema:mpd:2011"></MPD>',
}
EMPTY_TAG = b"ID3\x03\x00\x00\x00\x00\x00\x0a" + bytes(10)


@pytest.mark.parametrize("content", [STREAM, *LISTS.values()], ids=["stream", *LISTS])
@pytest.mark.parametrize("beginning", [b"", b"ID3\n", EMPTY_TAG, b"OggS\n"])
def test_only_recordings_are_opened(content: bytes, beginning: bytes) -> None:
    data = beginning + content
    errors = []

    def read() -> None:
        try:
            list(Sound(data, recording_format(data) or "mp3", max_duration_s=600))
        except UnreadableRecording as error:
            errors.append(str(error))

    reading = threading.Thread(target=read, daemon=True)
    reading.start()
    reading.join(20)
    assert not reading.is_alive(), "it waits for the network"
    assert errors
    assert "cannot be decoded" in errors[0]
