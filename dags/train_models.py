"""Feature versions become models: `train_fraud`, `train_credit`, `train_forecast`, `train_price`.

One Airflow DAG a family, all of one shape; see `training.py`.
"""

from training import train_dag
from wiring import VIEW_OF

for family in VIEW_OF:
    globals()[f"train_{family}"] = train_dag(family)
