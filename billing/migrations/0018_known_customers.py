"""Drivers whose cards are kept at a provider have their customer there already: its reference stands on the cards."""

from django.db import migrations


def note_customers(apps, schema_editor):
    method = apps.get_model("billing", "PaymentMethod")
    customer = apps.get_model("billing", "ProviderCustomer")
    known = set()
    rows = method.objects.exclude(provider_customer="").exclude(driver=None).order_by("pk")
    for driver_id, provider, reference in rows.values_list("driver_id", "provider", "provider_customer").iterator():
        if (driver_id, provider) not in known:
            known.add((driver_id, provider))
            customer.objects.get_or_create(
                driver_id=driver_id, provider=provider, defaults={"reference": reference}
            )


class Migration(migrations.Migration):
    dependencies = [("billing", "0017_reconciliation_and_customers")]
    operations = [migrations.RunPython(note_customers, migrations.RunPython.noop)]
