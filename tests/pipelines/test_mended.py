"""Refused messages go into silver, each once, after what refused them was mended."""

import json

import pytest

from battery_lake.lake.access import Lake
from battery_lake.pipelines.replay import replay_quarantine
from battery_lake.settings import load

MAPPING = """\
mapping: mended
signals:
  pack_id: {path: pack}
  measured_at: {path: at}
  sequence: {path: frame}
  current_a: {path: i, unit: A}
"""
AHEAD_S = 1_000.0


def spoken(message, landing_line):
    """The landing line of a message in the mapping's words, from a device whose clock runs ahead."""
    line = json.loads(landing_line(message, delay_s=-AHEAD_S))
    line["Body"] = {
        "pack": message["pack_id"], "at": message["measured_at"],
        "frame": message["sequence"], "i": message["current_a"],
    }  # fmt: skip
    return json.dumps(line)


@pytest.fixture(scope="module")
def story(made_lake, made_pack, landing_line, tmp_path_factory):
    """A mapping with a typing error and a clock ahead; the one is mended, then the other is allowed."""
    folder = tmp_path_factory.mktemp("mended")
    pack = made_pack("P1", "V1", (50.0, 48.0)).phase("driving", 0.2, -20.0)
    file = folder / "mended.yml"
    file.write_text(MAPPING.replace("path: frame", "path: frmae"), encoding="utf-8")
    made = made_lake(folder, [pack], f"refine.mappings={file}")
    made.deliver([spoken(message, landing_line) for message in pack.messages], ("ingest", "refine"))
    codes = [{reason["code"] for row in made.rows("silver.quarantine") for reason in row["reasons"]}]
    file.write_text(MAPPING, encoding="utf-8")
    counts = [replay_quarantine(made.lake, ("missing_key",))]
    codes.append({reason["code"] for row in made.rows("silver.quarantine") for reason in row["reasons"]})
    patient, _ = load(
        [f"home={made.lake.settings.home}", f"refine.mappings={file}", f"refine.clock_skew_s={2 * AHEAD_S}"],
        environment={},
    )
    made.lake = Lake(made.lake.spark, patient)
    counts += [replay_quarantine(made.lake, ()) for _ in range(2)]
    return made, pack.messages, codes, counts


def test_a_mended_mapping_takes_its_reason_away_and_leaves_the_others(story):
    _, messages, (before, after), (mended, *_) = story
    assert (before, after) == ({"missing_key", "clock"}, {"clock"})
    assert (mended.rows_in, mended.rows_kept, mended.rows_refused) == (len(messages), 0, len(messages))


def test_a_rule_that_was_loosened_lets_each_message_in_once(story):
    made, messages, _, (_, loosened, again) = story
    assert (loosened.rows_in, loosened.rows_kept) == (len(messages), len(messages))
    assert again.rows_in == 0
    told = {row["sequence"]: row["current_a"] for row in made.rows("silver.telemetry")}
    assert told == {message["sequence"]: message["current_a"] for message in messages}
    assert made.rows("silver.quarantine") == []
