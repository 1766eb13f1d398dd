"""A model loaded, and raw items taken to its inputs and answers; one code for every caller."""
