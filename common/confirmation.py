"""Sensitive actions: a form with a reason, then a page that says what will happen, then the deed."""

import uuid
from collections.abc import Callable, Sequence
from typing import Any

from django import forms
from django.contrib import messages
from django.contrib.admin import ModelAdmin
from django.db import models
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect, QueryDict
from django.template.response import TemplateResponse
from django.urls import reverse
from django.utils.translation import gettext_lazy as _
from unfold.widgets import UnfoldAdminTextareaWidget

from common.errors import BadInput, VoltledgerError
from common.portal import actor_of


class ActionForm(forms.Form):
    """What an action asks. `key` is made with the page, so that a form sent twice acts once."""

    key = forms.UUIDField(widget=forms.HiddenInput)
    reason = forms.CharField(
        label=_("Reason"),
        max_length=200,
        widget=UnfoldAdminTextareaWidget(attrs={"rows": 2}),
        help_text=_("Kept in the audit trail with your name."),
    )

    field_order: Sequence[str] | None = None

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.order_fields([name for name in self.fields if name not in ("reason", "key")])
        self.initial.setdefault("key", uuid.uuid4())

    def visible_values(self) -> list[tuple[str, str]]:
        """Names and values as they were sent, to be sent again by the confirmation page."""
        sent: QueryDict = self.data  # type: ignore[assignment]
        return [(name, value) for name in self.fields for value in sent.getlist(self.add_prefix(name))]


def confirmed_action(
    request: HttpRequest,
    *,
    model_admin: "ModelAdmin[Any]",
    title: str,
    submit: str,
    form_class: type[ActionForm],
    back_url: str,
    describe: Callable[[dict[str, Any]], Sequence[str]],
    perform: Callable[[dict[str, Any]], str | HttpResponse],
    form_options: dict[str, Any] | None = None,
    intro: str = "",
    is_one_step: bool = False,
) -> HttpResponse:
    """Show the form; once it is filled in, `describe` what will happen; once that is confirmed, `perform` it.

    `is_one_step`: what harms nothing is performed as soon as the form is filled in.

    Both are given the cleaned form. `perform` answers with the sentence the operator reads afterwards, or with a page
    of its own where something is shown that is kept nowhere. A refusal (VoltledgerError) is shown beside the form, and
    nothing has changed.
    """
    bound = request.POST if request.method == "POST" else None
    form = form_class(data=bound, **(form_options or {}))
    sentences: Sequence[str] = ()
    if form.is_valid():
        try:
            if is_one_step or "confirmed" in request.POST:
                done = perform(form.cleaned_data)
                if isinstance(done, HttpResponse):
                    return done
                messages.success(request, done)
                return HttpResponseRedirect(back_url)
            sentences = describe(form.cleaned_data)
        except VoltledgerError as error:
            details = error.details if isinstance(error, BadInput) else ()
            form.add_error(None, [str(error.message), *details])
            sentences = ()
    context = {
        **model_admin.admin_site.each_context(request),
        "title": title,
        "intro": intro,
        "form": form,
        "sentences": sentences,
        "submit": submit,
        "is_one_step": is_one_step,
        "back_url": back_url,
        "opts": model_admin.opts,
    }
    return TemplateResponse(request, "admin/portal/action.html", context)


def confirmed_decision(
    request: HttpRequest,
    row: models.Model,
    *,
    model_admin: "ModelAdmin[Any]",
    title: str,
    submit: str,
    sentences: Sequence[str],
    decide: Callable[[int, str], str],
) -> HttpResponse:
    """A decision about one row that asks for nothing but its reason; afterwards the row's own page is shown.

    `sentences` say what will happen. `decide` is given who decides and why, and answers with what the operator reads.
    """
    page = f"admin:{row._meta.app_label}_{row._meta.model_name}_change"
    return confirmed_action(
        request,
        model_admin=model_admin,
        title=title,
        submit=submit,
        form_class=ActionForm,
        back_url=reverse(page, args=[row.pk]),
        describe=lambda cleaned: [*sentences, _("Reason: %(reason)s") % cleaned],
        perform=lambda cleaned: decide(actor_of(request), cleaned["reason"]),
    )
