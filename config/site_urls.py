"""Addresses of the public pages and the driver site."""

from django.urls import path

from config.views import ad_hoc, auto_top_up, charge, home, money, profile, public, sessions, wallet

urlpatterns = [
    path("", public.start, name="start"),
    path("favicon.ico", public.favicon, name="favicon"),
    path("stations/", public.stations, name="stations"),
    path("stations/<slug:code>/", public.station, name="station"),
    path("c/<slug:code>/", public.connector, name="connector_qr"),
    path("c/<slug:code>/start/", charge.start, name="connector_start"),
    path("c/<slug:code>/pay/", ad_hoc.pay, name="ad_hoc_pay"),
    path("charging/<str:link>/", ad_hoc.page, name="ad_hoc"),
    path("charging/<str:link>/card/", ad_hoc.leave_card, name="ad_hoc_card"),
    path("charging/<str:link>/live/", ad_hoc.live_part, name="ad_hoc_live"),
    path("charging/<str:link>/stop/", ad_hoc.stop, name="ad_hoc_stop"),
    path("charging/<str:link>/receipt/", ad_hoc.receipt, name="ad_hoc_receipt"),
    path("charging/<str:link>/receipt.pdf", ad_hoc.receipt_pdf, name="ad_hoc_pdf"),
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
    path("wallet/automatic/", auto_top_up.auto_top_up, name="auto_top_up"),
    path("wallet/automatic/off/", auto_top_up.pause, name="auto_top_up_pause"),
    path("wallet/statement.csv", wallet.wallet_export, name="wallet_export"),
    path("cards/", money.payment_methods, name="payment_methods"),
    path("cards/pay-now/", money.pay_now, name="pay_now"),
    path("receipts/", money.receipts, name="receipts"),
    path("profile/", profile.profile, name="profile"),
]
