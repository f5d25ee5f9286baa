"""Load tests one can trust: plan, workers, figures, reports, the gate."""
