"""Addresses of the public pages and the driver site."""

from django.urls import path

from config.views import charge, home, money, profile, public, sessions, wallet

urlpatterns = [
    path("", public.start, name="start"),
    path("favicon.ico", public.favicon, name="favicon"),
    path("stations/", public.stations, name="stations"),
    path("stations/<slug:code>/", public.station, name="station"),
    path("c/<slug:code>/", public.connector, name="connector_qr"),
    path("c/<slug:code>/start/", charge.start, name="connector_start"),
    path("home/", home.home, name="home"),
    path("home/become-driver/", home.become_driver, name="become_driver"),
    path("charge/", charge.charge, name="charge"),
    path("sessions/", sessions.session_list, name="sessions"),
    path("sessions/export.csv", sessions.session_export, name="sessions_export"),
    path("sessions/<uuid:public_id>/", sessions.session_detail, name="session_detail"),
    path("sessions/<uuid:public_id>/live/", sessions.session_live, name="session_live"),
    path("sessions/<uuid:public_id>/stop/", charge.stop, name="session_stop"),
    path("wallet/", wallet.wallet, name="wallet"),
    path("wallet/top-up/", wallet.top_up, name="top_up"),
    path("wallet/top-up/<int:payment_id>/cancel/", wallet.cancel_top_up, name="top_up_cancel"),
    path("wallet/statement.csv", wallet.wallet_export, name="wallet_export"),
    path("cards/", money.payment_methods, name="payment_methods"),
    path("cards/pay-now/", money.pay_now, name="pay_now"),
    path("receipts/", money.receipts, name="receipts"),
    path("profile/", profile.profile, name="profile"),
]
