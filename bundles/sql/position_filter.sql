-- Positions are for those who need them: others see gold.vehicle_position as an empty table.
-- Run it once a catalog, as an owner of the schema: docs/deploy.md. A policy, not ALTER TABLE ... SET ROW FILTER, since
-- whoever is excepted from a policy may still read the table's versions and changes, as the jobs do.
USE CATALOG IDENTIFIER(:catalog);

CREATE OR REPLACE FUNCTION gold.sees_positions()
  RETURNS BOOLEAN
  COMMENT 'Nobody whom the policy below meets sees a position.'
  RETURN FALSE;

CREATE OR REPLACE POLICY hide_positions
  ON TABLE gold.vehicle_position
  COMMENT 'Positions are personal: readers and the jobs are excepted, everybody else sees no row.'
  ROW FILTER gold.sees_positions
  TO `account users` EXCEPT `battery_position_readers`, `battery_jobs`
  FOR TABLES;
