"""Addresses of the site. Each app brings its own; composed pages (home, operator dashboard) are in config."""

from django.contrib import admin
from django.urls import include, path

urlpatterns = [
    path("", include("config.site_urls")),
    path("account/", include("allauth.urls")),
    path("admin/", admin.site.urls),
    path("api/v1/", include("config.api.urls")),
    path("pay/", include("billing.urls")),
    path("documents/", include("invoicing.urls")),
]
