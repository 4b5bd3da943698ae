"""Addresses of the API, version 1."""

from django.urls import path, re_path

from config.api import (
    cdrs,
    commands,
    locations,
    price_series,
    quotes,
    reference,
    sessions,
    tariffs,
    views,
)

urlpatterns = [
    path("schema/", reference.OpenApiDocument.as_view(), name="api_schema"),
    path("reference/", reference.Reference.as_view(), name="api_reference"),
    path("locations/", locations.LocationList.as_view(), name="api_locations"),
    path("locations/<slug:id>/", locations.LocationDetail.as_view(), name="api_location"),
    path("price-series/<int:series>/values/", price_series.PriceValues.as_view(), name="api_price_values"),
    path("quotes/", quotes.QuoteDetail.as_view(), name="api_quotes"),
    path("sessions/", sessions.SessionList.as_view(), name="api_sessions"),
    path("sessions/<uuid:id>/", sessions.SessionDetail.as_view(), name="api_session"),
    path("cdrs/", cdrs.CdrList.as_view(), name="api_cdrs"),
    path("cdrs/<uuid:id>/", cdrs.CdrDetail.as_view(), name="api_cdr"),
    path("commands/", commands.CommandList.as_view(), name="api_commands"),
    path("commands/<int:id>/", commands.CommandDetail.as_view(), name="api_command"),
    path("tariffs/", tariffs.TariffList.as_view(), name="api_tariffs"),
    path("tariffs/<slug:id>/", tariffs.TariffDetail.as_view(), name="api_tariff"),
    re_path(r"^", views.Elsewhere.as_view()),
]
