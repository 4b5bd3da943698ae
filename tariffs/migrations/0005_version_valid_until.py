import json
from datetime import UTC, datetime

from django.db import migrations, models


def take_ends_from_documents(apps, schema_editor):
    """The end stood in the document only and steered nothing."""
    versions = apps.get_model('tariffs', 'TariffVersion').objects
    for version in versions.filter(document__contains='end_date_time').iterator():
        text = json.loads(version.document).get('end_date_time')
        if text:
            end = datetime.fromisoformat(text)
            version.valid_until = end if end.tzinfo else end.replace(tzinfo=UTC)
            version.save(update_fields=['valid_until'])


class Migration(migrations.Migration):

    dependencies = [
        ('tariffs', '0004_count_repeated_refusals'),
    ]

    operations = [
        migrations.AddField(
            model_name='tariffversion',
            name='valid_until',
            field=models.DateTimeField(blank=True, editable=False, null=True, verbose_name='valid until'),
        ),
        migrations.RunPython(take_ends_from_documents, migrations.RunPython.noop, elidable=True),
    ]
