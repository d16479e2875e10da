from fractions import Fraction

import pint
import pytest
from hypothesis import given
from hypothesis import strategies as st

from battery_lake.mapping.units import Affine, conversion

REGISTRY = pint.UnitRegistry(non_int_type=Fraction)
UNITS = st.sampled_from([
    ("mV", "V"),
    ("0.1 V", "V"),
    ("degF", "degC"),
    ("K", "degC"),
    ("mile", "km"),
    ("kA", "A"),
])


@pytest.mark.parametrize(
    ("given_unit", "wanted", "factor", "offset"),
    [
        ("mV", "V", "1/1000", "0"), ("0.1 V", "V", "1/10", "0"), ("1", "percent", "100", "0"),
        ("%", "percent", "1", "0"), ("degF", "degC", "5/9", "-160/9"), ("K", "degC", "1", "-5463/20"),
        ("0.1 km", "km", "1/10", "0"), ("m", "km", "1/1000", "0"), ("1/256 A", "A", "1/256", "0"),
    ],
)  # fmt: skip
def test_a_unit_becomes_an_exact_factor_and_offset(given_unit, wanted, factor, offset):
    assert conversion(given_unit, wanted) == Affine(Fraction(factor), Fraction(offset))


@pytest.mark.parametrize("given_unit", ["A", "furlong per", "volts?", "__import__('os')", "km"])
def test_what_is_no_unit_of_the_signal_is_refused(given_unit):
    with pytest.raises(ValueError, match="is no unit"):
        conversion(given_unit, "V")


@given(UNITS, st.fractions(-1000, 1000, max_denominator=1000))
def test_the_line_gives_what_pint_gives_for_every_value(pair, value):
    sent, wanted = pair
    step, _, unit = sent.rpartition(" ")
    expected = REGISTRY.Quantity(value * Fraction(step or 1), unit).to(wanted).magnitude
    line = conversion(sent, wanted)
    assert line.factor * value + line.offset == pytest.approx(expected)


@given(*[st.fractions(-50, 50, max_denominator=100)] * 5)
def test_lines_compose(a, b, c, d, x):
    first, then = Affine(a, b), Affine(c, d)
    made = then.after(first)
    assert made.factor * x + made.offset == c * (a * x + b) + d
