"""From the ledger's features to a forecasting model: dataset, choice of method, measurement, export."""
