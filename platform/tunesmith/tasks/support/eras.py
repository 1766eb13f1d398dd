"""Composers by era: a small table of years of birth, for metrics by era."""

from collections.abc import Mapping, Sequence

__all__ = ["ERAS", "composers_by_era"]

ERAS = (
    ("before 1600", 0, 1599),
    ("Baroque", 1600, 1709),
    ("Classical", 1710, 1779),
    ("Romantic", 1780, 1859),
    ("late Romantic and modern", 1860, 9999),
)
"""Names of the eras, each with the first and last year of birth of its composers."""

# Year of birth, by the canonical name of `tunesmith.midi.composers`.
_BORN = {
    "Albeniz": 1860, "Alkan": 1813, "Arensky": 1861, "Bach": 1685, "Bacewicz": 1909,
    "Barber": 1910, "Bartok": 1881, "Beethoven": 1770, "Bellini": 1801, "Bernstein": 1918,
    "Bizet": 1838, "Borodin": 1833, "Brahms": 1833, "Burgmuller": 1806, "Busoni": 1866,
    "Buxtehude": 1637, "Byrd": 1540, "C. P. E. Bach": 1714, "Chabrier": 1841, "Chaminade": 1857,
    "Chopin": 1810, "Clementi": 1752, "Coleridge-Taylor": 1875, "Copland": 1900, "Corelli": 1653,
    "Couperin": 1668, "Cramer": 1771, "Czerny": 1791, "Debussy": 1862, "Diabelli": 1781,
    "Dussek": 1760, "Dvorak": 1841, "Faure": 1845, "Field": 1782, "Franck": 1822,
    "Frescobaldi": 1583, "Gershwin": 1898, "Ginastera": 1916, "Gottschalk": 1829,
    "Grainger": 1882, "Granados": 1867, "Grieg": 1843, "Handel": 1685, "Haydn": 1732,
    "Heller": 1813, "Holst": 1874, "Hummel": 1778, "J. C. Bach": 1735, "Jensen": 1837,
    "Joplin": 1868, "Kuhlau": 1786, "Liszt": 1811, "Mahler": 1860, "Massenet": 1842,
    "Mendelssohn": 1809, "Meyerbeer": 1791, "Monteverdi": 1567, "Moszkowski": 1854,
    "Mozart": 1756, "Mussorgsky": 1839, "Pachelbel": 1653, "Paganini": 1782, "Palestrina": 1525,
    "Poulenc": 1899, "Prokofiev": 1891, "Purcell": 1659, "Rachmaninoff": 1873, "Rameau": 1683,
    "Ravel": 1875, "Reger": 1873, "Reinecke": 1824, "Rimsky-Korsakov": 1844, "Rossini": 1792,
    "Saint-Saens": 1835, "Satie": 1866, "Scarlatti": 1685, "Schoenberg": 1874,
    "Schubert": 1797, "Schumann": 1810, "Scriabin": 1872, "Shostakovich": 1906, "Sibelius": 1865,
    "Strauss": 1825, "Stravinsky": 1882, "Sullivan": 1842, "Tarrega": 1852, "Tchaikovsky": 1840,
    "Telemann": 1681, "Vaughan Williams": 1872, "Verdi": 1813, "Vivaldi": 1678, "Wagner": 1813,
    "Weber": 1786, "Wolf": 1860,
}  # fmt: skip


def composers_by_era(names: Sequence[str]) -> Mapping[str, Mapping[str, Sequence[str]]]:
    """Return the composers of each era as groups of classes, see `Task.class_groups`.

    Parameters
    ----------
    names
        Canonical names, as `tunesmith.midi.composers` gives them. Names that the table does not
        hold are in no era.
    """
    born = {name: _BORN[name] for name in names if name in _BORN}
    return {
        "era": {
            era: [name for name, year in born.items() if first <= year <= last]
            for era, first, last in ERAS
        }
    }
