"""When each background task runs."""

from importlib import import_module

from django.apps import apps
from django.db import transaction
from django.utils.module_loading import import_string, module_has_submodule
from django_q.models import Schedule

from accounts.roles import OWN_APPS


@transaction.atomic
def install_schedules() -> list[str]:
    """One Schedule row per entry of each app's `tasks.SCHEDULES`; rows of ours that are no longer listed are removed.

    Idempotent: a row that is already right keeps its next run. Returns the names installed.
    """
    wanted = {name: (function, minutes) for app_label in OWN_APPS for name, function, minutes in _listed(app_label)}
    for name, (function, minutes) in wanted.items():
        import_string(function)
        terms = {"func": function, "schedule_type": Schedule.MINUTES, "minutes": minutes}
        rows = Schedule.objects.filter(name=name)
        if rows.count() == 1 and rows.filter(**terms).exists():
            continue
        rows.delete()
        Schedule.objects.create(name=name, **terms)
    for row in Schedule.objects.exclude(name__in=wanted):
        if row.func.split(".")[0] in OWN_APPS:
            row.delete()
    return list(wanted)


def _listed(app_label: str) -> list[tuple[str, str, int]]:
    module = apps.get_app_config(app_label).module
    if module is None or not module_has_submodule(module, "tasks"):
        return []
    return list(getattr(import_module(f"{app_label}.tasks"), "SCHEDULES", ()))
