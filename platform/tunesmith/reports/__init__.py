"""Every page and plot: the data card and the evaluation report."""
