"""What an operator may decide about a session in review: bill it, correct its meter, merge it, discard it."""

from datetime import datetime
from decimal import Decimal
from typing import Any

from django import forms
from django.db.models import QuerySet
from django.http import Http404, HttpRequest, HttpResponse
from django.urls import URLPattern, reverse
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from unfold.widgets import UnfoldAdminDecimalFieldWidget, UnfoldAdminSelectWidget

from billing.models import ChargingSession
from billing.services.rating import rate_session
from billing.services.review import correct_meter, discard_session, release_from_review
from billing.services.session_merging import merge_sessions, other_halves
from common.confirmation import ActionForm, confirmed_action, confirmed_decision
from common.errors import BadInput
from common.portal import ReadOnlyAdmin, actor_of
from common.portal_values import show_amount, show_energy, show_moment
from common.units import kwh_to_wh, wh_to_kwh
from config.admin.session_page import bills_nothing, is_without_energy
from tariffs.domain.result import VatUnknown
from tariffs.errors import NoTariff

MAY_DECIDE = "billing.change_chargingsession"


def _register_field(label: Any) -> forms.DecimalField:
    return forms.DecimalField(
        label=label,
        min_value=0,
        max_digits=14,
        decimal_places=4,
        localize=True,
        widget=UnfoldAdminDecimalFieldWidget,
    )


def _moment_field(label: Any, help_text: Any = "") -> forms.DateTimeField:
    return forms.DateTimeField(
        label=label,
        help_text=help_text,
        widget=forms.DateTimeInput(
            attrs={"type": "datetime-local", "step": "1", "class": "portal-input"}, format="%Y-%m-%dT%H:%M:%S"
        ),
    )


class MeterForm(ActionForm):
    """The registers and the end of a session as somebody found them out."""

    meter_start_kwh = _register_field(gettext_lazy("Register at the start, kWh"))
    meter_stop_kwh = _register_field(gettext_lazy("Register at the end, kWh"))
    stopped_at = _moment_field(gettext_lazy("Charging ended"), gettext_lazy("In the portal's time zone."))
    ended_at = _moment_field(gettext_lazy("The vehicle left"))

    def __init__(self, *args: Any, session: ChargingSession, **kwargs: Any) -> None:
        start_wh = session.meter_start_wh or Decimal(0)
        stop_wh = start_wh + session.energy_wh if session.meter_stop_wh is None else session.meter_stop_wh
        kwargs["initial"] = {
            "meter_start_kwh": wh_to_kwh(start_wh),
            "meter_stop_kwh": wh_to_kwh(stop_wh),
            "stopped_at": session.stopped_at,
            "ended_at": session.ended_at,
        }
        self._exact = {name: kwargs["initial"][name] for name in ("stopped_at", "ended_at")}
        super().__init__(*args, **kwargs)

    def figures(self) -> dict[str, Any]:
        """What `correct_meter` takes."""
        return {
            "meter_start_wh": kwh_to_wh(self.cleaned_data["meter_start_kwh"]),
            "meter_stop_wh": kwh_to_wh(self.cleaned_data["meter_stop_kwh"]),
            "stopped_at": self._moment("stopped_at"),
            "ended_at": self._moment("ended_at"),
        }

    def clean(self) -> dict[str, Any]:
        cleaned: dict[str, Any] = super().clean() or {}
        if not self.errors:
            cleaned["figures"] = self.figures()
        return cleaned

    def _moment(self, name: str) -> datetime:
        """A moment that was left as it stood keeps the fraction of a second which the field does not show."""
        given: datetime = self.cleaned_data[name]
        exact = self._exact[name]
        return exact if exact is not None and exact.replace(microsecond=0) == given else given


class MergeForm(ActionForm):
    """Which session is the other half."""

    other = forms.ModelChoiceField(
        label=gettext_lazy("The other half"),
        queryset=ChargingSession.objects.none(),
        widget=UnfoldAdminSelectWidget,
        help_text=gettext_lazy("Sessions of this connector that wait for a decision, a day before or after."),
    )

    def __init__(self, *args: Any, halves: QuerySet[ChargingSession], **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        choices: Any = self.fields["other"]
        choices.queryset = halves
        choices.label_from_instance = _half_words


def _half_words(session: ChargingSession) -> str:
    return _("%(session)s: %(start)s to %(end)s, %(energy)s, %(who)s") % {
        "session": session,
        "start": show_moment(session.started_at),
        "end": show_moment(session.ended_at),
        "energy": show_energy(session.energy_wh),
        "who": session.driver or session.id_tag or _("nobody known"),
    }


class ReviewActions(ReadOnlyAdmin):
    """The action pages of a session in doubt, under the session's address."""

    def get_urls(self) -> list[URLPattern]:
        return [
            self.action_page("release", self.release_view),
            self.action_page("correct-meter", self.correct_meter_view),
            self.action_page("merge", self.merge_view),
            self.action_page("discard", self.discard_view),
            *super().get_urls(),
        ]

    def release_view(self, request: HttpRequest, object_id: int) -> HttpResponse:
        """Bill a session in review after all."""
        session: ChargingSession = self.row_for(request, object_id, MAY_DECIDE)

        def decide(actor_id: int, reason: str) -> str:
            release_from_review(session_id=session.pk, actor_id=actor_id, reason=reason)
            return _("The session is on its way to being billed.")

        return confirmed_decision(
            request,
            session,
            model_admin=self,
            title=_("Bill session %(session)s after all") % {"session": session},
            submit=_("Bill it"),
            sentences=_release_sentences(session),
            decide=decide,
        )

    def discard_view(self, request: HttpRequest, object_id: int) -> HttpResponse:
        """Give a session in review up."""
        session: ChargingSession = self.row_for(request, object_id, MAY_DECIDE)

        def decide(actor_id: int, reason: str) -> str:
            discard_session(session_id=session.pk, actor_id=actor_id, reason=reason)
            return _("The session is discarded.")

        return confirmed_decision(
            request,
            session,
            model_admin=self,
            title=_("Discard session %(session)s") % {"session": session},
            submit=_("Discard it"),
            sentences=[
                _("%(session)s is never billed. This cannot be undone.") % {"session": session},
                _("What it reserved is given back. The session and its messages are kept."),
            ],
            decide=decide,
        )

    def correct_meter_view(self, request: HttpRequest, object_id: int) -> HttpResponse:
        """Bill a session in review by registers and times somebody found out."""
        session = self._waiting(request, object_id)

        def describe(cleaned: dict[str, Any]) -> list[str]:
            figures = cleaned["figures"]
            energy_wh = figures["meter_stop_wh"] - figures["meter_start_wh"]
            return [
                _("%(session)s is billed with %(energy)s instead of %(before)s.")
                % {"session": session, "energy": show_energy(energy_wh), "before": show_energy(session.energy_wh)},
                _("Charging ended at %(stop)s, the vehicle left at %(end)s.")
                % {"stop": show_moment(figures["stopped_at"]), "end": show_moment(figures["ended_at"])},
                *_price_words(session, figures),
                _("What the charge point reported is kept beside it."),
                _("Reason: %(reason)s") % cleaned,
            ]

        def perform(cleaned: dict[str, Any]) -> str:
            correct_meter(
                session_id=session.pk,
                **cleaned["figures"],
                actor_id=actor_of(request),
                reason=cleaned["reason"],
            )
            return _("The meter is corrected, and the session is on its way to being billed.")

        return confirmed_action(
            request,
            model_admin=self,
            title=_("Correct the meter of session %(session)s") % {"session": session},
            submit=_("Correct and bill it"),
            form_class=MeterForm,
            form_options={"session": session},
            back_url=session_address(session),
            describe=describe,
            perform=perform,
        )

    def merge_view(self, request: HttpRequest, object_id: int) -> HttpResponse:
        """Make one of two sessions that were one stay."""
        session = self._waiting(request, object_id)

        def describe(cleaned: dict[str, Any]) -> list[str]:
            first, second = sorted((session, cleaned["other"]), key=lambda half: (half.started_at, half.pk))
            return [
                _("%(second)s becomes part of %(first)s, which then lasts from %(start)s to %(end)s.")
                % {
                    "first": first,
                    "second": second,
                    "start": show_moment(first.started_at),
                    "end": show_moment(second.ended_at),
                },
                _("It keeps the customer and the price of its start, and waits here for your decision."),
                _("%(second)s is closed and never billed. This cannot be undone.") % {"second": second},
                _("Reason: %(reason)s") % cleaned,
            ]

        def perform(cleaned: dict[str, Any]) -> str:
            merged = merge_sessions(
                session_ids=(session.pk, cleaned["other"].pk), actor_id=actor_of(request), reason=cleaned["reason"]
            )
            return _("Both are session %(session)s now.") % {"session": merged}

        return confirmed_action(
            request,
            model_admin=self,
            title=_("Merge session %(session)s") % {"session": session},
            submit=_("Merge them"),
            form_class=MergeForm,
            form_options={"halves": other_halves(session).select_related("driver")},
            back_url=session_address(session),
            describe=describe,
            perform=perform,
        )

    def _waiting(self, request: HttpRequest, object_id: int) -> ChargingSession:
        """The session, if it waits for a decision. Raises PermissionDenied, Http404."""
        session: ChargingSession = self.row_for(request, object_id, MAY_DECIDE)
        if session.outcome != ChargingSession.Outcome.IN_REVIEW:
            raise Http404
        return session


def session_address(session: ChargingSession) -> str:
    return reverse("admin:billing_chargingsession_change", args=[session.pk])


def _release_sentences(session: ChargingSession) -> list[str]:
    """What becomes of a session in review that is let go."""
    if bills_nothing(session):
        return [
            _("%(session)s was short and delivered no energy: it is closed free of charge.") % {"session": session},
            _("Nothing is billed."),
        ]
    if is_without_energy(session):
        return [
            _("%(session)s delivered no energy: it is billed only if its price counts the time it stayed.")
            % {"session": session},
            _("If it does not, the session is closed free of charge."),
        ]
    return [
        _("%(session)s is billed with %(energy)s, by the price of its start.")
        % {"session": session, "energy": show_energy(session.energy_wh)},
        _("What was missing at the start and is known by now is filled in: the customer, contract and price."),
        _("If something is still missing it comes back to this queue with its reason."),
    ]


def _price_words(session: ChargingSession, figures: dict[str, Any]) -> list[str]:
    """What it costs by these figures; nothing where that is not known yet."""
    tried = ChargingSession.objects.select_related("charge_point__location", "connector", "tariff_version").get(
        pk=session.pk
    )
    for name, value in figures.items():
        setattr(tried, name, value)
    try:
        payable = rate_session(tried).payable()
    except (NoTariff, BadInput, VatUnknown):
        return []
    return [_("By its price that is %(gross)s with VAT.") % {"gross": show_amount(payable.gross, payable.currency)}]
