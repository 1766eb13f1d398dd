"""Genre of a song from its audio features, title and artist's name: the coursework's Spotify table.

Artists stay on one side of a split, so that a name tells what names of its kind tell.
"""

from dataclasses import replace

from tunesmith.artifacts.store import Store
from tunesmith.tasks.contract import TABLE_OPTIONS, Reference, Request, Task, TaskData
from tunesmith.tasks.support.number_formats import NGRAMS
from tunesmith.tasks.support.songs import Songs, song_table
from tunesmith.tasks.support.splitting import split
from tunesmith.tasks.support.tables import Table

__all__ = ["SONGS", "TASK"]

SONGS = Songs(
    files=("music_genre.csv",),
    source="Kaggle, vicsuperman/prediction-of-music-genre, file music_genre.csv",
    table=Table(
        target="music_genre",
        groups=("artist_name", "track_name"),
        leave_out=("instance_id", "obtained_date"),
        stands_for_missing={"duration_ms": -1},
        read_as={"artist_name": NGRAMS, "track_name": NGRAMS},
    ),
    sample_classes=("Blues", "Classical", "Electronic", "Rap", "Rock"),
    sample_features=(
        "popularity", "acousticness", "danceability", "duration_ms", "energy", "instrumentalness",
        "liveness", "loudness", "speechiness", "tempo", "valence",
    ),
)  # fmt: skip


def _read(store: Store, request: Request) -> TaskData:
    """Return the table, or the user's own, whole groups on one side."""
    del store
    data, _ = song_table(SONGS, request)
    return replace(data, parts=split(data.examples, request.seed))


TASK = Task(
    name="genre",
    title="Genre of a song from its audio features, title and artist",
    kind="table",
    families=("text_boosting", "boosting", "mlp", "ann"),
    metric="accuracy",
    unit="song",
    licence=(
        "see its page on Kaggle; the numbers come from Spotify, whose terms hold for them. Of a "
        "table of your own, what holds for it"
    ),
    read=_read,
    options=TABLE_OPTIONS,
    ensemble=True,
    reference=Reference(
        "coursework: one hidden layer of 64, random rows held out",
        0.4597,
        family="ann",
        params={
            "layers": 1,
            "units_0": 64,
            "dropout": 0.2,
            "optimizer": "adam",
            "learning_rate": 1e-3,
            "batch": 32,
            "scaling": "minmax",
        },
    ),
)
