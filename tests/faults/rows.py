"""All rows of the matrix, in the order of the page."""

from tests.faults import kills
from tests.faults.row import Row

ROWS: list[Row] = [*kills.rows.found]
__all__ = ["ROWS", "Row"]
