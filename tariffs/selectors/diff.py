"""What a version of a tariff changes, translated."""

from dataclasses import replace

from django.utils.translation import gettext

from tariffs.domain.diff import Change, diff
from tariffs.domain.ocpi import parse_tariff_text
from tariffs.domain.spec import TariffSpec
from tariffs.models import TariffVersion

# Values that are words of ours, not numbers or names.
_WORDS = ("what", "label", "part", "before", "after")


def changes_between(old: TariffVersion, new: TariffVersion) -> list[Change]:
    """Every difference from `old` to `new` that may change a price."""
    return changes_of(parse_tariff_text(old.document), parse_tariff_text(new.document))


def changes_of(old: TariffSpec, new: TariffSpec) -> list[Change]:
    """The same for prices that are not saved yet."""
    return [
        replace(
            change,
            sentence=gettext(change.sentence),
            values={key: gettext(value) if key in _WORDS and value else value for key, value in change.values.items()},
        )
        for change in diff(old, new)
    ]
