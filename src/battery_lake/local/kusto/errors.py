"""What the service answers where it does not do what it was asked."""

from __future__ import annotations

from typing import Any, Final

BAD_REQUEST: Final = 400


class RefusalError(Exception):
    """A request that is refused.

    Parameters
    ----------
    message
        What is wrong.
    status
        HTTP status.
    code
        The service's word for it.
    permanent
        Whether asking again is of no use.
    """

    def __init__(
        self,
        message: str,
        *,
        status: int = BAD_REQUEST,
        code: str = "General_BadRequest",
        permanent: bool = True,
    ) -> None:
        super().__init__(message)
        self.message = message
        self.status = status
        self.code = code
        self.permanent = permanent

    def body(self) -> dict[str, Any]:
        """Return the body of the answer, in the form that the SDK reads."""
        return {
            "error": {
                "code": self.code,
                "message": "Request is invalid and cannot be executed." if self.permanent else self.message,
                "@type": "Kusto.Data.Exceptions.KustoBadRequestException",
                "@message": self.message,
                "@context": {"timestamp": None, "serviceAlias": "LOCAL"},
                "@permanent": self.permanent,
            }
        }


def syntax(message: str) -> RefusalError:
    """Return the fault of a text that is no command or query the stand-in knows."""
    return RefusalError(f"Syntax error: {message}", code="BadRequest_SyntaxError")


def unknown(what: str, name: str) -> RefusalError:
    """Return the fault of a name that nothing bears."""
    return RefusalError(
        f"Semantic error: SEM0100: Failed to resolve {what} named '{name}'",
        code="BadRequest_EntityNotFound",
    )
