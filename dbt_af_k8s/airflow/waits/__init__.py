"""Waits between DAGs: the sensor, its trigger, and what one look sees."""
