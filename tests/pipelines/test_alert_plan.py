"""Where packs go on from: their states, where these stand; a day without a row elsewhere does not matter."""

import datetime as dt

from battery_lake.pipelines.alert_plan import plan

DAY, METHOD = dt.datetime(2026, 3, 2), "rules-2"  # noqa: DTZ001 - Spark takes UTC without a zone
ANEW = dt.datetime(1900, 1, 1)  # noqa: DTZ001


def at(day):
    return DAY + dt.timedelta(days=day)


def test_a_pack_starts_anew_only_where_its_state_does_not_hold(frame):
    # pack: day of the state and its method, touched days with a row, and without
    packs = {
        "NEW": (None, METHOD, [3, 4], [2]),
        "ON": (5, METHOD, [5, 6], []),
        "SILENT_LATER": (5, METHOD, [5], [7]),
        "STATE_GONE": (5, METHOD, [6], [5]),
        "LATE": (5, METHOD, [3], []),
        "OTHER_METHOD": (5, "rules-1", [6], []),
    }
    states = [
        {"pack_id": pack_id, "as_of_at": at(day), "method_version": method}
        for pack_id, (day, method, _, _) in packs.items()
        if day is not None
    ]

    def days(*parts):
        rows = [
            {"pack_id": pack_id, "as_of_date": at(day).date()}
            for pack_id, own in packs.items()
            for part in parts
            for day in own[part]
        ]
        return frame("gold.day_estimate", rows).select("pack_id", "as_of_date")

    made = plan(days(2, 3), days(2), frame("gold.ageing_state", states), METHOD)
    assert {row.pack_id: row.from_at for row in made.collect()} == {
        "NEW": at(2), "ON": at(5), "SILENT_LATER": at(5), "STATE_GONE": ANEW, "LATE": ANEW,
        "OTHER_METHOD": ANEW,
    }  # fmt: skip
