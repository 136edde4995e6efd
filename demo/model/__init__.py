"""The model of the retailer: a seeded simulation that gives facts. It neither sends anything nor reads a clock."""
