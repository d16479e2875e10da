"""What the service answers when it refuses: status, code and text as it words them."""

from __future__ import annotations

from typing import Any, Final

PATCH_HINT: Final = (
    "Please provide a valid patch document. See section on update apis in the documentation"
    " https://aka.ms/adtv2twins."
)


class ServiceError(Exception):
    """A refusal.

    Parameters
    ----------
    status
        HTTP status.
    code
        The service's code.
    message
        Its text.
    details
        Texts of single faults, each under the same code.
    """

    def __init__(self, status: int, code: str, message: str, details: tuple[str, ...] = ()) -> None:
        super().__init__(message)
        self.status, self.code, self.message, self.details = status, code, message, details

    def body(self) -> dict[str, Any]:
        """Return the answer's body."""
        error: dict[str, Any] = {"code": self.code, "message": self.message}
        if self.details:
            error["details"] = [{"code": self.code, "message": text} for text in self.details]
        return {"error": error}


class MalformedError(ServiceError):
    """A body that cannot be read as what the operation takes: the web framework's own answer.

    Parameters
    ----------
    where
        Path of the element.
    message
        What is wrong with it.
    """

    def __init__(self, where: str, message: str) -> None:
        super().__init__(400, "", message)
        self.where = where

    def body(self) -> dict[str, Any]:
        """Return the answer's body, in the form of RFC 7807."""
        return {
            "errors": {self.where: [self.message]},
            "type": "https://tools.ietf.org/html/rfc7231#section-6.5.1",
            "title": "One or more validation errors occurred.",
            "status": 400,
            "detail": None,
            "instance": None,
            "extensions": {},
        }


def invalid_argument(message: str) -> ServiceError:
    """Return the refusal of an argument."""
    return ServiceError(400, "InvalidArgument", message)


def invalid_twin(*faults: str) -> ServiceError:
    """Return the refusal of a twin that its model does not allow."""
    return ServiceError(400, "ValidationFailed", "Invalid twin specified", faults)


def invalid_relationship(*faults: str) -> ServiceError:
    """Return the refusal of a relationship that its model does not allow."""
    return ServiceError(400, "ValidationFailed", "Invalid relationship specified", faults)


def invalid_patch(message: str) -> ServiceError:
    """Return the refusal of a patch document."""
    return ServiceError(400, "JsonPatchInvalid", f"{message} {PATCH_HINT}")


def invalid_models(message: str) -> ServiceError:
    """Return the refusal of models that are not valid DTDL."""
    return ServiceError(
        400,
        "DTDLParserError",
        f"None of the models in this request could be created due to a problem with one or more models:"
        f" {message}. See model documentation(https://aka.ms/ADTv2Models) for supported format.",
    )


def no_twin(twin_id: str) -> ServiceError:
    """Return the answer where a twin is not there."""
    return ServiceError(
        404,
        "DigitalTwinNotFound",
        f"There is no digital twin instance that exists with the ID {twin_id}. Please verify that the twin id"
        " is valid and ensure that the twin is not deleted. See section on querying the twins"
        " https://aka.ms/adtv2query.",
    )


def no_component(twin_id: str, name: str) -> ServiceError:
    """Return the answer where a twin has no such component."""
    return ServiceError(
        404,
        "ComponentNotFound",
        f"{twin_id} does not have component {name} Please verify that the component path is correct. You can"
        " get components by getting the twin, See example https://aka.ms/TwinGetSwSmpl.",
    )


def no_relationship(twin_id: str, relationship_id: str) -> ServiceError:
    """Return the answer where a twin has no such relationship."""
    return ServiceError(
        404,
        "RelationshipNotFound",
        f"Relationship {relationship_id} not found on twin {twin_id}. Please verify that the relationship id"
        " is valid and ensure that the relationship is not deleted. See section on listing relationships in"
        " the documentation https://aka.ms/adtv2twins.",
    )


def no_target() -> ServiceError:
    """Return the answer where a relationship's target is not there."""
    return ServiceError(
        404,
        "TargetDigitalTwinNotFound",
        "The target digital twin is invalid or does not exist. Please validate that the target twin is valid"
        " and ensure that the target twin is not deleted. See section on querying the twins"
        " https://aka.ms/adtv2query .",
    )


def no_model(*model_ids: str) -> ServiceError:
    """Return the answer where models are not there."""
    return ServiceError(
        404,
        "ModelNotFound",
        f"There is no Model(s) available that matches the provided id(s) {', '.join(model_ids)}. Check that"
        " the Model ID provided is valid by doing a Model_List API call.",
    )


def other_etag(etag: str) -> ServiceError:
    """Return the answer where If-Match does not match."""
    return ServiceError(
        412,
        "PreconditionFailed",
        f"The provided etag {etag} doesn't match the current etag for the resource. Please obtain and provide"
        " the latest etag by getting the resource. See section on get apis in the documentation"
        " https://aka.ms/adtv2twins.",
    )


def already_there(kind: str, item_id: str) -> ServiceError:
    """Return the answer where If-None-Match finds something."""
    return ServiceError(
        412,
        "PreconditionFailed",
        f"If-None-Match: * header was specified but a {kind} with the id {item_id} was found. Please specify"
        f" a different {kind} id.",
    )


def too_large(what: str, limit_bytes: int) -> ServiceError:
    """Return the refusal of something above a size limit."""
    return ServiceError(
        413, "PayloadTooLarge", f"The {what} is larger than the limit of {limit_bytes} bytes."
    )
