"""What must never happen: seen, changed or run by somebody whose it is not."""
