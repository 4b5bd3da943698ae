"""Versions of a tariff: drafted, published, withdrawn."""

from collections.abc import Collection
from datetime import datetime

from django.db import transaction
from django.db.models import Max
from django.utils import timezone
from django.utils.formats import date_format
from django.utils.translation import gettext as _

from accounts.services import audit
from common import clock
from common.errors import BadInput
from common.locking import lock_row
from common.states import check_step
from tariffs.domain.ocpi import canonical_json, digest, parse_tariff_text
from tariffs.domain.spec import TariffSpec
from tariffs.errors import TariffNotPublishable
from tariffs.models import Tariff, TariffVersion
from tariffs.selectors.lint import findings_for


@transaction.atomic
def draft_version(
    *, tariff_id: int, ocpi_text: str, valid_from: datetime | None = None, source: str = ""
) -> TariffVersion:
    """Add a draft from OCPI 2.2.1 or 2.3.0 JSON; what is kept is its canonical form, and `source` beside it as it is.

    It applies from `valid_from` on; None: from the document's start_date_time where that is to come, else from now. It
    ends at the document's end_date_time.
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
    begins_at = valid_from or max(clock.now(), spec.valid_from or clock.now())
    _check_span(spec, begins_at)
    latest = TariffVersion.objects.filter(tariff=tariff).aggregate(latest=Max("number"))["latest"] or 0
    return TariffVersion.objects.create(
        tariff=tariff,
        number=latest + 1,
        document=canonical_json(spec),
        source=source,
        digest=digest(spec),
        valid_from=begins_at,
        valid_until=spec.valid_until,
    )


def _check_span(spec: TariffSpec, begins_at: datetime) -> None:
    """A version cannot apply before its document's start. That it has ended by then is found before publishing."""
    if spec.valid_from is not None and begins_at < spec.valid_from:
        start = date_format(timezone.localtime(spec.valid_from), "DATETIME_FORMAT")
        raise BadInput(
            _("The tariff starts on %(start)s and cannot apply before. Nothing was saved.") % {"start": start},
            ["tariff.start_date_time: is after the moment from which the version applies"],
        )


@transaction.atomic
def publish_version(
    *, version_id: int, actor_id: int | None = None, reason: str = "", accepted: Collection[str] = ()
) -> TariffVersion:
    """Put a draft in force from its `valid_from` on.

    `accepted` names the warnings somebody has read and accepts, by code or by key (tariffs.domain.findings); the audit
    trail keeps which, and whose decision it was. A repeat is a no-op. Sessions that have begun keep the version they
    began with, whatever `valid_from` says.
    Locks: the version's row. Raises TariffNotPublishable with every error and every warning that is not accepted.
    """
    version = lock_row(TariffVersion.objects.filter(pk=version_id))
    if not check_step(TariffVersion.TRANSITIONS, version.status, TariffVersion.Status.PUBLISHED):
        return version
    findings = findings_for(version)
    in_the_way = [finding for finding in findings if not finding.is_accepted(accepted)]
    if in_the_way:
        raise TariffNotPublishable(in_the_way)
    version.status = TariffVersion.Status.PUBLISHED
    version.published_at = clock.now()
    version.published_by_id = actor_id
    version.save(update_fields=["status", "published_at", "published_by"])
    audit.record(
        actor_id=actor_id,
        action="tariff_published",
        subject=version.tariff,
        reason=reason,
        data={
            "version": version.number,
            "digest": version.digest,
            "accepted_warnings": [{"code": f.code, "path": f.path, "words": f.words} for f in findings],
        },
    )
    return version


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
