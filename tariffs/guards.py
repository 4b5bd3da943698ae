"""Database guards of the tariffs tables: a published price is never rewritten, an import is kept."""

from common.guards import append_only, refuse

GUARDS = [
    refuse(
        "tariffs_tariffversion",
        "update",
        name="tariff_version_published_is_fixed",
        message="a published tariff version is never changed; add a new version",
        when=(
            "OLD.status <> 'draft' AND (OLD.document <> NEW.document OR OLD.source <> NEW.source"
            " OR OLD.digest <> NEW.digest OR OLD.tariff_id <> NEW.tariff_id OR OLD.number <> NEW.number"
            " OR OLD.valid_from <> NEW.valid_from OR OLD.valid_until IS DISTINCT FROM NEW.valid_until"
            " OR NEW.status = 'draft')"
        ),
    ),
    refuse(
        "tariffs_tariffversion",
        "delete",
        name="tariff_version_published_stays",
        message="a published tariff version is never deleted; withdraw it",
        when="OLD.status <> 'draft'",
    ),
    *append_only("tariffs_priceimport", message="what came in for a price series is kept as it is"),
]
