"""One log set-up: structlog on stderr, JSON where a machine reads it, coloured on a terminal."""

from __future__ import annotations

import logging
import os
import sys
from typing import Any

import structlog


def configure(verbosity: int = 0) -> None:
    """Set up logging for the process.

    Parameters
    ----------
    verbosity
        -1 errors only, 0 warnings, 1 what was done, 2 everything.
    """
    level = {-1: logging.ERROR, 0: logging.WARNING, 1: logging.INFO}.get(verbosity, logging.DEBUG)
    machine = not sys.stderr.isatty() and "DATABRICKS_RUNTIME_VERSION" in os.environ
    renderer: Any = (
        structlog.processors.JSONRenderer() if machine else structlog.dev.ConsoleRenderer(colors=False)
    )
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            renderer,
        ],
        wrapper_class=structlog.make_filtering_bound_logger(level),
        # Asked for with every logger: what stands for stderr may be another one by then.
        logger_factory=lambda *_: structlog.PrintLogger(sys.stderr),
    )


def logger(name: str) -> Any:
    """Return a logger; its events are snake-case names in the past tense, numbers are fields."""
    return structlog.get_logger(component=name)
