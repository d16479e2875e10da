-- The battery passport by who may read it: Regulation (EU) 2023/1542, Article 77(2) and Annex XIII; docs/passport.md.
-- Run it once a catalog, as an owner of the schema, after the first run of `health`: docs/deploy.md. A view reads its
-- tables with its owner's rights, so these groups need no right on the tables; they may use the schema, and see one view.
USE CATALOG IDENTIFIER(:catalog);

CREATE OR REPLACE VIEW gold.passport_public (
  pack_id COMMENT 'The pack, as its QR code names it.',
  model COMMENT 'Model of the pack.',
  chemistry COMMENT 'Point 1(b): chemistry of the cells.',
  rated_capacity_ah COMMENT 'Point 1(g): capacity of the new pack. [Ah]',
  minimum_voltage_v COMMENT 'Point 1(h): of the pack; null: reference data does not tell. [V]',
  nominal_voltage_v COMMENT 'Point 1(h): rated energy over rated capacity; null: reference data does not tell. [V]',
  maximum_voltage_v COMMENT 'Point 1(h): of the pack; null: reference data does not tell. [V]',
  exhausted_soh_pct COMMENT 'Point 1(k): share of the rated capacity at which the pack counts as exhausted. [%]',
  warranty_years COMMENT 'Point 1(m): length of the commercial warranty. [a]',
  new_cell_resistance_mohm COMMENT 'Point 1(o): 10 s resistance of a new cell at 25 °C and 50 % SOC. [mΩ]',
  new_pack_resistance_mohm COMMENT 'Point 1(o): the same of the cells in series together. [mΩ]'
)
COMMENT 'Battery passport for everybody, Annex XIII point 1: what concerns the model. One row a pack.'
AS SELECT
  pack_id,
  model,
  chemistry,
  rated_capacity_ah,
  cell_low_v * cells_in_series AS minimum_voltage_v,
  rated_energy_wh / rated_capacity_ah AS nominal_voltage_v,
  cell_high_v * cells_in_series AS maximum_voltage_v,
  eol_soh_pct AS exhausted_soh_pct,
  warranty_years,
  new_resistance_mohm AS new_cell_resistance_mohm,
  new_resistance_mohm * cells_in_series AS new_pack_resistance_mohm
FROM reference.packs;

CREATE OR REPLACE VIEW gold.passport_legitimate_interest (
  pack_id COMMENT 'The pack.',
  as_of_date COMMENT 'Day of the newest counters. UTC.',
  soce_pct COMMENT 'Point 4(b): state of certified energy. [%]',
  remaining_capacity_ah COMMENT 'Point 4(a): capacity now. [Ah]',
  remaining_energy_wh COMMENT 'Point 4(a): energy of a full charge now. [Wh]',
  soh_min_pct COMMENT 'Point 4(b): SOH of the weakest cell. [%]',
  resistance_increase_pct COMMENT 'Point 4(a): resistance now over new, less 100, median cell. [%]',
  round_trip_efficiency_pct COMMENT 'Point 4(a): energy out over energy in. [%]',
  efc COMMENT 'Point 4(d): equivalent full cycles so far.',
  throughput_ah COMMENT 'Point 4(d): charge moved so far, both directions. [Ah]',
  throughput_wh COMMENT 'Point 4(d): energy moved so far, both directions. [Wh]',
  temperature_range_s COMMENT 'Point 4(d): time in each range of temperature. [s]',
  soc_range_s COMMENT 'Point 4(d): time in each range of SOC. [s]',
  last_soc_pct COMMENT 'Point 4(d): SOC of the BMS, as last known. [%]',
  negative_events COMMENT 'Point 4(d): deep discharges; seconds in extreme temperatures.',
  sources COMMENT 'Where each value comes from.',
  method_version COMMENT 'Version of the method that made the row.'
)
COMMENT 'Battery passport for persons with a legitimate interest, Annex XIII point 4: the pack itself. One row a pack.'
AS SELECT
  pack_id, n.as_of_date, n.soce_pct, n.remaining_capacity_ah, n.remaining_energy_wh, n.soh_min_pct,
  n.resistance_increase_pct, n.round_trip_efficiency_pct, n.efc, n.throughput_ah, n.throughput_wh,
  n.temperature_range_s, n.soc_range_s, n.last_soc_pct, n.negative_events, n.sources, n.method_version
FROM (
  SELECT pack_id, max_by(struct(*), as_of_date) AS n FROM gold.battery_passport GROUP BY pack_id
);

CREATE OR REPLACE VIEW gold.passport_authorities (
  model COMMENT 'Model of the pack.',
  chemistry COMMENT 'Chemistry of the cells.',
  method_version COMMENT 'Version of the method that makes the dynamic values of this model''s passports.',
  sources COMMENT 'What each dynamic value is made of.',
  packs COMMENT 'Packs whose newest counters are made so.',
  newest_date COMMENT 'Newest day of these counters. UTC.'
)
COMMENT 'Battery passport for notified bodies, market surveillance and the Commission: how a model''s values are made.'
AS SELECT
  p.model, p.chemistry, n.method_version, any_value(n.sources) AS sources, count(*) AS packs,
  max(n.as_of_date) AS newest_date
FROM (
  SELECT pack_id, max_by(struct(*), as_of_date) AS n FROM gold.battery_passport GROUP BY pack_id
) AS c
JOIN reference.packs AS p ON p.pack_id = c.pack_id
GROUP BY p.model, p.chemistry, n.method_version, to_json(n.sources);

GRANT USE SCHEMA ON SCHEMA gold TO `battery_passport_public`;
GRANT USE SCHEMA ON SCHEMA gold TO `battery_passport_legitimate_interest`;
GRANT USE SCHEMA ON SCHEMA gold TO `battery_passport_authorities`;
GRANT SELECT ON VIEW gold.passport_public TO `battery_passport_public`;
GRANT SELECT ON VIEW gold.passport_legitimate_interest TO `battery_passport_legitimate_interest`;
GRANT SELECT ON VIEW gold.passport_authorities TO `battery_passport_authorities`;
