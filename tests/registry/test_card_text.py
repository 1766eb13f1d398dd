"""A model's card as Markdown."""

import re

from tests import artefacts
from tunesmith.registry import champion, promote
from tunesmith.registry.card_text import card_text

MARKUP = "<img src=x\nonerror=x>|\n\n# Not a title"


def test_names_in_a_card_are_no_markup(store, add_run):
    add_run("r1", artefacts.chunk_model(artefacts.register_weights()))
    promote(store, "composer", "r1", force="a test")
    card = champion(store, "composer").card
    titles = re.findall(r"^#.*", card_text(card), re.MULTILINE)
    named = card.model_copy(
        update={
            "labels": (MARKUP, *card.labels[1:]),
            "per_class": tuple(
                row.model_copy(update={"label": MARKUP}) for row in card.per_class
            ),
            "limits": (MARKUP,),
            "intended_use": MARKUP,
        }
    )  # fmt: skip
    text = card_text(named)
    assert text.count("<img") == text.count(r"\<img") == 3 + len(card.per_class)
    assert re.findall(r"^#.*", text, re.MULTILINE) == titles
    rows = [line for line in text.splitlines() if line.startswith(r"| \<img")]
    assert len(rows) == len(card.per_class)
    assert all(len(re.findall(r"(?<!\\)\|", row)) == 6 for row in rows)
