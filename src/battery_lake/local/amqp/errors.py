"""The error conditions that are put on the wire, and the exception that carries one to where it is sent."""

from __future__ import annotations

DECODE_ERROR = "amqp:decode-error"
INTERNAL_ERROR = "amqp:internal-error"
NOT_FOUND = "amqp:not-found"
NOT_ALLOWED = "amqp:not-allowed"
UNAUTHORIZED = "amqp:unauthorized-access"
RESOURCE_LIMIT = "amqp:resource-limit-exceeded"
CONNECTION_FORCED = "amqp:connection:forced"
FRAMING_ERROR = "amqp:connection:framing-error"
LINK_STOLEN = "amqp:link:stolen"
DETACH_FORCED = "amqp:link:detach-forced"
MESSAGE_TOO_LARGE = "amqp:link:message-size-exceeded"
SERVER_BUSY = "com.microsoft:server-busy"
ARGUMENT_ERROR = "com.microsoft:argument-error"


class AmqpError(Exception):
    """An error for the peer, not for the reader of this process's output.

    Parameters
    ----------
    condition
        The AMQP error condition, for instance ``amqp:not-found``.
    description
        One sentence for the peer's log.
    """

    def __init__(self, condition: str, description: str = "") -> None:
        super().__init__(f"{condition}: {description}")
        self.condition = condition
        self.description = description
