"""Charging sessions: a list, the review queue, and one page that explains a session from plug to receipt."""

from typing import Any

from django.contrib import admin
from django.core.exceptions import PermissionDenied
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from django.urls import URLPattern
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from unfold.decorators import display

from billing.models import ChargingSession
from billing.selectors.corrections import with_final_price
from common.confirmation import confirmed_decision
from common.portal import link_to
from common.portal_values import show_amount, show_energy
from config.admin.refund_actions import RefundActions
from config.admin.review_actions import ReviewActions
from config.admin.session_page import details, review_words
from config.selectors.refund_words import given_back_words
from ocpp_gateway.services.remote import remote_stop

Outcome = ChargingSession.Outcome


@admin.register(ChargingSession)
class ChargingSessionAdmin(ReviewActions, RefundActions):
    list_display = (
        "number", "started_at", "driver_link", "place", "energy", "price", "status_label", "outcome_label",
        "paid_label", "doubt",
    )  # fmt: skip
    list_filter = (
        "status", "outcome", "payment_status", "channel", "review_reason", "charge_point__location",
        "contract__contract_type", "open_access",
    )  # fmt: skip
    search_fields = ("id", "public_id", "id_tag", "driver__name", "driver__email", "charge_point__identity")
    list_select_related = ("driver", "charge_point__location", "connector", "cdr")
    date_hierarchy = "started_at"
    csv_columns = (
        "id", "public_id", "charge_point__identity", "connector__number", "driver__name", "driver__email", "id_tag",
        "channel", "started_at", "ended_at", "energy_wh", "status", "outcome", "payment_status", "cdr__currency",
        "cdr__net", "cdr__vat", "cdr__gross", "final_gross", "is_corrected", "review_reason",
    )  # fmt: skip

    @display(description=gettext_lazy("no."), ordering="pk")
    def number(self, session: ChargingSession) -> str:
        return f"#{session.pk}"

    @display(description=gettext_lazy("driver"), ordering="driver__name")
    def driver_link(self, session: ChargingSession) -> SafeString | str:
        return link_to(session.driver)

    @display(description=gettext_lazy("where"), ordering="charge_point__identity")
    def place(self, session: ChargingSession) -> str:
        number = session.connector.number if session.connector else "?"
        return f"{session.charge_point.location.name} · {session.charge_point} · {number}"

    @display(description=gettext_lazy("energy"), ordering="energy_wh")
    def energy(self, session: ChargingSession) -> str:
        return show_energy(session.energy_wh)

    def get_queryset(self, request: HttpRequest) -> QuerySet[ChargingSession]:
        return with_final_price(super().get_queryset(request))

    @display(description=gettext_lazy("price"), ordering="final_gross")
    def price(self, session: ChargingSession) -> SafeString | str:
        """What it cost in the end; what was billed beside it where that was more."""
        cdr = getattr(session, "cdr", None)
        if cdr is None:
            return "–"
        final = show_amount(session.final_gross, cdr.currency)  # type: ignore[attr-defined]
        why = given_back_words(session)
        if not why:
            return final
        billed = _("%(why)s, billed %(amount)s") % {"why": why, "amount": show_amount(cdr.gross, cdr.currency)}
        return format_html('{}<br><span class="portal-quiet">{}</span>', final, billed)

    @display(
        description=gettext_lazy("status"),
        ordering="status",
        label={
            "requested": "info",
            "active": "success",
            "finishing": "info",
            "cancelled": "warning",
            "ended": "default",
        },
    )
    def status_label(self, session: ChargingSession) -> tuple[str, str]:
        return session.status, session.get_status_display()

    @display(
        description=gettext_lazy("outcome"),
        ordering="outcome",
        label={
            Outcome.BILLED: "success",
            Outcome.IN_REVIEW: "danger",
            Outcome.PENDING: "info",
            Outcome.FREE: "info",
            Outcome.DISCARDED: "default",
        },
    )
    def outcome_label(self, session: ChargingSession) -> tuple[str, str]:
        return session.outcome, session.get_outcome_display()

    @display(
        description=gettext_lazy("payment"),
        ordering="payment_status",
        label={"paid": "success", "due": "warning", "partially_paid": "warning", "nothing_due": "default"},
    )
    def paid_label(self, session: ChargingSession) -> tuple[str, str]:
        return session.payment_status, session.get_payment_status_display()

    @display(description=gettext_lazy("in doubt"), ordering="review_reason")
    def doubt(self, session: ChargingSession) -> str:
        return review_words(session) or "–"

    # --- one session --------------------------------------------------------------------------------------------------

    def get_urls(self) -> list[URLPattern]:
        return [
            self.action_page("stop", self.stop_view),
            *super().get_urls(),
        ]

    def get_object(self, request: HttpRequest, object_id: str, from_field: str | None = None) -> ChargingSession | None:
        """With everything the page names, in one query."""
        if not str(object_id).isdecimal():
            return None
        return self._everything(self.get_queryset(request)).filter(pk=object_id).first()

    def _everything(self, sessions: QuerySet[ChargingSession]) -> QuerySet[ChargingSession]:
        return sessions.select_related(
            "charge_point__location", "connector", "driver", "token", "contract__contract_type",
            "tariff_version__tariff", "tariff_assignment",
        )  # fmt: skip

    def change_view(
        self, request: HttpRequest, object_id: str, form_url: str = "", extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        session = self.get_object(request, object_id)
        if session is None:
            return self._get_obj_does_not_exist_redirect(request, self.opts, object_id)
        if not self.has_view_permission(request, session):
            raise PermissionDenied
        context = {
            **self.admin_site.each_context(request),
            "title": _("Session %(session)s") % {"session": session},
            "opts": self.opts,
            "original": session,
            "is_running": session.status in (ChargingSession.Status.ACTIVE, ChargingSession.Status.FINISHING),
            **details(session),
        }
        return TemplateResponse(request, "admin/portal/session/page.html", context)

    def stop_view(self, request: HttpRequest, object_id: int) -> HttpResponse:
        """Ask the charge point to stop a running session."""
        session: ChargingSession = self.row_for(request, object_id, "ocpp_gateway.add_command")

        def decide(actor_id: int, reason: str) -> str:
            remote_stop(session_id=session.pk, actor_id=actor_id, reason=reason)
            return _("The stop was sent.")

        return confirmed_decision(
            request,
            session,
            model_admin=self,
            title=_("Stop session %(session)s") % {"session": session},
            submit=_("Stop the session"),
            sentences=[
                _("%(point)s is asked to stop session %(session)s of %(driver)s.")
                % {"point": session.charge_point, "session": session, "driver": session.driver or session.id_tag},
                _("What was charged until then is billed as usual."),
            ],
            decide=decide,
        )
