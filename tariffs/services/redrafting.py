"""A draft that is edited: a new version takes its place."""

from datetime import datetime

from django.db import transaction
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from common.errors import Refused
from common.locking import lock_row
from tariffs.models import Tariff, TariffVersion
from tariffs.services.versions import draft_version, withdraw_version


class DraftIsGone(Refused):
    """The draft was published, withdrawn or replaced meanwhile."""

    code = "draft_is_gone"
    sentence = gettext_lazy(
        "Somebody has published, withdrawn or replaced this draft meanwhile. Save yours as a draft of its own."
    )


@transaction.atomic
def redraft_version(
    *,
    version_id: int,
    ocpi_text: str,
    valid_from: datetime | None = None,
    source: str = "",
    actor_id: int | None = None,
) -> TariffVersion:
    """Replace a draft by a new one with this text, and `source` beside it as it is. The old one is withdrawn, its
    number stays taken.

    Locks: the tariff's row, then the draft's. Raises DraftIsGone where it is no draft any more, BadInput with every
    defect of the text; then nothing has changed.
    """
    tariff_id = TariffVersion.objects.values_list("tariff_id", flat=True).get(pk=version_id)
    lock_row(Tariff.objects.filter(pk=tariff_id))
    draft = lock_row(TariffVersion.objects.filter(pk=version_id))
    if draft.status != TariffVersion.Status.DRAFT:
        raise DraftIsGone
    version = draft_version(tariff_id=tariff_id, ocpi_text=ocpi_text, valid_from=valid_from, source=source)
    reason = _("Replaced by version %(number)d") % {"number": version.number}
    withdraw_version(version_id=draft.pk, actor_id=actor_id, reason=reason)
    return version
