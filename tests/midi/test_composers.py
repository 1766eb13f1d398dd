# ruff: noqa: RUF001 - Cyrillic letters are meant
"""Composer names: one spelling each, unknown and empty apart, extended by a file."""

from pathlib import Path

import pytest

from tunesmith.errors import UsageError
from tunesmith.midi.composers import ComposerTable, canonical_composer


@pytest.mark.parametrize(
    ("raw", "name"),
    [
        ("Albe'niz", "Albeniz"),
        ("Albéniz", "Albeniz"),
        ("Albe\u0301niz", "Albeniz"),
        ("Albéniz".encode().decode("cp437"), "Albeniz"),
        ("Albéniz".encode().decode("latin-1"), "Albeniz"),
        ("Albe\u0301niz".encode().decode("cp437"), "Albeniz"),
        ("Mendelsonn", "Mendelssohn"),
        ("mendelsonn", "Mendelssohn"),
        ("Tchakoff", "Tchaikovsky"),
        ("Straus", "Strauss"),
        ("Strauss, J", "Strauss"),
        ("strauss_j", "Strauss"),
        ("haendel", "Handel"),
        ("Händel", "Handel"),
        ("Pachebel", "Pachelbel"),
        ("Lizt", "Liszt"),
        ("skriabin", "Scriabin"),
        ("Burgmüller", "Burgmuller"),
        ("burgmueller", "Burgmuller"),
        ("buxehude", "Buxtehude"),
        ("bacewitz", "Bacewicz"),
        ("saint", "Saint"),
        ("peterson", "Peterson"),
        ("Saint-Saëns", "Saint-Saens"),
        ("rimsky", "Rimsky-Korsakov"),
        ("vaughan", "Vaughan Williams"),
        ("cpe_bach", "C. P. E. Bach"),
        ("Bach", "Bach"),
        ("J. S. Bach", "Bach"),
        ("german", "German"),
        ("Ludwig van Beethoven", "Beethoven"),
    ],
)
def test_spellings(raw: str, name: str) -> None:
    assert canonical_composer(raw) == name


@pytest.mark.parametrize(
    ("raw", "name", "kind"),
    [
        ("bach", "Bach", "listed"),
        ("nowhere_man", "Nowhere Man", "unlisted"),
        ("McCoy Tyner", "McCoy Tyner", "unlisted"),
        ("unknown_artist", None, "unknown"),
        ("Unknown", None, "unknown"),
        ("", None, "empty"),
        (" _- ", None, "empty"),
    ],
)
def test_listed_unlisted_unknown_and_empty_are_four_things(
    raw: str, name: str | None, kind: str
) -> None:
    label = ComposerTable.load().resolve(raw)
    assert (label.raw, label.name, label.kind) == (raw, name, kind)


def test_a_canonical_name_is_its_own() -> None:
    table = ComposerTable.load()
    for name in set(table.names.values()):
        assert table.resolve(name).name == name


def test_a_file_adds_to_the_table_and_wins(tmp_path: Path) -> None:
    path = tmp_path / "mine.yaml"
    path.write_text("composers:\n  Bach Family: [cpe bach, PDQ Bach]\nunknown: [n n]\n")
    table = ComposerTable.load(path)
    assert table.resolve("pdq_bach").name == "Bach Family"
    assert table.resolve("cpe_bach").name == "Bach Family"
    assert table.resolve("N.N.").kind == "unknown"
    assert table.resolve("haendel").name == "Handel"


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("composers: [a, b]", "must be a mapping"),
        ("- a", "must be a mapping"),
        ("composers:\n  Bach: js bach", "must be a list"),
        ("composer:\n  Bach: [js]", "Did you mean composers"),
        ("a: [", "is not YAML"),
    ],
)
def test_a_table_of_another_form_is_refused(tmp_path: Path, text: str, says: str) -> None:
    path = tmp_path / "bad.yaml"
    path.write_text(text)
    with pytest.raises(UsageError, match=says):
        ComposerTable.load(path)


def test_a_missing_table_is_named(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"none\.yaml"):
        ComposerTable.load(tmp_path / "none.yaml")


def test_a_wanted_composer_that_is_missing_lists_the_nearest() -> None:
    table = ComposerTable.load()
    assert table.require(["haendel", "BACH"], ["Bach", "Handel", "Chopin"]) == ("Handel", "Bach")
    with pytest.raises(UsageError, match=r"no composer named 'Chopain'.*Did you mean Chopin"):
        table.require(["chopain"], ["Bach", "Chopin"])


FORMS = {
    "Bach": """
        Bach, J.S.
        Bach J.S
        J.S. Bach
        JS Bach
        JSBach
        Bach, Joh. Seb.
        Johann Sebastian Bach (1685-1750)
        Bach, Johann Sebastian, 1685-1750
        Jean-Sébastien Bach
        Giovanni Sebastiano Bach
        Бах
        バッハ
        巴赫
    """,
    "C. P. E. Bach": """
        C.P.E. Bach
        Bach, Carl Philipp Emanuel
        Bach, C. Ph. E.
        bach_cpe
        Carl Bach
    """,
    "J. C. Bach": """
        Bach, J. C.
        Johann Christian Bach
    """,
    "W. F. Bach": """
        Bach, W. F.
        Wilhelm Friedemann Bach
    """,
    "Strauss": """
        Strauss, J.
        Johann Strauss II
        Johann Strauß (Sohn)
        Strauss, Johann, Jr.
    """,
    "R. Strauss": """
        Richard Strauss
        Strauss, R.
        R. Strauss
        Richard Strauß
    """,
    "Clara Schumann": """
        Clara Schumann
        Schumann, C.
        Clara Wieck
        Wieck-Schumann, Clara
    """,
    "Schumann": """
        Robert Schumann
        Schumann, R. (1810-1856)
        R. Schumann
    """,
    "M. Haydn": """
        Michael Haydn
        Haydn, M.
        Haydn, Johann Michael
    """,
    "Haydn": """
        Haydn, F. J.
        Franz Joseph Haydn
        Josef Haydn
        Haydn, J.
    """,
    "A. Scarlatti": """
        Alessandro Scarlatti
        Scarlatti, A.
    """,
    "Scarlatti": """
        Scarlatti, Domenico
        D. Scarlatti
    """,
    "L. Mozart": """
        Leopold Mozart
        Mozart, L.
    """,
    "Mozart": """
        Mozart, W.A.
        WA Mozart
        Wolfgang Amadeus Mozart
        Mozart, Wolfgang
    """,
    "Tchaikovsky": """
        Tschaikowski
        Tchaïkovski
        Ciaikovsky
        Pyotr Ilyich Tchaikovsky
        P. I. Tchaikovsky
        Пётр Ильич Чайковский
    """,
    "Rachmaninoff": """
        Rachmaninow
        Rakhmaninoff
        Sergej Rachmaninov
        Rachmaninoff, S.
    """,
    "Balakirev": """
        Balakirew
        Balakireff
        Mily Balakirev
    """,
    "Falla": """
        De Falla
        Manuel de Falla
        Falla, Manuel de
    """,
    "Torroba": """
        Moreno-Torroba
        Torroba
        Federico Moreno Torroba
    """,
    "Beethoven": """
        L. van Beethoven
        Ludwig v. Beethoven
        Beethoven Midi Files
        L.v.Beethoven
    """,
    "Vaughan Williams": """
        VaughanWilliams
        R. Vaughan Williams
    """,
    "Chopin": """
        Chopin F.
        Fryderyk Franciszek Chopin
        ショパン
    """,
}
"""Forms of a name, one a line, by composer."""


@pytest.mark.parametrize("name", FORMS)
def test_a_person_is_found_in_any_form_and_relatives_are_apart(name: str) -> None:
    raws = [line.strip() for line in FORMS[name].strip().splitlines()]
    assert {raw: canonical_composer(raw) for raw in raws} == dict.fromkeys(raws, name)


@pytest.mark.parametrize(
    "raw",
    [
        "PDQ Bach",
        "Bach, P. D. Q.",
        "Saint James",
        "Bacharach",
        "Peterson",
        "Franz Schubert / Franz Liszt",
        "Bernd Mozart",
    ],
)
def test_other_persons_of_a_surname_stay_as_they_are_written(raw: str) -> None:
    assert ComposerTable.load().resolve(raw).kind == "unlisted"


@pytest.mark.parametrize("raw", ["none", "Trad.", "N/A", "$RECYCLE.BIN", ".ipynb_checkpoints"])
def test_labels_that_name_nobody(raw: str) -> None:
    assert canonical_composer(raw) is None


def test_a_file_may_add_persons_and_given_names(tmp_path: Path) -> None:
    path = tmp_path / "mine.yaml"
    path.write_text("composers:\n  PDQ: ['bach, peter quickly']\ngiven_names: [[peter, petrus]]\n")
    table = ComposerTable.load(path)
    assert table.resolve("Petrus Q. Bach").name == "PDQ"
    assert table.resolve("J. S. Bach").name == "Bach"


@pytest.mark.parametrize(
    ("label", "name"),
    [
        ("И. С. Бах", "Bach"),
        ("Бах, И. С.", "Bach"),
        ("Карл Филипп Эмануэль Бах", "C. P. E. Bach"),
        ("К. Ф. Э. Бах", "C. P. E. Bach"),
        ("И. К. Бах", "J. C. Bach"),
        ("В. Ф. Бах", "W. F. Bach"),
        ("Клара Шуман", "Clara Schumann"),
        ("К. Шуман", "Clara Schumann"),
        ("Р. Шуман", "Schumann"),
        ("Рихард Штраус", "R. Strauss"),
        ("И. Штраус", "Strauss"),
        ("Леопольд Моцарт", "L. Mozart"),
        ("В. А. Моцарт", "Mozart"),
        ("М. Гайдн", "M. Haydn"),
        ("А. Скарлатти", "A. Scarlatti"),
        ("Людвиг ван Бетховен", "Beethoven"),
        ("Чайковский П. И.", "Tchaikovsky"),
        ("Н. А. Римский-Корсаков", "Rimsky-Korsakov"),
        ("Г. Ф. Гендель", "Handel"),
        ("Б. Чайковский", "Б. Чайковский"),
        ("요한 제바스티안 바흐", "Bach"),
        ("Friedrich Smetana", "Smetana"),
        ("Rajm\u00e1ninov", "Rachmaninoff"),
        ("Skriabine", "Scriabin"),
        ("Couperin le Grand", "Couperin"),
    ],
)
def test_initials_and_given_names_of_other_scripts_tell_relatives_apart(label, name):
    assert canonical_composer(label) == name
