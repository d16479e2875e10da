"""Data Explorer on this machine: the unmodified Kusto SDKs manage, query and fill it."""

from battery_lake.local.kusto.standin import KustoStandIn

__all__ = ["KustoStandIn"]
