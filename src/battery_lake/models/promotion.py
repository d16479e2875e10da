"""Champion and challenger: compared on packs that neither has seen, promoted only if better, rolled back."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from battery_lake.cells.life_scores import Comparison, calibration_bound, compare
from battery_lake.clock import utc_now
from battery_lake.errors import ModelError
from battery_lake.models.champion import keep
from battery_lake.models.store import (
    CHALLENGER,
    CHAMPION,
    addresses,
    aliased,
    load_trained,
    opened,
    version_of,
)
from battery_lake.models.trained import SHIPPED, shipped

if TYPE_CHECKING:
    from mlflow import MlflowClient
    from mlflow.entities.model_registry import ModelVersion

    from battery_lake.models.examples import Examples
    from battery_lake.models.store import Addresses
    from battery_lake.settings import Settings

LEAST_PACKS: Final = 10
"""On so many packs two models must have been told apart."""

CALIBRATED: Final = 0.1
"""Calibration error that counts as good whatever the champion's is. [1]"""

REPLACED: Final = "replaced"
"""Tag of a version: the champion before it."""


@dataclass(frozen=True, slots=True)
class Verdict:
    """Whether a challenger may replace the champion, with the figures.

    Parameters
    ----------
    champion, challenger
        Versions; ``shipped``: what comes with the product.
    loss_days, calibration_error, coverage_frac
        Of champion and challenger, on the same packs. [d, 1, 1]
    comparison
        Challenger less champion.
    reasons
        Why not; nothing: it may.
    """

    champion: str
    challenger: str
    loss_days: tuple[float, float]
    calibration_error: tuple[float, float]
    coverage_frac: tuple[float, float]
    comparison: Comparison
    reasons: tuple[str, ...]

    @property
    def passes(self) -> bool:
        """Whether it may."""
        return not self.reasons


@dataclass(frozen=True, slots=True)
class Listed:
    """A registered version, for the screen."""

    version: str
    aliases: tuple[str, ...]
    created_at: str
    metrics: dict[str, float]
    tags: dict[str, str]


def compared(settings: Settings, examples: Examples, challenger: str = "") -> Verdict:
    """Judge a challenger against the champion.

    Each is judged on a pack by the prior that was fitted without that pack, where the pack took part in its
    training. The challenger must lose less, and must not be calibrated worse: both at the 97.5 % bound of a
    paired bootstrap over packs. A challenger whose own calibration error is surely below :data:`CALIBRATED`
    counts as calibrated.

    Parameters
    ----------
    settings
        Say where models are.
    examples
        Of the fleet's history as it is now.
    challenger
        Its number; empty: the one with the alias.

    Raises
    ------
    ModelError
        There is no challenger.
    """
    where = addresses(settings)
    with opened(where) as client:
        best, other = aliased(client, where, CHAMPION), _challenger(client, where, challenger)
        new, _ = load_trained(where, str(other.version))
        old = load_trained(where, str(best.version))[0] if best else shipped()
    judged = examples.judged()
    ours, theirs = judged.scores(new.without), judged.scores(old.without)
    comparison = compare(ours, theirs)
    return Verdict(
        champion=str(best.version) if best else SHIPPED,
        challenger=str(other.version),
        loss_days=(theirs.mean_loss_days, ours.mean_loss_days),
        calibration_error=(theirs.calibration_error, ours.calibration_error),
        coverage_frac=(theirs.coverage, ours.coverage),
        comparison=comparison,
        reasons=reasons(comparison, calibration_bound(ours)),
    )


def reasons(comparison: Comparison, own_error: float) -> tuple[str, ...]:
    """Return why a challenger must not replace the champion, in words; nothing: it may.

    Parameters
    ----------
    comparison
        Challenger less champion.
    own_error
        Upper bound of the challenger's calibration error. [1]
    """
    loss, calibration = comparison.loss_days, comparison.calibration
    found = []
    if comparison.packs < LEAST_PACKS:
        found.append(f"only {comparison.packs} packs tell the two apart, {LEAST_PACKS} are needed")
    if not loss.high < 0.0:
        found.append(
            f"not more accurate: the loss changes by {loss.mean:+.1f} d"
            f" (95 % interval {loss.low:+.1f} to {loss.high:+.1f} d)"
        )
    if not (calibration.high <= 0.0 or own_error <= CALIBRATED):
        found.append(
            f"not calibrated as well: the error changes by {calibration.mean:+.3f}"
            f" (95 % interval {calibration.low:+.3f} to {calibration.high:+.3f}),"
            f" and may itself be {own_error:.3f}, above {CALIBRATED}"
        )
    return tuple(found)


def promote(settings: Settings, examples: Examples, challenger: str = "") -> Verdict:
    """Compare, and make the challenger champion if it passes; else tag it with the reasons.

    Parameters
    ----------
    settings, examples, challenger
        See :func:`compared`.
    """
    verdict, where = compared(settings, examples, challenger), addresses(settings)
    with opened(where) as client:
        if not verdict.passes:
            client.set_model_version_tag(
                where.name, verdict.challenger, "refused", "; ".join(verdict.reasons)[:250]
            )
            return verdict
        client.set_model_version_tag(where.name, verdict.challenger, REPLACED, verdict.champion)
        client.set_model_version_tag(where.name, verdict.challenger, "promoted_at", utc_now().isoformat())
        _crown(client, where, verdict.challenger)
        now = aliased(client, where, CHALLENGER)
        if now is not None and str(now.version) == verdict.challenger:
            client.delete_registered_model_alias(where.name, CHALLENGER)
    return verdict


def roll_back(settings: Settings, to: str = "") -> tuple[str, str]:
    """Make an earlier version champion again.

    Parameters
    ----------
    settings
        Say where models are.
    to
        Its number, or ``shipped``; empty: the one that the champion replaced.

    Returns
    -------
    tuple[str, str]
        The champion before and now.

    Raises
    ------
    ModelError
        There is no champion, or no such version.
    """
    where = addresses(settings)
    with opened(where) as client:
        best = aliased(client, where, CHAMPION)
        if best is None and not to:
            raise ModelError("there is no champion to roll back", remedy="battery-lake model list")
        target = to or str(best.tags.get(REPLACED, SHIPPED) if best else SHIPPED)
        if target == SHIPPED:
            if best is not None:
                client.delete_registered_model_alias(where.name, CHAMPION)
            where.copy.unlink(missing_ok=True)
        else:
            _crown(client, where, str(version_of(client, where, target).version))
    return str(best.version) if best else SHIPPED, target


def listed(settings: Settings) -> list[Listed]:
    """Return all versions, the newest first.

    Parameters
    ----------
    settings
        Say where models are.
    """
    where = addresses(settings)
    if where.is_file and not where.database.exists():
        return []
    with opened(where) as client:
        found = client.search_model_versions(f"name='{where.name}'")
        aliases = _aliases(client, where) if found else {}
        return [_listed(client, one, aliases) for one in sorted(found, key=lambda v: -int(v.version))]


def _challenger(client: MlflowClient, where: Addresses, number: str) -> ModelVersion:
    found = version_of(client, where, number) if number else aliased(client, where, CHALLENGER)
    if found is None:
        raise ModelError("there is no challenger", remedy="battery-lake model train makes one")
    return found


def _crown(client: MlflowClient, where: Addresses, number: str) -> None:
    """Point the alias to a version that can be loaded, and keep its copy."""
    trained, text = load_trained(where, number)
    client.set_registered_model_alias(where.name, CHAMPION, number)
    keep(where, trained.prior.version, text)


def _aliases(client: MlflowClient, where: Addresses) -> dict[str, list[str]]:
    """Aliases of each version."""
    found: dict[str, list[str]] = {}
    for alias, number in client.get_registered_model(where.name).aliases.items():
        found.setdefault(str(number), []).append(alias)
    return found


def _listed(client: MlflowClient, one: ModelVersion, aliases: dict[str, list[str]]) -> Listed:
    created: Any = one.creation_timestamp
    metrics = client.get_run(one.run_id).data.metrics if one.run_id else {}
    return Listed(
        str(one.version),
        tuple(aliases.get(str(one.version), ())),
        _instant(created),
        dict(metrics),
        dict(one.tags),
    )


def _instant(milliseconds: int) -> str:
    import datetime as dt

    return dt.datetime.fromtimestamp(milliseconds / 1000.0, tz=dt.UTC).isoformat(timespec="seconds")
