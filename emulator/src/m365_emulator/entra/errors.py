"""Errors as Entra reports them: one table of AADSTS numbers and one exception."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple


class ErrorKind(NamedTuple):
    """How one AADSTS number is reported."""

    error: str
    text: str
    suberror: str | None = None
    status: int = 400


ERRORS: dict[int, ErrorKind] = {
    0: ErrorKind("access_denied", ""),
    16000: ErrorKind(
        "interaction_required",
        "The signed-in account does not exist in this tenant, or several sessions fit and no page may be shown.",
    ),
    28002: ErrorKind("invalid_scope", "The scope in the request is not valid when a token is redeemed."),
    28003: ErrorKind("invalid_request", "The scope in the request is empty."),
    50005: ErrorKind("invalid_grant", "The device platform is not allowed by Conditional Access."),
    50011: ErrorKind(
        "invalid_request",
        "The redirect URI in the request does not match the redirect URIs registered for the application.",
    ),
    50012: ErrorKind("invalid_client", "The client assertion failed authentication.", status=401),
    50013: ErrorKind(
        "invalid_grant", "The assertion is not valid: its signature, audience or issuer does not fit."
    ),
    500133: ErrorKind("invalid_grant", "The assertion is not within its valid time range."),
    50020: ErrorKind(
        "access_denied",
        "The account comes from another identity provider and is not a member or guest of this tenant.",
    ),
    500011: ErrorKind("invalid_resource", "The resource principal was not found in the tenant."),
    500021: ErrorKind(
        "access_denied", "Access to this tenant is denied by tenant restrictions on the network."
    ),
    50034: ErrorKind("invalid_grant", "The user account does not exist in the directory.", "bad_token"),
    50049: ErrorKind("invalid_instance", "The authority is not a known instance."),
    50055: ErrorKind("invalid_grant", "The password is expired.", "user_password_expired"),
    50057: ErrorKind("invalid_grant", "The user account is disabled."),
    50058: ErrorKind("login_required", "A silent sign-in was requested but no user is signed in."),
    50059: ErrorKind(
        "invalid_request", "No tenant-identifying information was found in the request or in the credentials."
    ),
    50074: ErrorKind(
        "invalid_grant", "Strong authentication is required and the user did not pass it.", "basic_action"
    ),
    50076: ErrorKind(
        "invalid_grant",
        "Because of a policy or a new location, multi-factor authentication is required to access the resource.",
        "basic_action",
    ),
    50105: ErrorKind(
        "invalid_grant",
        "The signed-in user is not assigned to a role for the application; an administrator must grant access.",
    ),
    50126: ErrorKind("invalid_grant", "Invalid user name or password."),
    50128: ErrorKind("invalid_request", "Invalid domain name: no tenant was found for the address."),
    50146: ErrorKind(
        "invalid_request", "The application must have an application-specific signing key to map claims."
    ),
    50148: ErrorKind(
        "invalid_grant", "The code_verifier does not match the code_challenge of the authorization request."
    ),
    50173: ErrorKind(
        "invalid_grant",
        "The grant is expired because it was revoked; a fresh sign-in is needed.",
        "bad_token",
    ),
    50194: ErrorKind(
        "invalid_request",
        "The application is not configured as a multi-tenant application; use the tenant's own endpoint.",
    ),
    500112: ErrorKind(
        "invalid_client",
        "The reply address does not match the one used to request the authorization code.",
        status=401,
    ),
    500113: ErrorKind("invalid_request", "No reply address is registered for the application."),
    500208: ErrorKind(
        "invalid_request", "The account type is not valid here; a work or school account is needed."
    ),
    500212: ErrorKind(
        "access_denied",
        "The user's administrator has set an outbound access policy that does not allow access to the resource tenant.",
    ),
    53000: ErrorKind(
        "invalid_grant", "The device must be compliant to access this resource.", "additional_action"
    ),
    53003: ErrorKind("invalid_grant", "Access is blocked by Conditional Access policies.", "message_only"),
    54005: ErrorKind("invalid_grant", "The authorization code was already redeemed."),
    65001: ErrorKind(
        "invalid_grant",
        "The user or administrator has not consented to use the application.",
        "consent_required",
    ),
    65004: ErrorKind("access_denied", "The user declined to consent to access the app."),
    650052: ErrorKind(
        "invalid_client",
        "The app needs access to a service that the organization has not subscribed to or enabled.",
    ),
    70000: ErrorKind(
        "invalid_grant", "The provided grant is invalid, malformed, or not issued to this client."
    ),
    700005: ErrorKind("invalid_grant", "The authorization code is meant for another tenant."),
    700016: ErrorKind(
        "unauthorized_client",
        "The application was not found in the directory; nobody here has installed it or consented to it.",
    ),
    70003: ErrorKind("unsupported_grant_type", "The app requested an unsupported grant type."),
    70005: ErrorKind("unsupported_response_type", "The response type is not supported."),
    70008: ErrorKind("invalid_grant", "The authorization code or refresh token is expired."),
    70011: ErrorKind("invalid_scope", "The provided value for the input parameter 'scope' is not valid."),
    70016: ErrorKind("authorization_pending", "The user has not yet finished signing in."),
    70018: ErrorKind("bad_verification_code", "The device code is not known."),
    70019: ErrorKind("expired_token", "The device code is expired."),
    70020: ErrorKind("expired_token", "The device code is expired."),
    70021: ErrorKind(
        "invalid_request", "No matching federated identity record was found for the presented assertion."
    ),
    700211: ErrorKind(
        "invalid_client",
        "No matching federated identity record was found for the presented assertion issuer.",
        status=401,
    ),
    700213: ErrorKind(
        "invalid_client",
        "No matching federated identity record was found for the presented assertion subject.",
        status=401,
    ),
    700212: ErrorKind(
        "invalid_client",
        "No matching federated identity record was found for the presented assertion audience.",
        status=401,
    ),
    70043: ErrorKind(
        "invalid_grant",
        "The refresh token is expired or invalid because of sign-in frequency checks by Conditional Access.",
        "token_expired",
    ),
    70044: ErrorKind("authorization_declined", "The user declined the request."),
    700022: ErrorKind(
        "invalid_scope", "The request names scopes of more than one resource; a token is for one resource."
    ),
    700024: ErrorKind(
        "invalid_client", "The client assertion is not within its valid time range.", status=401
    ),
    700025: ErrorKind(
        "invalid_client",
        "The client is public, so neither client_assertion nor client_secret should be presented.",
        status=401,
    ),
    700027: ErrorKind(
        "invalid_client",
        "The certificate that signed the client assertion is not registered, or the signature is invalid.",
        status=401,
    ),
    700030: ErrorKind(
        "invalid_client", "The client assertion's issuer or subject is not the client id.", status=401
    ),
    700054: ErrorKind(
        "unsupported_response_type", "The response_type 'id_token' is not enabled for the application."
    ),
    700082: ErrorKind("invalid_grant", "The refresh token is expired because it was not used for 90 days."),
    700084: ErrorKind(
        "invalid_grant", "The refresh token was issued to a single-page app and its 24 hours are over."
    ),
    700229: ErrorKind(
        "invalid_client", "Only app-only tokens can be used as federated credentials.", status=401
    ),
    7000112: ErrorKind("unauthorized_client", "The application is disabled."),
    7000114: ErrorKind("unauthorized_client", "The application is not allowed to make on-behalf-of calls."),
    7000215: ErrorKind(
        "invalid_client", "Invalid client secret provided. Send the secret's value, not its id.", status=401
    ),
    7000216: ErrorKind(
        "invalid_client",
        "client_assertion, client_secret or a request with a certificate is needed for this grant type.",
        status=401,
    ),
    7000218: ErrorKind(
        "invalid_client",
        "The request body must contain the parameter 'client_assertion' or 'client_secret'.",
        status=401,
    ),
    7000222: ErrorKind(
        "invalid_client", "The provided client secret keys for the app are expired.", status=401
    ),
    7000229: ErrorKind(
        "invalid_client", "The client application is missing a service principal in the tenant.", status=401
    ),
    90002: ErrorKind(
        "invalid_request",
        "The tenant was not found. Check that you have the correct tenant id and are signing in to the correct cloud.",
    ),
    90009: ErrorKind(
        "invalid_request",
        "The application requests a token for itself; it must use its GUID as the resource.",
    ),
    90014: ErrorKind("invalid_request", "A required field is missing from the request."),
    900144: ErrorKind("invalid_request", "The request body must contain a required parameter."),
    900561: ErrorKind(
        "invalid_request", "The endpoint only accepts POST requests. A GET request was received."
    ),
    900941: ErrorKind("access_denied", "Administrator consent is required: the app is considered risky."),
    900971: ErrorKind("invalid_request", "No reply address was provided."),
    900981: ErrorKind("access_denied", "An administrator consent request was received for a risky app."),
    90015: ErrorKind("invalid_request", "The query string is too long."),
    90023: ErrorKind("invalid_request", "A parameter of the request is not valid."),
    90033: ErrorKind(
        "temporarily_unavailable", "A transient error has occurred. Please try again.", status=503
    ),
    90072: ErrorKind(
        "invalid_grant",
        "The external account does not exist in the tenant and cannot access the application.",
    ),
    90093: ErrorKind("access_denied", "The caller is not authorized to grant these permissions."),
    90094: ErrorKind("access_denied", "Administrator consent is required."),
    9001023: ErrorKind(
        "invalid_request", "The grant type is not supported over the /common or /consumers endpoints."
    ),
    9002313: ErrorKind("invalid_request", "The request is malformed or invalid."),
    9002325: ErrorKind(
        "invalid_request",
        "Proof Key for Code Exchange is required for cross-origin authorization code redemption.",
    ),
    9002327: ErrorKind(
        "invalid_request",
        "Tokens issued for the single-page application client type may only be redeemed by cross-origin requests.",
    ),
    9002332: ErrorKind("invalid_request", "The application is configured for work or school accounts only."),
    1000502: ErrorKind("invalid_client", "The certificate is not within its validity period.", status=401),
    50000: ErrorKind("server_error", "The service could not issue a token.", status=500),
    50001: ErrorKind("invalid_resource", "The resource is disabled or unknown."),
    50053: ErrorKind(
        "invalid_grant", "The account is locked, or the address of the client is seen as malicious."
    ),
    50072: ErrorKind("invalid_grant", "The user must enrol for multi-factor authentication.", "basic_action"),
    50078: ErrorKind("invalid_grant", "The multi-factor authentication is too old.", "basic_action"),
    50079: ErrorKind(
        "invalid_grant", "The user must register for multi-factor authentication.", "basic_action"
    ),
    50085: ErrorKind("invalid_grant", "The refresh token needs a sign-in at the social identity provider."),
    50097: ErrorKind("invalid_grant", "Device authentication is required.", "additional_action"),
    50131: ErrorKind("invalid_grant", "A Conditional Access condition was not met."),
    50132: ErrorKind(
        "invalid_grant", "The session is not valid: the password expired or was changed.", "bad_token"
    ),
    50133: ErrorKind(
        "invalid_grant", "The session is not valid: the password expired or was changed.", "bad_token"
    ),
    50144: ErrorKind("invalid_grant", "The password in the on-premises directory is expired."),
    50158: ErrorKind("invalid_grant", "An external security challenge was not satisfied.", "basic_action"),
    50196: ErrorKind("temporarily_unavailable", "The client repeats the same request in a loop.", status=400),
    53001: ErrorKind("invalid_grant", "The device must be joined to the domain.", "additional_action"),
    53002: ErrorKind("invalid_grant", "The app used is not approved for Conditional Access.", "message_only"),
    53011: ErrorKind(
        "invalid_grant", "The user is blocked because of risk in the home tenant.", "message_only"
    ),
    530002: ErrorKind("invalid_grant", "The device must be compliant.", "additional_action"),
    530003: ErrorKind("invalid_grant", "The device must be managed.", "additional_action"),
    530032: ErrorKind("invalid_grant", "A security policy of the tenant blocks the request.", "message_only"),
    65002: ErrorKind("invalid_request", "Consent between first-party applications must be preauthorized."),
    65005: ErrorKind("invalid_resource", "The application's required resource access list is wrong."),
    650056: ErrorKind(
        "invalid_client", "The application is misconfigured: it lists no permission for the resource."
    ),
    650057: ErrorKind(
        "invalid_resource", "The resource is not in the application's list of requested permissions."
    ),
    70001: ErrorKind("unauthorized_client", "The application is disabled."),
    700003: ErrorKind("invalid_grant", "The device object was not found in the tenant."),
    700011: ErrorKind("unauthorized_client", "The application was not found in the directory."),
    700020: ErrorKind("interaction_required", "The access grant requires interaction."),
    700023: ErrorKind("invalid_scope", "The scope names no resource."),
    90006: ErrorKind("temporarily_unavailable", "The service failed for a moment.", status=503),
    90012: ErrorKind("temporarily_unavailable", "The request timed out.", status=503),
    90024: ErrorKind("temporarily_unavailable", "The service failed for a moment.", status=503),
    90055: ErrorKind("temporarily_unavailable", "Too many requests for this tenant.", status=429),
    90090: ErrorKind("server_error", "The directory failed for a moment.", status=500),
    90099: ErrorKind(
        "access_denied", "The application is not authorized in the tenant for delegated administrators."
    ),
    9999999: ErrorKind("unexpected_failure", "The request could not be completed."),
}
"""Own words; the numbers, OAuth errors and suberrors are the documented ones.

Source: learn.microsoft.com/entra/identity-platform/reference-error-codes
"""


_UNLISTED = ErrorKind("invalid_grant", "The emulator has no words for this number.")


@dataclass(slots=True)
class EntraError(Exception):
    """A documented failure. The endpoint turns it into JSON, a redirect or a page."""

    code: int
    detail: str = ""
    """Added to the table's text: names and values that help to fix it."""
    error: str | None = None
    """Overrides the table's OAuth error."""
    claims: str | None = None
    suberror: str | None = None
    retry_after_seconds: int | None = None

    @property
    def kind(self) -> ErrorKind:
        """The table row."""
        return ERRORS.get(self.code, _UNLISTED)

    @property
    def oauth_error(self) -> str:
        """The OAuth `error` value."""
        return self.error or self.kind.error

    @property
    def text(self) -> str:
        """`AADSTSnnn: …` without trace lines."""
        return f"AADSTS{self.code}: {self.kind.text}{' ' + self.detail if self.detail else ''}"
