"""How long data is kept: per tenant and dataset, by dropping whole partitions, with what is in force read back.

docs/retention.md tells the rules; docs/adr/0005 why the tenant is in the partition key.
"""

from storage.retention.datasets import RETAINED, Dataset, RetainedTable
from storage.retention.partitions import Partition, list_partitions
from storage.retention.plan import Decision, Why, plan
from storage.retention.policies import BUILT_IN, EVERYBODY, Policies, Policy, PolicyStore
from storage.retention.service import InForce, Retention, RunReport, TableInForce

__all__ = [
    "BUILT_IN",
    "EVERYBODY",
    "RETAINED",
    "Dataset",
    "Decision",
    "InForce",
    "Partition",
    "Policies",
    "Policy",
    "PolicyStore",
    "RetainedTable",
    "Retention",
    "RunReport",
    "TableInForce",
    "Why",
    "list_partitions",
    "plan",
]
