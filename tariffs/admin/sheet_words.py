"""What is wrong with a cell of the tariff editor, as a sentence that says what to do."""

import re

from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _

from tariffs.domain import rows_reading

# By what the domain says of a value; the first that matches. Groups of the pattern are filled in.
_SENTENCES: tuple[tuple[str, str | Promise], ...] = (
    (re.escape(rows_reading.NOT_A_NUMBER), _("Enter a number such as 0.49.")),
    (re.escape(rows_reading.NOT_A_DURATION), _("Enter a duration such as 90 min, 4 h or 1 h 30 min.")),
    (re.escape(rows_reading.NOT_A_DAY), _("Enter a date such as 2026-12-24.")),
    (re.escape(rows_reading.PRICE_MISSING), _("Enter the price, or empty the cells beside it.")),
    (re.escape(rows_reading.NO_RULE), _("The tariff has no price yet. Enter one in a rule.")),
    (r"must be a time of day.*", _("Enter a time of day such as 13:30.")),
    (r"must be a moment.*", _("Enter date and time such as 2026-12-24 18:00.")),
    (r"must be a date.*", _("Enter a date such as 2026-12-24.")),
    (r"must be a whole number", _("Enter a whole number.")),
    (r"must be at least (\S+)", _("Enter %s or more.")),
    (r"must be at most (\S+)", _("Enter %s or less.")),
    (r"must be between (\S+) and (\S+)", _("Enter a whole number from %s to %s.")),
    (r"must be below 10\^12.*", _("This number is too large or has too many decimals.")),
    (r"must be one of .*", _("Choose one from the list.")),
    (r"is a percentage.*", _("Enter a percentage: 19 means 19 %.")),
    (r"must not be empty", _("This rule has conditions but no price. Enter a price, or remove the rule.")),
    (r"is exclusive, so it must be after start_date", _("The last day is before the first day.")),
    (r"is exclusive, so it must be above .*", _("This must be more than the value it begins with.")),
    (
        r"a reservation is priced by FLAT and TIME only",
        _("A reservation has prices per session and for time only. Empty the others."),
    ),
    (r"must not be below min_price", _("The highest price is below the lowest price.")),
    (r"cannot be lower after taxes than before", _("With VAT it cannot be less than without.")),
    (r"must be after start_date_time", _("The end is not after the beginning.")),
    (r"must give flat, percent or both", _("Enter an amount, a percentage or both.")),
    (
        r"must give after_minutes.*",
        _("Enter after how many minutes or kWh. A fee for every session is a rule's price."),
    ),
    (r"must give kwh, minutes or both", _("Enter kWh, minutes or both.")),
    (r"must give grace_minutes.*", _("Enter free minutes, free hours or the most that parking costs.")),
    (r"is required in every tier but the last", _("Only the last step may go on without end. Enter its kWh.")),
    (r"must be above the tier before it", _("This must be more than the step before it.")),
    (r"must not be below floor", _("The highest price is below the lowest price.")),
    (r"must differ from free_from", _("The end must differ from the beginning.")),
    (r"is required with .*", _("Enter both times.")),
    (r"is required", _("Enter a value.")),
    (r"may have at most (\d+) characters", _("Enter at most %s characters.")),
)
_COMPILED = tuple((re.compile(pattern), sentence) for pattern, sentence in _SENTENCES)


def defect_words(sentence: str) -> str:
    """The sentence for people; what nobody foresaw is told as it is."""
    for pattern, words in _COMPILED:
        if found := pattern.fullmatch(sentence):
            return str(words) % found.groups() if found.groups() else str(words)
    return sentence
