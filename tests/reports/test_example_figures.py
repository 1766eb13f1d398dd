from tests.reports.texts import texts
from tunesmith.artifacts.reports import ChosenPicture, Pictures
from tunesmith.reports import example_figures
from tunesmith.reports.style import svg


def test_pictures_show_their_true_class_and_the_prediction():
    row = ChosenPicture(
        kind="confident and wrong", id="i", label="7", answer="1", confidence=0.9,
        pixels=(0, 50, 100, 150, 200, 250),
    )  # fmt: skip
    figure = example_figures.pictures(Pictures(height=2, width=3, rows=(row,)))
    assert {"Confident and wrong", "7 as 1, 0.90"} <= set(texts(figure))
    assert "data:image/png;base64" in svg(figure, "f")
    assert example_figures.pictures(None) is None
