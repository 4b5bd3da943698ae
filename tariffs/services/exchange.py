"""Tariffs in and out as OCPI Tariff objects (2.2.1 and 2.3.0)."""

from collections.abc import Collection
from dataclasses import replace
from typing import Any

from django.conf import settings
from django.db import transaction
from django.utils.text import slugify
from django.utils.translation import gettext as _

from accounts.services import audit
from common import clock
from common.errors import BadInput
from tariffs.domain import jsontext
from tariffs.domain.exchange import (
    About,
    OcpiTariff,
    OcpiVersion,
    read_ocpi,
    read_ocpi_leniently,
    version_of,
    write_ocpi,
)
from tariffs.domain.findings import ERROR, Finding
from tariffs.domain.lint import lint
from tariffs.domain.ocpi import parse_tariff_text
from tariffs.domain.reading import Defects
from tariffs.domain.spec import TariffSpec, TaxIncluded
from tariffs.models import Tariff, TariffVersion
from tariffs.services.versions import draft_version

LARGEST_FILE = 5_000_000
# Warnings that stand for a file in other units, or whose prices contradict each other. The others wait for publishing.
DOUBTS = ("overlap", "implausible_price", "implausible_threshold", "implausible_step", "implausible_vat")


@transaction.atomic
def import_tariff(
    *,
    text: str | bytes,
    version: OcpiVersion | None = None,
    code: str = "",
    actor_id: int | None = None,
    accepted: Collection[str] = (),
) -> TariffVersion:
    """Add a draft from one OCPI Tariff object; its ids, texts, links and energy mix are kept with it.

    It becomes the next version of the tariff with this `code` (else: made of the object's id), which is created where
    there is none. `version` None: what the object is written in. `accepted` names warnings (tariffs.domain.findings)
    that are meant to be so. The same object again returns the version it made.
    Locks: the tariff's row. Raises BadInput with every defect and every warning not accepted; then nothing is saved.
    """
    if len(text) > LARGEST_FILE:
        raise BadInput(
            _("The file is too large for a tariff. Nothing was saved."), [f"$: is over {LARGEST_FILE} bytes"]
        )
    document = jsontext.loads(text)
    defects = Defects()
    read = read_ocpi_leniently(document, version, defects)
    for finding in lint(read.spec):
        if _is_refused(finding, accepted):
            defects.add(finding.path, finding.translated(_).words)
    code = code or slugify(read.about.id)[:50]
    if not code and read.about.id:
        defects.add("tariff.id", "cannot be made a code of; give a code for the tariff")
    tariff = Tariff.objects.filter(code=code).first()
    if tariff is not None and read.spec.currency and tariff.currency != read.spec.currency:
        defects.add("tariff.currency", f"differs from that of the tariff {code}, {tariff.currency}")
    defects.raise_if_any(_("The tariff has mistakes. Nothing was saved."))
    source = jsontext.dumps(document)
    if tariff is None:
        name = read.about.alt_text[0].text[:100] if read.about.alt_text else read.about.id
        tariff = Tariff.objects.create(code=code, name=name, currency=read.spec.currency)
    else:
        newest = tariff.versions.first()
        if newest is not None and newest.source == source and newest.status != TariffVersion.Status.WITHDRAWN:
            return newest
    made = draft_version(tariff_id=tariff.pk, ocpi_text=_priced_text(read), source=source)
    audit.record(
        actor_id=actor_id,
        action="tariff_imported",
        subject=tariff,
        data={"version": made.number, "digest": made.digest, "ocpi": version or version_of(document)},
    )
    return made


def export_tariff(version: TariffVersion, *, ocpi: OcpiVersion = OcpiVersion.V230) -> dict[str, Any]:
    """The version as an OCPI Tariff object; the very object it was imported from where that is written in `ocpi`.

    One made here gets the network's party ids, the tariff's code and name, and the moment of its publication.
    Raises BadInput with what `ocpi` cannot say.
    """
    if not version.source:
        return write_ocpi(OcpiTariff(parse_tariff_text(version.document), _about(version)), ocpi)
    document: dict[str, Any] = jsontext.loads(version.source)
    if version_of(document) is ocpi:
        return document
    return write_ocpi(read_ocpi(document), ocpi)


def source_of(text: str | bytes) -> str:
    """What to keep beside a draft of this text: the whole OCPI Tariff object, "" for one that is not whole.

    A text of prices alone lacks the ids that OCPI asks for. Raises BadInput for what is no JSON.
    """
    document = jsontext.loads(text)
    defects = Defects()
    read_ocpi_leniently(document, None, defects)
    return "" if defects.details else jsontext.dumps(document)


def source_with(source: str, spec: TariffSpec) -> str:
    """The whole OCPI Tariff object in `source` with the prices of `spec`: what prices nothing stays as it came.

    Ids, texts, links and energy mix are kept, and the object as it stands where its prices are these. Otherwise it is
    updated now, and written in 2.3.0 where 2.2.1 cannot say the prices. "" stays "". Raises BadInput with every defect
    of `source`.
    """
    if not source:
        return ""
    document: dict[str, Any] = jsontext.loads(source)
    known = read_ocpi(document)
    if known.spec == spec:
        return source
    about = replace(known.about, last_updated=clock.now().replace(microsecond=0))
    ocpi = version_of(document) if spec.tax_included is TaxIncluded.NO else OcpiVersion.V230
    written = write_ocpi(OcpiTariff(spec, about), ocpi)
    if ocpi is version_of(document):
        # A limit may name the taxes in it, which no price depends on.
        for key, old, new in (
            ("min_price", known.spec.min_price, spec.min_price),
            ("max_price", known.spec.max_price, spec.max_price),
        ):
            if old is not None and old == new:
                written[key] = document[key]
    return jsontext.dumps(written)


def _is_refused(finding: Finding, accepted: Collection[str]) -> bool:
    return finding.severity == ERROR or (finding.code in DOUBTS and not finding.is_accepted(accepted))


def _priced_text(read: OcpiTariff) -> str:
    """The object in the later version, which says all of it."""
    return jsontext.dumps(write_ocpi(read, OcpiVersion.V230))


def _about(version: TariffVersion) -> About:
    return About(
        country_code=settings.OCPI_COUNTRY_CODE,
        party_id=settings.OCPI_PARTY_ID,
        id=version.tariff.code[:36],
        last_updated=version.published_at or version.valid_from or clock.now(),
    )
