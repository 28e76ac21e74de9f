package multiproc

import (
	"slices"
	"testing"
)

// A function that does not return holds a bounded list of events. What had no place in it is counted, and the last event,
// which may be that of the pool's end, arrives.
func TestEventsAreBounded(t *testing.T) {
	const n = 5*maxEvents + 3
	inside, leave, got := make(chan struct{}), make(chan struct{}), make(chan Event, n)
	e := events{f: func(ev Event) {
		if ev.Slot == 0 {
			close(inside)
			<-leave
		}
		got <- ev
		if ev.Slot == n {
			close(got)
		}
	}}
	e.emit(Event{Kind: WorkerStarted})
	<-inside
	for i := range n {
		e.emit(Event{Kind: WorkerLost, Slot: i + 1})
		if e.list.len() > maxEvents || len(e.list.items) > maxEvents {
			t.Fatalf("%d events wait", e.list.len())
		}
	}
	close(leave)
	if ev := <-got; ev.Slot != 0 || ev.Dropped != 0 {
		t.Errorf("%+v", ev)
	}
	next, seen := 1, 0
	for ev := range got {
		if next += ev.Dropped; ev.Slot != next {
			t.Errorf("event %d came with %d dropped, want %d", ev.Slot, ev.Dropped, ev.Slot-next+ev.Dropped)
		}
		want := 0
		if seen == 0 {
			want = n - maxEvents
		}
		if ev.Dropped != want || slices.Contains(ev.Attrs(), any("dropped")) != (want > 0) {
			t.Fatalf("event %d: %d dropped, want %d; %v", ev.Slot, ev.Dropped, want, ev.Attrs())
		}
		next = ev.Slot + 1
		seen++
	}
	if seen != maxEvents || next != n+1 {
		t.Errorf("%d events, the last one %d", seen, next-1)
	}
}
