"""Many wallets are credited at once: those of a selection, or of the rows of a file."""

from collections.abc import Sequence
from decimal import Decimal
from typing import Any

from django import forms
from django.contrib import admin
from django.core.exceptions import PermissionDenied
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse
from django.utils.formats import date_format
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext
from unfold.widgets import UnfoldAdminFileFieldWidget

from accounts.models import Driver
from accounts.portal import AuditedAdmin
from billing.models import WalletLot
from billing.services.bulk_credits import (
    COLUMNS,
    CreditResult,
    CreditRow,
    apply_credits,
    currencies_of,
    end_of_day,
    read_credits,
)
from common.confirmation import confirmed_action
from common.errors import BadInput
from common.money import Money
from common.portal import actor_of
from common.portal_values import show_money
from config.admin.customer_forms import TopUpForm

MOST_BYTES = 1_000_000
MOST_SELECTED = 500


class CreditFileForm(forms.Form):
    file = forms.FileField(label=gettext_lazy("CSV file"), widget=UnfoldAdminFileFieldWidget)

    def content(self) -> str:
        """The file as text. Raises BadInput."""
        file = self.cleaned_data["file"]
        if file.size > MOST_BYTES:
            raise BadInput(details=[_("The file is larger than %(most)s bytes.") % {"most": MOST_BYTES}])
        try:
            text: str = file.read().decode("utf-8-sig")
        except UnicodeDecodeError as error:
            raise BadInput(details=[_("The file is not UTF-8 text.")]) from error
        return text


class SelectionForm(TopUpForm):
    """The same for every driver of a selection; `drivers` are their ids, sent again with the form."""

    drivers = forms.CharField(widget=forms.HiddenInput)

    def __init__(self, *args: Any, chosen: str, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.initial["drivers"] = chosen


class BulkCredits(AuditedAdmin):
    """The pages, under the list of drivers."""

    actions: Sequence[str] = ("top_up_selected",)
    list_before_template = "admin/portal/driver/bulk_link.html"

    def get_urls(self) -> list[URLPattern]:
        return [
            path("top-up/", self.admin_site.admin_view(self.selection_view), name="accounts_driver_top_up_selected"),
            path("top-up-file/", self.admin_site.admin_view(self.file_view), name="accounts_driver_top_up_file"),
            *super().get_urls(),
        ]

    def has_credit_permission(self, request: HttpRequest) -> bool:
        return request.user.has_perm("billing.add_walletlot")

    @admin.action(description=gettext_lazy("Top up the wallets of the selected"), permissions=["credit"])
    def top_up_selected(self, request: HttpRequest, queryset: QuerySet[Driver]) -> HttpResponse | None:
        ids = list(queryset.order_by("pk").values_list("pk", flat=True)[: MOST_SELECTED + 1])
        if len(ids) > MOST_SELECTED:
            self.message_user(
                request,
                _("Choose at most %(most)s customers, or use a file.") % {"most": MOST_SELECTED},
                level="warning",
            )
            return None
        address = reverse("admin:accounts_driver_top_up_selected")
        return HttpResponseRedirect(f"{address}?drivers={'-'.join(map(str, ids))}")

    def selection_view(self, request: HttpRequest) -> HttpResponse:
        """The same amount for everybody of a selection."""
        self._check(request)
        chosen = request.POST.get("drivers") or request.GET.get("drivers", "")
        drivers = _drivers(chosen)
        currencies = sorted(set(currencies_of(driver.pk for driver in drivers).values()))
        back = reverse("admin:accounts_driver_changelist")
        if len(currencies) != 1:
            self.message_user(request, _("Choose customers whose wallets are kept in one currency."), level="warning")
            return HttpResponseRedirect(back)

        def describe(cleaned: dict[str, Any]) -> list[str]:
            amount = Money(cleaned["amount"], currencies[0])
            sentences = [
                _("%(amount)s are added to each of %(count)s wallets, %(total)s together.")
                % {"amount": show_money(amount), "count": len(drivers), "total": show_money(amount * len(drivers))},
                ", ".join(driver.name for driver in drivers),
            ]
            if cleaned["expires_on"]:
                sentences.append(_("It expires after %(date)s.") % {"date": date_format(cleaned["expires_on"])})
            return [*sentences, _("Reason: %(reason)s") % cleaned]

        def perform(cleaned: dict[str, Any]) -> HttpResponse:
            rows = [_selected_row(driver, line, cleaned, currencies[0]) for line, driver in enumerate(drivers, 1)]
            return self._results(request, apply_credits(rows, actor_id=actor_of(request)))

        return confirmed_action(
            request,
            model_admin=self,
            title=_("Top up %(count)s wallets") % {"count": len(drivers)},
            submit=_("Add the money"),
            form_class=SelectionForm,
            form_options={"currency": currencies[0], "chosen": chosen},
            back_url=back,
            describe=describe,
            perform=perform,
        )

    def file_view(self, request: HttpRequest) -> HttpResponse:
        """Choose a file; see what each row would do, or every defect; carry it out."""
        self._check(request)
        context: dict[str, Any] = {"form": CreditFileForm(), "columns": COLUMNS}
        if request.method == "POST":
            try:
                if "confirmed" in request.POST:
                    rows = read_credits(request.POST.get("content", ""))
                    return self._results(request, apply_credits(rows, actor_id=actor_of(request)))
                context |= _preview(request)
            except BadInput as error:
                context["defects"] = error.details
        return self._render(request, _("Top up wallets from a file"), context)

    def _results(self, request: HttpRequest, results: list[CreditResult]) -> HttpResponse:
        return self._render(request, _("What became of each row"), {"results": results})

    def _render(self, request: HttpRequest, title: str, context: dict[str, Any]) -> HttpResponse:
        shared = {
            **self.admin_site.each_context(request),
            "title": title,
            "opts": self.opts,
            "back_url": reverse("admin:accounts_driver_changelist"),
        }
        return TemplateResponse(request, "admin/portal/driver/bulk.html", {**shared, **context})

    def _check(self, request: HttpRequest) -> None:
        if not self.has_credit_permission(request):
            raise PermissionDenied


def _drivers(chosen: str) -> list[Driver]:
    ids = [int(part) for part in chosen.split("-") if part.isdecimal()][:MOST_SELECTED]
    return list(Driver.objects.filter(pk__in=ids).order_by("pk"))


def _selected_row(driver: Driver, line: int, cleaned: dict[str, Any], currency: str) -> CreditRow:
    return CreditRow(
        line=line,
        reference=f"{cleaned['key']}:{driver.pk}",
        driver_id=driver.pk,
        driver_name=str(driver),
        amount=Money(cleaned["amount"], currency),
        kind=cleaned["kind"],
        expires_at=end_of_day(cleaned["expires_on"]) if cleaned["expires_on"] else None,
        reason=cleaned["reason"],
    )


def _preview(request: HttpRequest) -> dict[str, Any]:
    form = CreditFileForm(request.POST, request.FILES)
    if not form.is_valid():
        return {"form": form}
    text = form.content()
    rows = read_credits(text)
    return {"content": text, "rows": rows, "totals": _totals(rows)}


def _totals(rows: list[CreditRow]) -> list[str]:
    """One sentence per currency and kind of what will be added, and one on what was added before."""
    sums: dict[tuple[str, str], tuple[int, Decimal]] = {}
    for row in rows:
        if not row.was_credited:
            key = str(row.amount.currency), row.kind
            count, total = sums.get(key, (0, Decimal(0)))
            sums[key] = count + 1, total + row.amount.amount
    sentences = [
        ngettext("%(kind)s: %(total)s into one wallet.", "%(kind)s: %(total)s into %(count)s wallets.", count)
        % {"kind": WalletLot.Kind(kind).label, "total": show_money(Money(total, currency)), "count": count}
        for (currency, kind), (count, total) in sorted(sums.items())
    ]
    before = sum(row.was_credited for row in rows)
    if before:
        sentences.append(_("%(count)s rows were credited before; they are left as they are.") % {"count": before})
    return sentences
