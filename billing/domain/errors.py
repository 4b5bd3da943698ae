"""Mistakes of the program, not of a person: what the pure billing code refuses to compute.

VoltledgerError
└── Unbalanced     debits and credits differ, or an amount is not a positive amount of the currency
"""

from common.errors import VoltledgerError


class Unbalanced(VoltledgerError):
    code = "unbalanced"
    sentence = "Debits and credits differ. Nothing was posted."
