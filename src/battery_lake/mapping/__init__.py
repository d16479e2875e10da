"""How a maker's messages become canonical ones: a YAML file, compiled to Spark SQL."""
