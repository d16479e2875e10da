"""What suites may ask of the settings, by name."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from battery_lake.settings import Settings


def parameters(settings: Settings) -> dict[str, float]:
    """Return the values that ``{"$PARAMETER": name}`` stands for; limits are those of every chemistry."""
    limits, quality = settings.limits, settings.quality
    return {
        "clock_skew_s": settings.refine.clock_skew_s,
        "oldest_future_s": -settings.refine.clock_skew_s,
        "max_body_bytes": settings.refine.max_body_bytes,
        "cell_voltage_min_v": min(limits.cell_voltage_min_v.values()),
        "cell_voltage_max_v": max(limits.cell_voltage_max_v.values()),
        "temperature_min_c": min(limits.temperature_min_c.values()),
        "temperature_max_c": max(limits.temperature_max_c.values()),
        "current_max_a": max(limits.current_max_a.values()),
        "max_refused_pct": quality.max_refused_pct,
        "max_flagged_pct": quality.max_flagged_pct,
        "max_silence_s": quality.max_silence_s,
    }
