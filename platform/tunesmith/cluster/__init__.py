"""Running Tunesmith on machines: is this one fit for it, and handing jobs to a cluster."""
