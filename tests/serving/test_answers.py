"""What is answered is what the OpenAPI document says, member by member."""

from collections.abc import Callable

import pytest
from pydantic import BaseModel, ConfigDict

from tests.serving.conftest import SONG_FEATURES, TASKS, local_client, write_bundle
from tunesmith.artifacts.store import Store
from tunesmith.serving.http import schemas
from tunesmith.serving.http.openapi import answer_model
from tunesmith.serving.service import Service
from tunesmith.serving.settings import NodeSettings

SONG = dict.fromkeys(SONG_FEATURES, 0.5)
MIDI = {"Content-Type": "audio/midi"}


def strict(model: type[BaseModel]) -> type[BaseModel]:
    """Return a model that refuses members that it does not name."""

    class Strict(model):  # type: ignore[valid-type,misc]
        model_config = ConfigDict(extra="forbid")

    return Strict


@pytest.mark.parametrize("detail", ["true", "false"])
def test_answers_have_the_documented_members(
    store: Store,
    make_service: Callable[..., Service],
    midi_factory: Callable[..., bytes],
    detail: str,
) -> None:
    for task in ("composer", "other", *TASKS):
        write_bundle(store, task=task)
    nodes = {"both": NodeSettings(ensemble={"composer": 1.0, "other": 1.0, "missing": 1.0})}
    with local_client(make_service(nodes=nodes)) as client:
        for name, kind, body in (
            ("composer", "midi", midi_factory(n_notes=200)),
            ("both", "midi", midi_factory(n_notes=200)),
            ("genre", "table", None),
        ):
            sent = {"content": body, "headers": MIDI} if body else {"json": SONG}
            answer = client.post(f"/v1/{name}", params={"detail": detail}, **sent).json()
            model = strict(answer_model(name, kind)).model_validate(answer)
            assert answer == model.model_dump(exclude_unset=True)
            assert next(iter(answer)) == name, "the class comes first"
        mixed = client.post("/v1/classify", json={"table": SONG, "text": "fine"}).json()
        schemas.ClassifyAnswer.model_validate(mixed)
        several = client.post("/v1/genre", json=[SONG, {"energy": 1}]).json()
        listed = schemas.ListAnswer.model_validate(several)
        assert isinstance(listed.answers[0], schemas.ItemAnswer)
        assert isinstance(listed.answers[1], schemas.ItemProblem)
        why = client.post("/v1/genre/why", json=SONG).json()
        assert schemas.WhyAnswer.model_validate(why).model.name == "genre"
