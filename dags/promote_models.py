"""Models are judged, signed for by people, and put in force: `promote_fraud` and one such Airflow DAG a family.

All are of one shape; see `promotion.py`.
"""

from promotion import promote_dag
from wiring import VIEW_OF

for family in VIEW_OF:
    globals()[f"promote_{family}"] = promote_dag(family)
