"""What the workspace answers when it refuses: status, code and text as it words them."""

from __future__ import annotations


class RefusalError(Exception):
    """A refusal.

    Parameters
    ----------
    status
        HTTP status.
    code
        The service's code.
    message
        Its text.
    """

    def __init__(self, status: int, code: str, message: str) -> None:
        super().__init__(message)
        self.status, self.code, self.message = status, code, message

    def body(self) -> dict[str, str]:
        """Return the answer's body."""
        return {"error_code": self.code, "message": self.message}


def invalid(message: str) -> RefusalError:
    """Return the refusal of a value."""
    return RefusalError(400, "INVALID_PARAMETER_VALUE", message)


def missing(message: str) -> RefusalError:
    """Return the answer where something is not there."""
    return RefusalError(404, "RESOURCE_DOES_NOT_EXIST", message)


def already(message: str, code: str = "RESOURCE_ALREADY_EXISTS") -> RefusalError:
    """Return the refusal to make again what is there; files answer 400, the catalog 409 by code."""
    return RefusalError(400, code, message)
