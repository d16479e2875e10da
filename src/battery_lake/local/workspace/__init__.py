"""A Databricks workspace on this machine: jobs that really run, catalog objects, files, permissions."""

from battery_lake.local.workspace.standin import WorkspaceStandIn

__all__ = ["WorkspaceStandIn"]
