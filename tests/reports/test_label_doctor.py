"""The page of the label doctor, as text and in a browser."""

import csv
import html
import json
import re

import pytest

from tests.serving.accessibility import violations_of_document
from tests.serving.browser import in_chromium, open_tab
from tunesmith.artifacts.corrections import AppliedCorrections, CorrectionRow, Outcome
from tunesmith.artifacts.suspicions import Diagnosis, Match, Opinion, Suspicion
from tunesmith.datasets.reader import Dataset
from tunesmith.reports.label_doctor import render_diagnosis, write_diagnosis


@pytest.fixture(scope="module")
def version(dataset):
    """The dataset, as one that was made with a correction."""
    row = CorrectionRow(
        path="pieces/Bach/old.mid",
        label_before="Liszt",
        label_after="Bach",
        reason="told",
        outcome=Outcome.APPLIED,
        label_found="Liszt",
    )
    corrections = AppliedCorrections(table="t.csv", rows=[row])
    return Dataset(dataset.store, dataset.manifest.model_copy(update={"corrections": corrections}))


@pytest.fixture(scope="module")
def diagnosis(dataset):
    """Two suspicions: one with a match, one by the model alone, with a name that is markup."""
    pieces = dataset.pieces().set_index("path")["piece_id"]
    path, other = "pieces/Bach/faster <0>.mid", "pieces/Bach/0.mid"
    match = Match(
        path=other, label="Chopin", piece_id=pieces[other], kind="same music", shared=0.8,
        in_order=95.2, onsets=119, semitones=-5,
    )  # fmt: skip
    return Diagnosis(
        dataset=dataset.name,
        version=dataset.version,
        pieces=12,
        judged=8,
        labels_too_rare=["Rare"],
        family="boosting",
        folds=5,
        estimated_errors=2,
        mixed_clusters=1,
        suspicions=[
            Suspicion(
                number=1,
                piece_id=pieces[path],
                path=path,
                label="Bach",
                suggested="Chopin & Co",
                probability=0.999,
                opinions=[
                    Opinion(label="Chopin & Co", probability=0.9),
                    Opinion(label="Bach", probability=0.1),
                ],
                is_confident=True,
                matches=[match],
                copies=["pieces/Bach/copy, of.mid"],
            ),
            Suspicion(
                number=2,
                piece_id=pieces["pieces/Bach/2.mid"],
                path="pieces/Bach/2.mid",
                label="Bach",
                suggested="</script><b>",
                probability=0.6,
                opinions=[],
                is_confident=False,
                matches=[],
            ),
        ],
    )


@pytest.fixture(scope="module")
def page(version, diagnosis):
    return render_diagnosis(version, diagnosis)


def test_it_states_the_evidence(page):
    text = html.unescape(" ".join(re.sub("<[^>]+>", " ", page.split("<main>")[1]).split()))
    for words in (
        "12 8 judged by the model",
        "wrong with probability 99",
        "confident learning agrees",
        "Same music as 0.mid , labelled Chopin",
        "95 of 119 onsets (80%) in the same order, 80% of the fingerprint shared, 5 semitones low",
        "1 label with music for fewer than 5 folds was not judged by the model",
        "The model cannot judge this label",
        "The passage that both pieces share",
        "The beginning of the piece.",
    ):
        assert words in text
    assert page.count("<figure") == 2


def test_a_name_cannot_become_markup(page):
    assert page.count("</script>") == 2
    assert "<0>" not in page
    content = page.split('id="content">')[1].split("</script>")[0]
    assert json.loads(content)["corrections"]["2"][0][2] == "</script><b>"


def test_its_policy_allows_its_own_script_alone(page):
    policy = re.search(r'Content-Security-Policy" content="([^"]+)"', page)
    assert policy is not None
    assert "default-src 'none'" in policy[1]
    assert len(re.findall(r"script-src 'sha256-[\w+/=]{44}'", html.unescape(policy[1]))) == 1
    assert not re.search(r"\son\w+=", page)


def test_a_version_without_suspicions_says_so(version, diagnosis):
    empty = diagnosis.model_copy(update={"suspicions": [], "estimated_errors": None})
    page = render_diagnosis(version, empty)
    assert "No label of this version looks wrong." in page
    assert "<script" not in page


def test_it_is_written_beside_the_manifest(version, diagnosis):
    path = write_diagnosis(version, diagnosis)
    assert path.endswith(f"{version.version}/doctor.html")
    assert Diagnosis.read(version.store, "datasets", "small", version.version, "doctor.json") == (
        diagnosis
    )


@in_chromium
def test_choices_become_a_table_to_download(page, tmp_path):
    place = tmp_path / "doctor.html"
    place.write_text(page, encoding="utf-8")
    with open_tab() as tab:
        tab.page.goto(place.as_uri())
        assert tab.page.locator("#tally").text_content() == "0 accepted, 0 refused, 2 open"
        assert tab.page.locator("#download").is_disabled()
        tab.page.get_by_label("Accept: Chopin & Co").check()
        tab.page.get_by_label("Refuse: stays Bach").nth(1).check()
        # What was chosen is there again after the page was closed.
        tab.page.reload()
        assert tab.page.locator("#tally").text_content() == "1 accepted, 1 refused, 0 open"
        assert tab.page.locator("#command").text_content() == (
            "tunesmith datasets doctor small --accept 1"
        )
        with tab.page.expect_download() as download:
            tab.page.locator("#download").click()
        assert download.value.suggested_filename == "small-corrections.csv"
        with download.value.path().open(encoding="utf-8", newline="") as file:
            header, earlier, *rows = list(csv.reader(file))
        assert header == ["path", "label_before", "label_after", "reason"]
        assert earlier == ["pieces/Bach/old.mid", "Liszt", "Bach", "told"]
        assert [row[:3] for row in rows] == [
            ["pieces/Bach/faster <0>.mid", "Bach", "Chopin & Co"],
            ["pieces/Bach/copy, of.mid", "Bach", "Chopin & Co"],
        ]
        tab.page.locator("[data-clear='1']").click()
        assert tab.page.locator("#tally").text_content() == "0 accepted, 1 refused, 1 open"
        assert tab.errors == []
        assert all(url.startswith(("file:", "blob:")) for url in tab.requests)


@in_chromium
def test_axe_finds_no_violation(page, tmp_path):
    assert violations_of_document(page, tmp_path) == {}
