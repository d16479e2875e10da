"""The Databricks bundle: read and resolved as the Databricks CLI does it, and checked without a workspace."""
