"""What runs both offline and live, written once: training, replay and the live jobs import the same functions."""
