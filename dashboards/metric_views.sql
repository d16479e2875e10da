-- Rendered from the contracts by `battery-lake dashboards --catalog NAME`; change those.

CREATE OR REPLACE VIEW main.gold.pack_now_kpis
WITH METRICS
LANGUAGE YAML
AS $$
version: 1.1
source: main.gold.pack_now
comment: 'A pack now: what key figures count and average.'
dimensions:
- name: pack_id
  expr: pack_id
  comment: The pack.
- name: vehicle_id
  expr: vehicle_id
  comment: Vehicle that carried it in its newest session.
- name: model
  expr: model
  comment: Model name; unknown where it is not told.
- name: chemistry
  expr: chemistry
  comment: Chemistry of the cells.
- name: as_of_date
  expr: as_of_date
  comment: 'Day of the newest health; null: none yet. UTC.'
- name: warranty_until
  expr: warranty_until
  comment: 'Last day of the warranty; null: not known.'
- name: weakest_cell_id
  expr: weakest_cell_id
  comment: The weakest cell.
- name: eol_date_p50
  expr: eol_date_p50
  comment: Day on which life ends, median.
- name: method_version
  expr: method_version
  comment: Version of the method that made the row.
measures:
- name: packs
  expr: SUM(packs)
  display_name: Packs
  comment: Packs that have sent messages. [packs]
  format:
    type: number
    decimal_places:
      type: exact
      places: 0
- name: packs_below_eol
  expr: SUM(below_eol)
  display_name: Packs below EOL
  comment: Packs whose weakest cell has an SOH below the pack's end of life. [packs]
  format:
    type: number
    decimal_places:
      type: exact
      places: 0
- name: packs_ending_in_year
  expr: SUM(ends_in_year)
  display_name: Packs predicted EOL in 12 months
  comment: Packs whose life ends within 365 days by the median of the outlook. [packs]
  format:
    type: number
    decimal_places:
      type: exact
      places: 0
- name: soh_weakest_cell
  expr: MIN(soh_min_pct)
  display_name: Weakest-cell SOH
  comment: SOH of the weakest cell of all. [%]
  format:
    type: number
    decimal_places:
      type: exact
      places: 1
- name: soh_spread
  expr: AVG(soh_spread_pct)
  display_name: SOH spread
  comment: SOH of a pack's best cell less that of its weakest, mean over packs. [pp]
  format:
    type: number
    decimal_places:
      type: exact
      places: 1
- name: soh_loss_per_year
  expr: AVG(yearly_loss_pct)
  display_name: SOH loss per year
  comment: What a pack's median cell loses in a year at its fade now, mean over packs. [pp]
  format:
    type: number
    decimal_places:
      type: exact
      places: 2
- name: rul_days_p50
  expr: AVG(rul_days_p50)
  display_name: RUL (days)
  comment: Median RUL, mean over packs. The cell of a pack that ends first counts; where no end is in sight the
    number is a lower bound. [d]
  format:
    type: number
    decimal_places:
      type: exact
      places: 0
- name: rul_days_p05
  expr: AVG(rul_days_p05)
  display_name: Pessimistic RUL (days)
  comment: Pessimistic RUL, mean over packs. The cell of a pack that ends first counts; where no end is in sight
    the number is a lower bound. [d]
  format:
    type: number
    decimal_places:
      type: exact
      places: 0
- name: rul_efc_p50
  expr: AVG(rul_efc_p50)
  display_name: RUL (EFC)
  comment: Median RUL in equivalent full cycles, mean over packs. The cell of a pack that ends first counts; where
    no end is in sight the number is a lower bound. [EFC]
  format:
    type: number
    decimal_places:
      type: exact
      places: 0
- name: rul_efc_p05
  expr: AVG(rul_efc_p05)
  display_name: Pessimistic RUL (EFC)
  comment: Pessimistic RUL in equivalent full cycles, mean over packs. The cell of a pack that ends first counts;
    where no end is in sight the number is a lower bound. [EFC]
  format:
    type: number
    decimal_places:
      type: exact
      places: 0
- name: rul_km_p50
  expr: AVG(rul_km_p50)
  display_name: RUL (km)
  comment: Median RUL in distance, mean over packs. The cell of a pack that ends first counts; where no end is in
    sight the number is a lower bound. [km]
  format:
    type: number
    decimal_places:
      type: exact
      places: 0
- name: rul_km_p05
  expr: AVG(rul_km_p05)
  display_name: Pessimistic RUL (km)
  comment: Pessimistic RUL in distance, mean over packs. The cell of a pack that ends first counts; where no end
    is in sight the number is a lower bound. [km]
  format:
    type: number
    decimal_places:
      type: exact
      places: 0
- name: warranty_exposure
  expr: SUM(warranty_exposed)
  display_name: Warranty exposure
  comment: Packs whose pessimistic RUL ends before their warranty does; packs without a known warranty, or with
    no end in sight, are not among them. [packs]
  format:
    type: number
    decimal_places:
      type: exact
      places: 0
- name: interval_width
  expr: AVG(soh_interval_pct)
  display_name: Interval width
  comment: Width of the 90 % interval of the weakest cell's SOH, mean over packs. [pp]
  format:
    type: number
    decimal_places:
      type: exact
      places: 1
- name: observations_30_days
  expr: SUM(recent_observations)
  display_name: Observations in 30 days
  comment: 'Capacity observations of each pack''s last 30 days: the evidence behind the SOH. [1]'
  format:
    type: number
    decimal_places:
      type: exact
      places: 0
- name: days_since_last_message
  expr: MAX(last_seen_days) - MIN(last_seen_days)
  display_name: Days since last message
  comment: How far the longest silent pack is behind the one that was seen last; of one pack it is nothing. [d]
  format:
    type: number
    decimal_places:
      type: exact
      places: 1
- name: fast_charge_share
  expr: 100.0 * SUM(recent_fast_charges) / NULLIF(SUM(recent_charges), 0)
  display_name: Fast-charge share
  comment: Charges of 90 days with a mean current above half the rated capacity an hour, of all. [%]
  format:
    type: number
    decimal_places:
      type: exact
      places: 1
- name: hot_share
  expr: 100.0 * SUM(recent_hot_s) / NULLIF(SUM(recent_s), 0)
  display_name: Time above 45 °C
  comment: Time of 90 days in sessions with a mean of 45 °C or more, of all time in sessions. [%]
  format:
    type: number
    decimal_places:
      type: exact
      places: 2
- name: full_share
  expr: 100.0 * SUM(recent_full_s) / NULLIF(SUM(recent_s), 0)
  display_name: Time at SOC > 90 %
  comment: Time of 90 days in sessions with a mean SOC above 90 %, of all time in sessions. [%]
  format:
    type: number
    decimal_places:
      type: exact
      places: 1
- name: charge_efficiency
  expr: AVG(round_trip_efficiency_pct)
  display_name: Charge efficiency
  comment: Energy out over energy in, less what is stored, since the first message; mean over packs. [%]
  format:
    type: number
    decimal_places:
      type: exact
      places: 1
- name: cohort_percentile
  expr: AVG(cohort_percentile_pct)
  display_name: Cohort percentile
  comment: 'Share of like, as old packs with a lower median SOH: is this pack''s ageing normal? Mean over packs;
    meant for one. [%]'
  format:
    type: number
    decimal_places:
      type: exact
      places: 0
$$;

CREATE OR REPLACE VIEW main.gold.fleet_now_kpis
WITH METRICS
LANGUAGE YAML
AS $$
version: 1.1
source: main.gold.fleet_now
comment: 'The packs now: those of a model and chemistry, or all of them.'
filter: model = 'all' AND chemistry = 'all'
dimensions:
- name: model
  expr: model
  comment: 'Model of the packs; all: every one.'
- name: chemistry
  expr: chemistry
  comment: 'Chemistry of the packs; all: every one.'
measures:
- name: soh_median
  expr: AVG(soh_pct_p50)
  display_name: Median SOH
  comment: SOH of the median cell, of the median pack of the whole fleet. [%]
  format:
    type: number
    decimal_places:
      type: exact
      places: 1
- name: soh_p10
  expr: AVG(soh_pct_p10)
  display_name: P10 SOH
  comment: 'SOH of the median cell: a tenth of the whole fleet''s packs lie lower. [%]'
  format:
    type: number
    decimal_places:
      type: exact
      places: 1
- name: imbalance_p95
  expr: AVG(imbalance_mv_p95)
  display_name: Imbalance p95
  comment: 'Highest less lowest cell voltage at rest: a twentieth of the whole fleet''s packs lie higher. [mV]'
  format:
    type: number
    decimal_places:
      type: exact
      places: 1
$$;

CREATE OR REPLACE VIEW main.gold.message_daily_kpis
WITH METRICS
LANGUAGE YAML
AS $$
version: 1.1
source: main.gold.message_daily
comment: What became of the messages that were looked at on a day.
dimensions:
- name: as_of_date
  expr: as_of_date
  comment: Day on which their batches ended. UTC.
measures:
- name: quarantine_rate
  expr: 100.0 * SUM(rows_refused) / NULLIF(SUM(rows_in), 0)
  display_name: Quarantine rate
  comment: Messages that were refused, of all that were looked at. [%]
  format:
    type: number
    decimal_places:
      type: exact
      places: 2
- name: messages
  expr: SUM(rows_in)
  display_name: Messages
  comment: Messages that were looked at. [messages]
  format:
    type: number
    decimal_places:
      type: exact
      places: 0
$$;
