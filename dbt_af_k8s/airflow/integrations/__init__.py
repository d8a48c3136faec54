"""Who is told of runs, and what is refreshed after them: callbacks, Tableau, Monte Carlo."""
