"""What everything is made of: money, quantities, GS1 keys, ids, clock and errors; plain Python that imports nothing of ours."""
