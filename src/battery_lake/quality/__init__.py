"""Great Expectations suites: row rules compiled to Spark SQL, and the scheduled validation of tables."""
