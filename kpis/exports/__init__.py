"""Reports of KPIs, and the files they become."""
