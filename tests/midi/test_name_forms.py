"""One person under many forms of a name, and persons who share a surname."""

import pytest

from tunesmith.midi.composers import canonical_composer
from tunesmith.midi.name_forms import same_persons

PERSONS = [
    ["Tchaikovsky", "Čajkovskij", "Chaikovskii, Petr Il'ich", "Tschaikowsky, P.", "Чайковский"],
    ["Shostakovich", "Šostakovič", "Chostakovitch", "Schostakowitsch, Dmitri", "D. Shostakovitch"],
    ["Victoria", "Tomás Luis de Victoria", "Victoria, Tomás Luis de", "T. L. de Victoria"],
    ["Josquin", "Josquin des Prez", "Josquin Desprez", "Des Prez", "Desprez, Josquin"],
    ["Vaughan Williams", "R. Vaughan Williams", "Williams, Ralph Vaughan"],
    ["Nielsen", "Carl Nielsen", "Nielsen, Carl August (1865-1931)", "C. Nielsen"],
    ["Sousa", "J. P. Sousa", "John Philip Sousa"],
    ["Kodály", "Zoltan Kodaly", "Kodály, Z."],
    ["Lassus", "Orlando di Lasso", "Lassus, Orlande de"],
    ["Strauss", "Strauß, Johann Sohn", "Johann Strauss II", "J. Strauss", "Johann Strauss (fils)"],
    ["R. Strauss", "Strauss, Richard"],
    ["Josef Strauss", "Strauss, Josef"],
    ["Beethoven", "LvBeethoven", "L. v. Beethoven", "貝多芬"],
    ["Philip Glass", "Glass, Philip", "P. Glass"],
    ["Arvo Pärt", "Pärt, Arvo"],
    ["John Williams", "Williams, John"],
    ["Puccini", "G. Puccini", "Puccini, Giacomo"],
    ["Palestrina", "G. P. da Palestrina", "Giovanni Pierluigi da Palestrina"],
    ["Giovanni Gabrieli", "Gabrieli, G."],
    ["Andrea Gabrieli", "A. Gabrieli"],
    ["Charpentier", "M.-A. Charpentier", "Charpentier, Marc-Antoine"],
    ["Gustave Charpentier", "Charpentier, G."],
    ["Stamitz", "Johann Stamitz"],
    ["Carl Stamitz", "Stamitz, Karl"],
    ["Taverner", "John Taverner"],
    ["Tavener", "John Tavener"],
]


def test_every_form_of_a_name_is_one_person_and_no_two_persons_are_one() -> None:
    names = [{canonical_composer(form) for form in forms} for forms in PERSONS]
    assert [len(name) for name in names] == [1] * len(PERSONS), names
    assert len(set.union(*names)) == len(PERSONS)


@pytest.mark.parametrize(
    "label",
    ["Anonymus", "Anónimo", "Composer unknown", "unbekannt", "nan", "New folder (2)", "Unknown 3",
     "Neuer Ordner", "#recycle", "Volksweise"],
)  # fmt: skip
def test_what_names_nobody_is_no_composer(label: str) -> None:
    assert canonical_composer(label) is None


@pytest.mark.parametrize("word", ["Part 1", "Glass", "Bridge", "Beach", "Adam", "Martin", "Cage"])
def test_words_that_are_surnames_too_are_nobody_in_particular(word: str) -> None:
    assert canonical_composer(word) == word


def test_names_that_no_table_has_are_one_where_their_words_are() -> None:
    names = ["Rued Langgaard", "Langgaard, Rued (1893\u20131952)", "R. Langgaard", "Langgaard"]
    whole = "Rued Langgaard"
    assert same_persons(names) == {
        names[0]: whole, names[1]: whole, names[2]: whole, "Langgaard": "Langgaard",
    }  # fmt: skip


def test_initials_that_several_persons_have_stay_as_they_are() -> None:
    names = ["Smith, John", "James Smith", "J. Smith", "Zappa, Frank", "J. J. Smith"]
    assert same_persons(names) == {name: name for name in names}
    assert same_persons(["Smith, John", "J. Smith"]) == dict.fromkeys(
        ["Smith, John", "J. Smith"], "John Smith"
    )
    assert same_persons([]) == {}
