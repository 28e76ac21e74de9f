// Package host reads what the machine is: CPUs, topology, caches, cgroup limits, clock, load. It never changes anything.
// The file-system root is injectable, so that tests run against trees copied from other machines.
package host
