// Package limits has what the public listener may take: its limits, with the arithmetic that makes
// them fit into the memory of the container, the callers by address, each with rates of its own,
// and the connections that are open.
package limits
