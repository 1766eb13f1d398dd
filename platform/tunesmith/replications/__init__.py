"""The published studies, each run again by its own protocol, and what their figures are made of.

A study is a list of measurements: trainings that are judged the way the study judged, and beside
them the same trainings judged without its leak. Each is recorded as soon as it is done.
"""

from tunesmith.replications.contract import Effort, Measurement, Replication, Row, Setting
from tunesmith.replications.ledger import Ledger
from tunesmith.replications.registry import get_replication, replication_names
from tunesmith.replications.table import honest_figure, markdown, table

__all__ = [
    "Effort",
    "Ledger",
    "Measurement",
    "Replication",
    "Row",
    "Setting",
    "get_replication",
    "honest_figure",
    "markdown",
    "replication_names",
    "table",
]
