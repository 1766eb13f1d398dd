import re
from html.parser import HTMLParser

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.serving.accessibility import violations_of_document
from tests.serving.browser import in_chromium
from tunesmith.reports import dataset_figures
from tunesmith.reports.data_card import render_card, write_card


@pytest.fixture(scope="module")
def page(dataset):
    # Lines of a template break anywhere in a sentence.
    return " ".join(render_card(dataset).split())


class _Checker(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.ids: list[str] = []
        self.references: list[str] = []
        self.tags: set[str] = set()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        for name, value in attrs:
            if name == "id":
                self.ids.append(value or "")
            if name in {"href", "src", "xlink:href"}:
                self.references.append(value or "")


def test_it_needs_nothing_but_itself(page):
    checker = _Checker()
    checker.feed(page)
    assert "script" not in checker.tags
    assert "link" not in checker.tags
    outside = [r for r in checker.references if not r.startswith(("#", "data:"))]
    assert outside == []
    assert not re.search(r"url\((?!#)", page)
    assert len(checker.ids) == len(set(checker.ids))
    assert {r[1:] for r in checker.references if r.startswith("#")} <= set(checker.ids)


@pytest.mark.parametrize(
    "words",
    [
        "14 found = 12 kept + 1 duplicate + 1 rejected",
        "Leave out outliers (beyond 1.5 times the interquartile range)",
        "Length of the pieces by label",
        "Notes per piece",
        "Tempo changes per piece",
        "Mean polyphony per piece by label",
        "First time signature",
        "Mean velocity per piece by label",
        "Share of the chunks, %",
        "Binary",
        "Instrumentation",
        "Timing",
        "16 frames per second",
        "NotMidi",
        "Chopin &amp; Co",
        "faster &lt;0&gt;.mid",
    ],
)
def test_it_shows_every_part_of_the_data(page, words):
    assert words in page


def test_both_schemes_are_there(page):
    assert "prefers-color-scheme: dark" in page
    assert "var(--ink)" in page


def test_it_stands_beside_the_manifest(dataset):
    assert write_card(dataset) == dataset.path("card.html")
    assert dataset.store.exists("datasets", "small", dataset.version, "card.html")


@given(st.lists(st.floats(-1e6, 1e6), max_size=50))
def test_clipping_leaves_the_quartiles_in(values):
    array = np.array(values)
    clipped = dataset_figures.clip_outliers(array)
    assert set(clipped) <= set(array)
    if len(array):
        low, high = np.percentile(array, [25, 75])
        assert ((array >= low) & (array <= high)).sum() <= len(clipped)


def test_clipping_removes_what_is_far_off():
    assert dataset_figures.clip_outliers(np.array([1.0, 2, 3, 4, 100])).tolist() == [1, 2, 3, 4]


def test_figures_of_nothing_can_be_drawn():
    empty = np.empty(0)
    assert dataset_figures.histogram(empty, "x").axes
    assert dataset_figures.boxes({"a": empty}, "x").axes
    assert dataset_figures.doublings(np.array([0]), "x").axes


@in_chromium
def test_axe_finds_no_violation(dataset, tmp_path):
    assert violations_of_document(render_card(dataset), tmp_path) == {}
