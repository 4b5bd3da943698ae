"""Portal pages of customers' plain records. The driver's own page is composed in config.admin.customers."""

from django.contrib import admin
from django.contrib.auth.admin import UserAdmin as DjangoUserAdmin
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils.safestring import SafeString
from django.utils.translation import gettext_lazy as _
from unfold.admin import TabularInline
from unfold.decorators import display
from unfold.forms import AdminPasswordChangeForm, UserChangeForm, UserCreationForm

from accounts.models import AuditEvent, Contract, CustomerGroup, Partner, PartnerMember, Token, User
from accounts.portal import AuditedAdmin
from common.portal import ReadOnlyAdmin, link_to


@admin.register(User)
class UserAdmin(DjangoUserAdmin, AuditedAdmin):  # type: ignore[misc]
    """Logins. Only a superuser makes superusers."""

    form = UserChangeForm
    add_form = UserCreationForm
    change_password_form = AdminPasswordChangeForm
    list_display = ("email", "name", "roles", "is_staff", "is_active", "last_login")
    list_filter = ("is_staff", "is_active", "groups")
    search_fields = ("email", "name")
    ordering = ("email",)
    readonly_fields = ("last_login", "date_joined")
    filter_horizontal = ()
    csv_columns = ("email", "name", "is_staff", "is_active", "last_login")
    fieldsets = (
        (None, {"fields": ("email", "name", "password")}),
        (_("Operator portal"), {"fields": ("is_active", "is_staff", "is_superuser", "groups")}),
        (_("Dates"), {"fields": ("last_login", "date_joined")}),
    )
    add_fieldsets = ((None, {"classes": ("wide",), "fields": ("email", "name", "password1", "password2")}),)

    def get_queryset(self, request: HttpRequest) -> QuerySet[User]:
        return super().get_queryset(request).prefetch_related("groups")

    def get_readonly_fields(self, request: HttpRequest, obj: User | None = None) -> tuple[str, ...]:
        fields = tuple(super().get_readonly_fields(request, obj))
        return fields if request.user.is_superuser else (*fields, "is_superuser")

    def has_change_permission(self, request: HttpRequest, obj: User | None = None) -> bool:
        """A superuser's login, password included, is changed by superusers alone."""
        if isinstance(obj, User) and obj.is_superuser and not request.user.is_superuser:
            return False
        return super().has_change_permission(request, obj)

    @display(description=_("roles"))
    def roles(self, user: User) -> str:
        return ", ".join(group.name for group in user.groups.all()) or "–"


@admin.register(CustomerGroup)
class CustomerGroupAdmin(AuditedAdmin):
    list_display = ("name", "code", "is_public")
    search_fields = ("name", "code")
    may_delete = True


@admin.register(Contract)
class ContractAdmin(ReadOnlyAdmin):
    """Which driver was on which contract when. Changed from the driver's page."""

    list_display = ("driver_link", "contract_type", "starts_at", "ends_at")
    list_filter = ("contract_type",)
    search_fields = ("driver__name", "driver__email")
    list_select_related = ("driver", "contract_type")
    csv_columns = ("driver__name", "driver__email", "contract_type__code", "starts_at", "ends_at")

    @display(description=_("driver"))
    def driver_link(self, contract: Contract) -> SafeString | str:
        return link_to(contract.driver)


class PartnerMemberInline(TabularInline):
    model = PartnerMember
    extra = 0
    autocomplete_fields = ("user", "driver")
    fields = ("role", "user", "driver", "cost_centre")


@admin.register(Partner)
class PartnerAdmin(AuditedAdmin):
    list_display = ("name", "is_corporate_customer", "is_host", "city", "country", "billing_email")
    list_filter = ("is_corporate_customer", "is_host", "country")
    search_fields = ("name", "billing_email", "vat_id", "city")
    csv_columns = ("name", "is_corporate_customer", "is_host", "vat_id", "billing_email", "city", "country")
    inlines = (PartnerMemberInline,)


@admin.register(Token)
class TokenAdmin(AuditedAdmin):
    """Tokens are added here; blocking them, with a reason, is on the driver's page."""

    list_display = ("id_tag", "label", "kind", "driver_link", "status_label", "valid_until")
    list_filter = ("kind", "status")
    search_fields = ("id_tag", "label", "driver__name", "driver__email")
    list_select_related = ("driver",)
    autocomplete_fields = ("driver",)
    readonly_fields = ("status", "created_at")
    fields = ("id_tag", "kind", "label", "driver", "valid_until", "status", "created_at")
    csv_columns = ("id_tag", "label", "kind", "driver__name", "status", "valid_until")

    def get_readonly_fields(self, request: HttpRequest, obj: Token | None = None) -> tuple[str, ...]:
        """Whose card it is and what it says never change: sessions hang from it."""
        return self.readonly_fields if obj is None else (*self.readonly_fields, "id_tag", "kind", "driver")

    @display(description=_("driver"), ordering="driver__name")
    def driver_link(self, token: Token) -> SafeString | str:
        return link_to(token.driver)

    @display(description=_("status"), label={Token.Status.ACTIVE: "success", Token.Status.BLOCKED: "danger"})
    def status_label(self, token: Token) -> tuple[str, str]:
        return token.status, token.get_status_display()


@admin.register(AuditEvent)
class AuditEventAdmin(ReadOnlyAdmin):
    list_display = ("at", "actor", "action", "subject_type", "subject_id", "reason")
    list_filter = ("action", "subject_type")
    search_fields = ("subject_id", "reason", "actor__email")
    list_select_related = ("actor",)
    date_hierarchy = "at"
    csv_columns = ("at", "actor__email", "action", "subject_type", "subject_id", "reason")
