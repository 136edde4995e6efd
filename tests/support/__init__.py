"""What tests and benchmarks stand on and the product does not ship."""
