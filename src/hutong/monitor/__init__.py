"""What stores, retailers, brands and the network watch: live documents, their snapshots and frames."""
