"""How a document number is written: seller's prefix, letter of the kind, year, place in the series."""

KIND_LETTERS = {"receipt": "R"}


def document_number(*, prefix: str, kind: str, year: int, sequence: int) -> str:
    """VL-R-2026-000123. Numbers of one kind and year sort as text up to 999 999."""
    return f"{prefix}-{KIND_LETTERS[kind]}-{year}-{sequence:06d}"
