"""Real datagrams through a copy of a front door, beside their computed fates."""
