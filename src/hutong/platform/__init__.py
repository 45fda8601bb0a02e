"""The ground floor: database, unit of work, events, live topics, jobs, outbound HTTP, web shell, telemetry."""
