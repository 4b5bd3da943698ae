import gc

from django.apps import AppConfig
from django.contrib.admin import apps as admin_apps


class ConfigConfig(AppConfig):
    name = "config"
    verbose_name = "Voltledger"
    default = True

    def ready(self) -> None:
        # This app is the last: what is loaded by now lives as long as the process, and no collection need look through
        # it again. In a short run of settlements that took half of the CPU; forked workers also share it for longer.
        gc.freeze()


class PortalAdminConfig(admin_apps.AdminConfig):
    """Django's admin, with our site as `django.contrib.admin.site`."""

    default = False
    default_site = "config.admin_site.PortalSite"
