"""Errors of documents.

VoltledgerError
├── Refused
│   ├── NothingToReceipt   the session cost nothing
│   └── AlreadyRendered    the PDF exists; it is never made again
├── LinesDoNotAddUp        a Cdr's lines and totals disagree by more than rounding
└── DocumentDamaged        the stored file is not the one that was made
"""

from common.errors import Refused, VoltledgerError


class NothingToReceipt(Refused):
    code = "nothing_to_receipt"
    sentence = "This session cost nothing, so there is no receipt for it."


class AlreadyRendered(Refused):
    code = "already_rendered"
    sentence = "The PDF of this document exists already. It is made once; open the stored file."


class LinesDoNotAddUp(VoltledgerError):
    code = "lines_do_not_add_up"
    sentence = "The price lines of this session do not add up to its total. Nothing was issued; an operator must look."


class DocumentDamaged(VoltledgerError):
    code = "document_damaged"
    sentence = "The stored file of this document is missing or damaged. Restore it from the backup."
