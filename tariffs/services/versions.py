"""Versions of a tariff: drafted, published, withdrawn."""

from datetime import datetime

from django.db import transaction
from django.db.models import Max
from django.utils.translation import gettext as _

from accounts.services import audit
from common import clock
from common.errors import BadInput
from common.locking import lock_row
from common.states import check_step
from tariffs.domain.extensions import TierPeriod
from tariffs.domain.ocpi import canonical_json, digest, parse_tariff_text
from tariffs.models import Tariff, TariffVersion


@transaction.atomic
def draft_version(*, tariff_id: int, ocpi_text: str, valid_from: datetime | None = None) -> TariffVersion:
    """Add a draft from OCPI 2.2.1 or 2.3.0 JSON; what is kept is its canonical form.

    Locks: the tariff's row, which numbers its versions. Raises BadInput with every defect; then nothing is saved.
    """
    tariff = lock_row(Tariff.objects.filter(pk=tariff_id))
    spec = parse_tariff_text(ocpi_text)
    if spec.currency != tariff.currency:
        raise BadInput(
            _("The prices are in %(given)s but the tariff is in %(wanted)s. Nothing was saved.")
            % {"given": spec.currency, "wanted": tariff.currency},
            ["tariff.currency: differs from the tariff's"],
        )
    latest = TariffVersion.objects.filter(tariff=tariff).aggregate(latest=Max("number"))["latest"] or 0
    return TariffVersion.objects.create(
        tariff=tariff,
        number=latest + 1,
        document=canonical_json(spec),
        digest=digest(spec),
        valid_from=valid_from or clock.now(),
    )


@transaction.atomic
def publish_version(*, version_id: int, actor_id: int | None = None, reason: str = "") -> TariffVersion:
    """Put a draft in force from its `valid_from` on.

    A repeat is a no-op. Sessions that have begun keep the version they began with, whatever `valid_from` says.
    Locks: the version's row. Raises BadInput for prices that sessions cannot be billed with (`_refuse_unbillable`).
    """
    version = lock_row(TariffVersion.objects.filter(pk=version_id))
    if not check_step(TariffVersion.TRANSITIONS, version.status, TariffVersion.Status.PUBLISHED):
        return version
    _refuse_unbillable(version)
    version.status = TariffVersion.Status.PUBLISHED
    version.published_at = clock.now()
    version.published_by_id = actor_id
    version.save(update_fields=["status", "published_at", "published_by"])
    audit.record(
        actor_id=actor_id,
        action="tariff_published",
        subject=version.tariff,
        reason=reason,
        data={"version": version.number, "digest": version.digest},
    )
    return version


def _refuse_unbillable(version: TariffVersion) -> None:
    """Sessions are billed without spot prices and without the month's energy: no price in force may depend on them."""
    extensions = parse_tariff_text(version.document).extensions
    if extensions is None:
        return
    details = []
    if extensions.spot is not None:
        details.append("tariff.voltledger.spot: sessions are not billed with spot prices yet")
    if extensions.energy_tiers is not None and extensions.energy_tiers.per is TierPeriod.MONTH:
        details.append("tariff.voltledger.energy_tiers.per: sessions are not billed with monthly tiers yet")
    if details:
        raise BadInput(
            _(
                "Charging sessions cannot be billed by spot prices or by monthly energy tiers yet. Take them out of "
                "the tariff to publish it; it stays a draft."
            ),
            details,
        )


@transaction.atomic
def withdraw_version(*, version_id: int, actor_id: int | None = None, reason: str = "") -> TariffVersion:
    """Take a version out of force: new sessions use the one before it. Sessions priced by it keep it.

    A repeat is a no-op. Locks: the version's row.
    """
    version = lock_row(TariffVersion.objects.filter(pk=version_id))
    if check_step(TariffVersion.TRANSITIONS, version.status, TariffVersion.Status.WITHDRAWN):
        version.status = TariffVersion.Status.WITHDRAWN
        version.save(update_fields=["status"])
        audit.record(
            actor_id=actor_id,
            action="tariff_withdrawn",
            subject=version.tariff,
            reason=reason,
            data={"version": version.number},
        )
    return version
