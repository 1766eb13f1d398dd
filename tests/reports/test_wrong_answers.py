import pytest

from tunesmith.artifacts.chosen import Clip, Mistake
from tunesmith.reports.wrong_answers import WrongAnswers


def mistake(name: str, **fields: object) -> Mistake:
    facts = {"label": "a", "answer": "b", "confidence": 0.9, "of_label": 0.1}
    return Mistake.model_validate({"id": name, **facts, **fields})


def test_a_clip_belongs_to_its_item_where_others_have_none() -> None:
    clip = Clip(start_s=15.0, notes=((0.0, 0.5, 60, 80),))
    wrong = WrongAnswers([mistake("first"), mistake("second", clip=clip)])
    assert wrong.clips == {"second": clip.notes}


def test_a_ribbon_spans_the_piece_and_tells_the_classes_apart() -> None:
    one = mistake("x", starts_s=(0.0, 15.0, 45.0), segments=("a", "b", "c"))
    starts, widths, kinds = zip(*WrongAnswers([one]).ribbon(one), strict=True)
    assert kinds == ("label", "answer", "other")
    assert starts == pytest.approx((0.0, 0.2, 0.6))
    assert sum(widths) == pytest.approx(1.0)
    assert WrongAnswers([one]).has_ribbons
    assert not WrongAnswers([mistake("y")]).has_ribbons
