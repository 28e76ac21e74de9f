"""The trial program of parbench's Python strategies: docs/protocol.md and docs/workloads.md of parbench say what it does."""
