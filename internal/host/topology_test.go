package host

import (
	"errors"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"
)

func TestUsable(t *testing.T) {
	for _, c := range []struct {
		name string
		want Usable
	}{
		// Both packages have two cores; the one without CPU 0 comes first. Of core 0, CPU 4 goes before CPU 0.
		{"server", Usable{CPUs: []int{2, 3, 1, 4, 6, 7, 5, 0}, Cores: 6, Quota: 6}},
		// All of the performance cores, siblings included, before any efficiency core.
		{"laptop", Usable{CPUs: []int{1, 2, 3, 0, 4, 5, 6, 7}, Cores: 8}},
		{"vm-cgroup1", Usable{CPUs: []int{1, 0}, Cores: 2}},
		// A quota of 1.5 cores rounds down.
		{"container", Usable{CPUs: []int{2, 3, 1, 0}, Cores: 1, Quota: 1.5}},
		// One core complex, then the other, then the siblings in the same order.
		{"cpuset", Usable{CPUs: []int{4, 5, 6, 1, 2, 8, 12, 13, 14, 0}, Cores: 4, Quota: 4}},
	} {
		t.Run(c.name, func(t *testing.T) {
			got, err := tree(t, c.name, nil).Usable()
			if err != nil {
				t.Fatal(err)
			}
			if d := cmp.Diff(c.want, got); d != "" {
				t.Errorf("Usable (-want +got):\n%s", d)
			}
		})
	}
}

func TestUsableUnknown(t *testing.T) {
	if _, err := tree(t, "", nil).Usable(); !errors.Is(err, ErrUnknown) {
		t.Errorf("Usable of a machine that tells nothing: %v, want ErrUnknown", err)
	}
	// Without an affinity all online CPUs count.
	u, err := tree(t, "", map[string]string{"sys/devices/system/cpu/online": "0-2\n"}).Usable()
	if err != nil || !slices.Equal(u.CPUs, []int{1, 2, 0}) || u.Cores != 3 {
		t.Errorf("Usable of three CPUs without relation = %+v, %v", u, err)
	}
	// An affinity without an online CPU is an error with a remedy.
	_, err = tree(t, "", map[string]string{"sys/devices/system/cpu/online": "0-1", "proc/self/status": "Cpus_allowed_list:\t5\n"}).Usable()
	if err == nil {
		t.Error("Usable accepts an affinity without an online CPU")
	}
}

func TestTopology(t *testing.T) {
	top, err := tree(t, "server", nil).Topology()
	if err != nil {
		t.Fatal(err)
	}
	if top.Cores != 4 || top.Packages != 2 || top.Nodes != 2 || len(top.CPUs) != 8 {
		t.Errorf("server: %d CPUs, %d cores, %d packages, %d nodes", len(top.CPUs), top.Cores, top.Packages, top.Nodes)
	}
	want := CPU{ID: 7, Core: 3, Package: 1, LLC: 2, Node: 1, Siblings: []int{3, 7}}
	if d := cmp.Diff(want, top.CPUs[7]); d != "" {
		t.Errorf("server's CPU 7 (-want +got):\n%s", d)
	}

	top, err = tree(t, "laptop", nil).Topology()
	if err != nil {
		t.Fatal(err)
	}
	if top.CPUs[3].Type != Performance || top.CPUs[4].Type != Efficiency || top.Cores != 6 {
		t.Errorf("laptop: %+v", top)
	}
}

// A machine whose /sys is hidden still tells its cores in /proc/cpuinfo.
func TestTopologyFromCPUInfo(t *testing.T) {
	m := tree(t, "", map[string]string{"proc/cpuinfo": "processor\t: 0\nphysical id\t: 0\ncore id\t: 0\n\n" +
		"processor\t: 1\nphysical id\t: 0\ncore id\t: 0\n\nprocessor\t: 2\nphysical id\t: 1\ncore id\t: 0\n"})
	top, err := m.Topology()
	if err != nil {
		t.Fatal(err)
	}
	want := Topology{Cores: 2, Packages: 2, CPUs: []CPU{
		{ID: 0, Core: 0, Package: 0, LLC: -1, Node: -1, Siblings: []int{0, 1}},
		{ID: 1, Core: 0, Package: 0, LLC: -1, Node: -1, Siblings: []int{0, 1}},
		{ID: 2, Core: 2, Package: 1, LLC: -1, Node: -1, Siblings: []int{2}},
	}}
	if d := cmp.Diff(want, top); d != "" {
		t.Errorf("Topology (-want +got):\n%s", d)
	}
}

// Arm machines have no PMU per type; their capacities tell. Favoured cores of one type differ by little.
func TestCapacities(t *testing.T) {
	m := tree(t, "", map[string]string{
		"sys/devices/system/cpu/online":            "0-3",
		"sys/devices/system/cpu/cpu0/cpu_capacity": "446",
		"sys/devices/system/cpu/cpu1/cpu_capacity": "446",
		"sys/devices/system/cpu/cpu2/cpu_capacity": "980",
		"sys/devices/system/cpu/cpu3/cpu_capacity": "1024",
	})
	top, err := m.Topology()
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, c := range top.CPUs {
		got = append(got, c.Type)
	}
	if want := []string{Efficiency, Efficiency, Performance, Performance}; !slices.Equal(got, want) {
		t.Errorf("types %v, want %v", got, want)
	}
}

// Whatever the topology and the affinity: every allowed CPU is handed out once; types come in order; within a type no
// sibling before the first CPU of another core; CPU 0 never before an equal.
func TestHandOutProperties(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		n := rapid.IntRange(1, 40).Draw(t, "cpus")
		threads := rapid.IntRange(1, 4).Draw(t, "threads")
		top := Topology{}
		for id := range n {
			core := id / threads * threads
			c := CPU{ID: id, Core: core, Package: core / 16, LLC: core / 8 * 8}
			if core >= 24 {
				c.Type = Efficiency
			}
			top.CPUs = append(top.CPUs, c)
		}
		allowed := rapid.SliceOfNDistinct(rapid.IntRange(0, 45), 0, 46, rapid.ID[int]).Draw(t, "allowed")
		got := handOut(top, allowed)

		sorted := slices.Sorted(slices.Values(got))
		var want []int
		for id := range n {
			if slices.Contains(allowed, id) {
				want = append(want, id)
			}
		}
		if !slices.Equal(sorted, want) {
			t.Fatalf("handed out %v, allowed online are %v", got, want)
		}
		rank, seen := make(map[int]int), make(map[int]int)
		for i, id := range got {
			c := top.CPUs[id]
			rank[id] = seen[c.Core]
			seen[c.Core]++
			if i == 0 {
				continue
			}
			p := top.CPUs[got[i-1]]
			if p.Type == Efficiency && c.Type != Efficiency {
				t.Fatalf("%v: efficiency before performance at %d", got, i)
			}
			if p.Type == c.Type && rank[id] < rank[p.ID] {
				t.Fatalf("%v: a sibling before a core of its own at %d", got, i)
			}
			if p.ID == 0 && p.Type == c.Type && p.LLC == c.LLC && rank[id] == rank[p.ID] {
				t.Fatalf("%v: CPU 0 before its equal %d", got, id)
			}
		}
	})
}

// The machine that the tests run on always has an answer.
func TestRealMachine(t *testing.T) {
	m := Open("")
	u, err := m.Usable()
	if err != nil {
		t.Fatal(err)
	}
	if u.Cores < 1 || u.Cores > len(u.CPUs) {
		t.Errorf("Usable = %+v", u)
	}
	e := m.Environment()
	if e.LogicalCPUs < len(u.CPUs) || e.ClockCostNS <= 0 || e.OS == "" || e.Arch == "" {
		t.Errorf("Environment = %+v", e)
	}
}
