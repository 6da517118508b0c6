"""The error answers of the API.

Scope: bodies and statuses of refusals. Which one applies is decided where it happens.
"""

from ..app import Refused
from ..server import Response

DOCS = "https://stripe.com/docs/error-codes/"


def error(status,
          message,
          code=None,
          param=None,
          type="invalid_request_error",
          headers=None,
          **more):
    """An error answer; members are left out when they have no value, as the API does."""
    body = {
        "code": code, "doc_url": DOCS + code.replace("_", "-") if code else None, "message":
        message, "param": param, **more, "type": type
    }
    return Response.of_json(
        {"error": {key: value
                   for key, value in body.items() if value is not None}}, status, headers or {})


def refuse(status, message, code=None, param=None, **more):
    raise Refused(error(status, message, code, param, **more))


def unknown_params(names):
    names = list(dict.fromkeys(names))
    plural = "s" if len(names) > 1 else ""
    refuse(400, f"Received unknown parameter{plural}: {', '.join(names)}", "parameter_unknown",
           names[0])


def missing_param(name):
    refuse(400, f"Missing required param: {name}.", "parameter_missing", name)


def invalid_integer(name, value):
    refuse(400, f"Invalid integer: {value}", "parameter_invalid_integer", name)


def exclusive(first, second):
    refuse(400, f"You may only specify one of these parameters: {first}, {second}.", None, first)


def no_such(object, id, param="id", status=404):
    word = object.replace(".", " ").replace("_", " ") if "." in object else object
    refuse(status, f"No such {word}: '{id}'", "resource_missing", param)


def unknown_url(method, path):
    refuse(
        404,
        f"Unrecognized request URL ({method}: {path}). Please see https://stripe.com/docs or we "
        "can help at https://support.stripe.com/.")


def masked(key):
    """A key as it may be shown: its kind and its last four characters."""
    if len(key) < 12:
        return "*" * len(key)
    return key[:8] + "*" * max(3, len(key) - 12) + key[-4:]


def invalid_key(key):
    return error(401, f"Invalid API Key provided: {masked(key)}")


def no_key():
    return error(401, "You did not provide an API key. You need to provide your API key in the "
                 "Authorization header, using Bearer auth (e.g. 'Authorization: Bearer "
                 "YOUR_SECRET_KEY').",
                 headers={"WWW-Authenticate": 'Bearer realm="Stripe"'})


def expired_key(key):
    return error(401, f"Expired API Key provided: {masked(key)}", "api_key_expired")


def publishable_key():
    return error(
        401, "This API call cannot be made with a publishable API key. Please use a secret API "
        "key.", "secret_key_required")


def missing_permission(key, account, permission):
    return error(
        403, f"The provided key '{masked(key)}' does not have the required permissions for this "
        f"endpoint on account '{account}'. Having the '{permission}' permission would allow this "
        "request to continue.")


def limited(reason, status=429):
    if reason is None:
        return error(
            status, "This object cannot be accessed right now because another API request or "
            "Stripe process is currently accessing it.", "lock_timeout")
    return error(status, "Request rate limit exceeded. You can learn more about rate limits here "
                 "https://stripe.com/docs/rate-limits.",
                 "rate_limit",
                 headers={"Stripe-Rate-Limited-Reason": reason})


def server_error(status):
    return error(status, "An unknown error occurred. This has been logged.", type="api_error")
