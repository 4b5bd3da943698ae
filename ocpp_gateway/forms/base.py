"""What every command form has: the command's name, what it asks, what its fields become, what it will do in words."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Any, ClassVar, Final

from django import forms
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from unfold.widgets import (
    UnfoldAdminIntegerFieldWidget,
    UnfoldAdminSelectWidget,
    UnfoldAdminTextareaWidget,
    UnfoldAdminTextInputWidget,
)

from common.confirmation import ActionForm
from locations.models import ChargePoint
from ocpp_gateway.domain.values import write_moment
from ocpp_gateway.words import action_words

if TYPE_CHECKING:
    from django_stubs_ext import StrOrPromise

_LARGEST_NUMBER: Final = 2_147_483_647
Choices = Sequence[tuple[str, "StrOrPromise"]]


class CommandForm(ActionForm):
    """A command to one charge point, or to a selection of them (`charge_point` None; only where `is_bulk`).

    `is_dangerous`: it costs somebody something, so it asks for a reason, is confirmed, and is in the audit trail.
    """

    # Templates list the classes themselves and would call them.
    do_not_call_in_templates: ClassVar[bool] = True
    action: ClassVar[str]
    group: ClassVar["StrOrPromise"]
    is_dangerous: ClassVar[bool] = False
    is_bulk: ClassVar[bool] = False
    explanation: ClassVar["StrOrPromise"] = ""

    def __init__(self, *args: Any, charge_point: ChargePoint | None, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if not self.is_dangerous:
            del self.fields["reason"]
        if charge_point is not None:
            self.adapt_to(charge_point)

    def _post_clean(self) -> None:
        """A valid form says what it becomes: `payload` and `consequences` stand beside its fields."""
        super()._post_clean()  # type: ignore[misc]
        if not self.errors:
            words = self.consequences()
            self.cleaned_data |= {"payload": self.payload(), "consequences": words}

    def adapt_to(self, charge_point: ChargePoint) -> None:
        """Offer what this charge point has: its connectors, its settings, its reservations."""
        connector = self.fields.get("connector")
        if isinstance(connector, ConnectorField):
            connector.offer(charge_point)

    def payload(self) -> dict[str, Any]:
        """The command's content, from fields that are valid."""
        return {}

    def consequences(self) -> list[str]:
        """What will happen, for the person who confirms it."""
        return []

    def number(self) -> int:
        """A number of this command's own, the same however often the form is sent."""
        return int(self.cleaned_data["key"].int % _LARGEST_NUMBER) + 1

    @classmethod
    def title(cls) -> str:
        return action_words(cls.action)


class ConnectorField(forms.TypedChoiceField):
    """One of the charge point's connectors, by number; `whole`: how the charge point as a whole (0) is called."""

    def __init__(self, *, whole: "StrOrPromise" = "", **kwargs: Any) -> None:
        self.whole = whole
        super().__init__(
            label=gettext_lazy("Connector"),
            coerce=int,
            widget=UnfoldAdminSelectWidget,
            choices=[("0", whole)] if whole else [],
            **kwargs,
        )

    def offer(self, charge_point: ChargePoint) -> None:
        connectors = charge_point.connectors.order_by("number")
        whole: Choices = [("0", self.whole)] if self.whole else []
        self.choices = [
            *whole,
            *((str(row.number), _("Connector %(number)s") % {"number": row.number}) for row in connectors),
        ]


def text(label: "StrOrPromise", **options: Any) -> forms.CharField:
    options.setdefault("max_length", 255)
    return forms.CharField(label=label, widget=UnfoldAdminTextInputWidget, **options)


def long_text(label: "StrOrPromise", *, rows: int = 6, **options: Any) -> forms.CharField:
    return forms.CharField(label=label, widget=UnfoldAdminTextareaWidget(attrs={"rows": rows}), **options)


def address(label: "StrOrPromise", **options: Any) -> forms.URLField:
    return forms.URLField(
        label=label,
        assume_scheme="https",
        max_length=512,
        widget=UnfoldAdminTextInputWidget,
        validators=[],
        **options,
    )


def whole_number(label: "StrOrPromise", **options: Any) -> forms.IntegerField:
    return forms.IntegerField(label=label, widget=UnfoldAdminIntegerFieldWidget, **options)


def choice(label: "StrOrPromise", choices: Choices, **options: Any) -> forms.ChoiceField:
    return forms.ChoiceField(label=label, choices=choices, widget=UnfoldAdminSelectWidget, **options)


class MomentInput(UnfoldAdminTextInputWidget):
    """The browser's own picker of date and time, to the minute."""

    input_type = "datetime-local"

    def format_value(self, value: Any) -> str | None:
        return f"{value:%Y-%m-%dT%H:%M}" if isinstance(value, datetime) else super().format_value(value)


def date_and_time(label: "StrOrPromise", **options: Any) -> forms.DateTimeField:
    return forms.DateTimeField(label=label, widget=MomentInput, **options)


def given(values: Mapping[str, Any]) -> dict[str, Any]:
    """Without what was left empty; moments as OCPP writes them."""
    return {
        name: write_moment(value) if isinstance(value, datetime) else value
        for name, value in values.items()
        if value not in (None, "")
    }
