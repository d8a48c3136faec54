"""Which dbt target a node takes, which runner, and why."""
