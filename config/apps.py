from django.apps import AppConfig
from django.contrib.admin import apps as admin_apps


class ConfigConfig(AppConfig):
    name = "config"
    verbose_name = "Voltledger"
    default = True


class PortalAdminConfig(admin_apps.AdminConfig):
    """Django's admin, with our site as `django.contrib.admin.site`."""

    default = False
    default_site = "config.admin_site.PortalSite"
