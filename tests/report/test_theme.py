import pytest

from battery_lake.report import theme

INKS = ("ink", "soft", "accent", "weak", "good", "bad", "watch")


def _channels(colour):
    return [int(colour[start : start + 2], 16) / 255 for start in (1, 3, 5)]


def _luminance(channels):
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in channels]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def _contrast(one, other):
    high, low = sorted((_luminance(one), _luminance(other)), reverse=True)
    return (high + 0.05) / (low + 0.05)


@pytest.mark.parametrize("scheme", theme.PALETTES)
def test_every_ink_can_be_read_on_page_and_card(scheme):
    palette = theme.PALETTES[scheme]
    for ink in INKS:
        for ground in ("page", "card"):
            assert _contrast(_channels(palette[ink]), _channels(palette[ground])) >= 4.5, (ink, ground)


@pytest.mark.parametrize("scheme", theme.PALETTES)
def test_numbers_can_be_read_on_every_shade_of_the_cell_map(scheme):
    palette = theme.PALETTES[scheme]
    stops = [_channels(palette[f"heat-{index}"]) for index in range(3)]
    for step in range(201):
        shade = step / 200
        part = min(int(shade * 2), 1)
        ground = [a + (b - a) * (shade * 2 - part) for a, b in zip(stops[part], stops[part + 1], strict=True)]
        ink = "on-weak" if shade > theme.INK_SPLIT[scheme] else "on-strong"
        assert _contrast(ground, _channels(palette[ink])) >= 4.5, shade


def test_both_schemes_know_the_same_roles():
    assert theme.PALETTES["light"].keys() == theme.PALETTES["dark"].keys()
