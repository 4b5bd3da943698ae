from django.db import migrations, models


def switch_off_elsewhere(apps, schema_editor):
    """Nobody but a wallet driver could ever use it."""
    apps.get_model("accounts", "ContractType").objects.filter(auto_topup=True).exclude(billing_model="wallet").update(
        auto_topup=False
    )


class Migration(migrations.Migration):

    dependencies = [
        ("accounts", "0004_mail_wishes"),
    ]

    operations = [
        migrations.RunPython(switch_off_elsewhere, migrations.RunPython.noop),
        migrations.AddConstraint(
            model_name="contracttype",
            constraint=models.CheckConstraint(
                condition=models.Q(("billing_model", "wallet"), ("auto_topup", False), _connector="OR"),
                name="contract_type_only_wallet_drivers_top_up_automatically",
            ),
        ),
    ]
