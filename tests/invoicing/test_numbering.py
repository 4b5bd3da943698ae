from invoicing.domain.numbering import document_number


def test_number_of_a_document():
    assert document_number(prefix="VL", kind="receipt", year=2026, sequence=123) == "VL-R-2026-000123"
