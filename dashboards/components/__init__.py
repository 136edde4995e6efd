"""Parts of a page: pure functions from what was read to a component tree. They know no store, clock or request."""
