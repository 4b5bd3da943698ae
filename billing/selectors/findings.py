"""What a check of the books reports."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Finding:
    """One row that breaks a check: `row` names it (table, key), `detail` says by how much."""

    check: str
    row: str
    detail: str
    is_warning: bool = False
