from typing import Any

from django.apps import AppConfig
from django.db import connections
from django.db.models.signals import post_migrate, pre_migrate

from common import guards


class CommonConfig(AppConfig):
    name = "common"
    verbose_name = "Shared kernel"

    def ready(self) -> None:
        pre_migrate.connect(take_down_guards, dispatch_uid="common.take_down_guards")
        post_migrate.connect(reinstall_guards, dispatch_uid="common.reinstall_guards")


def take_down_guards(using: str, **options: Any) -> None:
    """Before migrations that are really run; `reinstall_guards` puts everything back."""
    if options.get("plan"):
        guards.take_down_triggers(connections[using])


def reinstall_guards(sender: AppConfig, using: str, **options: Any) -> None:
    """After each app's migrations, put back the guards of its tables. (A flush, which has no plan, drops none.)"""
    if "plan" not in options:
        return
    tables = {model._meta.db_table for model in sender.get_models(include_auto_created=True)}
    present = set(connections[using].introspection.table_names())
    guards.install_guards(connections[using], sorted(tables & present))
