"""Tokens: who may attach."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
from urllib.parse import unquote_plus

PREFIX = "SharedAccessSignature "


def reason_to_refuse(token: str, key_name: str, key: str | None, now_s: float) -> str | None:
    """Judge a shared access signature.

    Parameters
    ----------
    token
        ``SharedAccessSignature sr=...&sig=...&se=...&skn=...``
    key_name
        Name of the policy.
    key
        Its key; None takes any signature.
    now_s
        The present. [s since 1970]

    Returns
    -------
    str or None
        Why the token is refused, or None where it is good.

    References
    ----------
    Microsoft, Authenticate access to Event Hubs with shared access signatures.
    """
    if not token.startswith(PREFIX):
        return "InvalidToken: the token is no shared access signature."
    fields = dict(part.partition("=")[::2] for part in token.removeprefix(PREFIX).split("&"))
    if not {"sr", "sig", "se"} <= fields.keys() or not fields["se"].isdigit():
        return "MalformedToken: sr, sig and se are needed."
    if int(fields["se"]) <= now_s:
        return "ExpiredToken: The token is expired."
    return None if key is None else _signature_fault(fields, key_name, key)


def reason_to_refuse_jwt(token: str, now_s: float) -> str | None:
    """Judge a Microsoft Entra token by its time only: who signed it cannot be asked without a network.

    Parameters
    ----------
    token
        A JSON web token.
    now_s
        The present. [s since 1970]

    Returns
    -------
    str or None
        Why the token is refused, or None where it is good.

    References
    ----------
    RFC 7519, JSON Web Token.
    """
    try:
        _, claims, _ = token.split(".")
        expires_s = float(json.loads(base64.urlsafe_b64decode(claims + "=" * (-len(claims) % 4)))["exp"])
    except (ValueError, KeyError, TypeError):
        return "MalformedToken: the token is no JSON web token with a time of expiry."
    return "ExpiredToken: The token is expired." if expires_s <= now_s else None


def _signature_fault(fields: dict[str, str], key_name: str, key: str) -> str | None:
    """Compare policy and signature with the hub's."""
    if unquote_plus(fields.get("skn", "")) != key_name:
        return f"InvalidSignature: no policy is called {unquote_plus(fields.get('skn', ''))!r}."
    signed = f"{fields['sr']}\n{fields['se']}".encode()
    wanted = base64.b64encode(hmac.new(key.encode(), signed, hashlib.sha256).digest()).decode()
    if not hmac.compare_digest(wanted, unquote_plus(fields["sig"])):
        return "InvalidSignature: The token has an invalid signature."
    return None
