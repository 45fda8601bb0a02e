"""What tests share: a PostgreSQL, a small invented network, servers and clients."""
