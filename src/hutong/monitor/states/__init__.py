"""The states of topics: each file holds one kind's load from the totals and, next to it, how a sale is counted on."""
