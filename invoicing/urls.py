from django.urls import path

from invoicing import views

urlpatterns = [
    path("<uuid:public_id>/", views.receipt_page, name="document"),
    path("<uuid:public_id>/receipt.pdf", views.receipt_pdf, name="document_pdf"),
    path("session/<uuid:public_id>/", views.receipt_of_session, name="session_receipt"),
]
