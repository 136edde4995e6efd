"""All rows of the matrix, in the order of the page."""

from tests.faults import damage, engine, kills, surroundings
from tests.faults.row import Row

ROWS: list[Row] = [row for part in (kills, damage, engine, surroundings) for row in part.rows.found]
__all__ = ["ROWS", "Row"]
