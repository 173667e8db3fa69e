"""What every room stands on: settings, dataset contracts, content ids, clock and storage."""
