"""Addresses under /pay/."""

from django.urls import URLPattern, path

from billing import views_ad_hoc, views_fake, views_pay, webhooks

urlpatterns: list[URLPattern] = [
    path("methods/add/", views_pay.add_method, name="payment_method_add"),
    path("methods/added/", views_pay.return_from_setup, name="payment_method_return"),
    path("methods/<int:method_id>/default/", views_pay.set_default, name="payment_method_default"),
    path("methods/<int:method_id>/remove/", views_pay.remove_method, name="payment_method_remove"),
    path("sessions/<uuid:session_id>/confirmed/", views_pay.return_from_confirmation, name="payment_return"),
    path("top-ups/<int:payment_id>/confirmed/", views_pay.return_from_top_up, name="top_up_return"),
    path("ad-hoc/<str:link>/card/", views_ad_hoc.return_from_setup, name="ad_hoc_card_return"),
    path("ad-hoc/<str:link>/confirmed/", views_ad_hoc.return_from_confirmation, name="ad_hoc_confirmed"),
    path("webhooks/<slug:provider>/", webhooks.payment_webhook, name="payment_webhook"),
    path("fake/setup/<slug:token>/", views_fake.setup_page, name="fake_setup"),
    path("fake/confirm/<slug:reference>/", views_fake.confirm_page, name="fake_confirm"),
]
