package claim

import (
	"encoding/json"
	"fmt"
	"math"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"
	"unicode"

	"pgregory.net/rapid"
)

// vary returns n values around v that are all different, so that intervals have a width.
func vary(v float64, n int) []float64 {
	out := make([]float64, n)
	for i := range out {
		out[i] = v * (1 + 0.01*float64(i-n/2))
	}
	return out
}

func uses(wall, cores float64) []Use {
	var out []Use
	for _, w := range vary(wall, 9) {
		out = append(out, Use{Wall: w, CPU: w * cores})
	}
	return out
}

func ways(threads, cores, processes, could float64) Computing {
	return Computing{Workers: 2, Tasks: 4, Ways: []Way{{"sequential", uses(.2, 1)}, {"threads", uses(threads, cores)}, {"processes", uses(processes, could)}}}
}

func times(call string, atOnce int) Timed {
	return Timed{Call: call, Walls: vary(.05, 7), AtOnce: []int{1, atOnce, atOnce}}
}

func good(call string) Outcome  { return Outcome{Call: call, Got: []int{9}, Want: []int{9}} }
func wrong(call string) Outcome { return Outcome{Call: call, Got: []int{}, Want: []int{9}} }
func fails(call string) Outcome { return Outcome{Call: call, Error: "ValueError: no", Want: []int{9}} }
func waits(call string) Outcome { return Outcome{Call: call, Hung: 3, Want: []int{9}} }

// hunts are six searches for a task, with about so many calls in vain.
func hunts(match, vain int) []Hunt {
	var out []Hunt
	for i := range 6 {
		out = append(out, Hunt{Match: match, Submitted: match + 1 + vain + i*vain/100, Grown: 1 << 20, Seconds: .1 + float64(i)/100})
	}
	return out
}

// wastes is a search with so many calls in vain when its match is task 101 and task 401.
func wastes(near, far int) Search {
	return Search{Workers: 2, Near: hunts(100, near), Far: hunts(400, far), Limit: 64}
}

func order(sample bool, ordered, unordered []int, ended ...float64) Order {
	return Order{sample, ordered, ended, unordered, ended}
}

func sizes(ratios ...float64) Speed {
	var o Speed
	for _, r := range ratios {
		s := Size{Bytes: 8}
		for i, v := range vary(1e-5, 9) {
			s.Pipe = append(s.Pipe, v)
			if r == 0 { // sometimes the one, sometimes the other
				s.Queue = append(s.Queue, v*[]float64{.5, 2}[i%2])
			} else {
				s.Queue = append(s.Queue, v*r)
			}
		}
		o.Sizes = append(o.Sizes, s)
	}
	return o
}

func status(n int) *int { return &n }

func ends(atexit, finally, orphan bool) Ended {
	return Ended{Exit: -15, AtExit: atexit, Finally: finally, WasChild: true, Orphan: orphan, Parent: 1}
}

func copies(share float64, same bool) Copying {
	o := Copying{Bytes: 64 << 20, Threads: 2}
	for _, v := range vary(share*float64(64<<20), 6) {
		o.Runs = append(o.Runs, Copy{Private: v, Read: v, Written: 64 << 20, Threads: 1, Same: same, Unchanged: true})
	}
	return o
}

func kin(e Ended, lives bool) Ended {
	e.WasKin, e.Kin = true, lives
	return e
}

// threaded sets how many threads the children had.
func threaded(o Copying, threads ...int) Copying {
	for i, n := range threads {
		o.Runs[i].Threads = max(1, n)
	}
	return o
}

func kind(sequential, threads, processes float64) Kind {
	return Kind{"sleep", vary(sequential, 6), vary(threads, 6), vary(processes, 6)}
}

func gets(after, ready bool) []Get {
	return slices.Repeat([]Get{{Ready: ready, Timed: "TimeoutError", Elapsed: .1, AfterEnd: after}}, 7)
}

// TestVerdicts has for each claim what would confirm it, what refutes it, and what is neither.
func TestVerdicts(t *testing.T) {
	down := []int{2, 1, 0}
	up := []int{0, 1, 2}
	polite := Shared{Sent: 100, Intact: 100, By: []int{50, 50}}
	damaged := []Shared{{Sent: 9, Intact: 2, Error: "UnpicklingError"}, {Sent: 9, Intact: 9}, {Sent: 9, Hung: 2}}
	fine := []Batch{{Others: 5, Finished: 5, Victim: "CrashError"}}
	pair := []Pair{{Victim: -9, Sibling: 0}}
	for _, c := range []struct {
		id    string
		goes  bool
		seen  any
		want  Verdict
		words string
	}{
		{"C1", false, Returned{[]Outcome{good("apply"), good("map"), good("apply_async")}}, Refuted, "apply(), map() and apply_async() returned"},
		{"C1", false, Returned{[]Outcome{wrong("apply"), fails("map"), good("apply_async")}}, Confirmed, "map() failed with ValueError: no"},
		{"C1", false, Returned{[]Outcome{good("apply"), waits("map"), good("apply_async")}}, Partly, "map() was still waiting after 3 s"},
		{"C1", false, Returned{[]Outcome{wrong("apply"), wrong("apply_async")}}, Refuted, "apply_async() returned nothing"},
		{"C1", true, Returned{[]Outcome{good("Apply"), good("ApplyAsync")}}, Refuted, "Apply() and ApplyAsync()"},

		{"C2", false, Running{3, .05, []Timed{times("map", 3), times("apply", 1), times("apply_async", 3)}}, Partly, "A loop of apply(): 50.0 ms [48.5, 51.5], never two asleep at once"},
		{"C2", false, Running{3, .05, []Timed{times("map", 1), times("apply", 1), times("apply_async", 3)}}, Confirmed, "map(): "},
		{"C2", false, Running{3, .05, []Timed{times("map", 3), times("apply", 2), times("apply_async", 1)}}, Refuted, "up to 3 asleep at once"},

		{"C3", false, Dummy{Returned{[]Outcome{good("apply"), good("apply_async")}}, Running{3, .05, []Timed{times("map", 3), times("apply", 1)}}}, Partly, ""},
		{"C3", false, Dummy{Returned{[]Outcome{good("apply"), good("apply_async")}}, Running{3, .05, []Timed{times("map", 3)}}}, Refuted, ""},
		{"C3", false, Dummy{Returned{[]Outcome{wrong("apply"), good("apply_async")}}, Running{3, .05, []Timed{times("map", 1)}}}, Confirmed, ""},

		{"C4", false, Processes{Workers: 4, AtStart: 4, Tasks: 1000, Pids: 4}, Refuted, "4 worker processes were alive before it had any task. 1,000 tasks ran in 4 processes"},
		{"C4", false, Processes{Workers: 4, AtStart: 0, Tasks: 1000, Pids: 1000}, Confirmed, ""},
		{"C4", false, Processes{Workers: 4, AtStart: 0, Tasks: 1000, Pids: 4}, Partly, ""},
		{"C4", false, Processes{Workers: 4, AtStart: 2, Tasks: 1000, Pids: 4}, Partly, ""},
		{"C4", false, Processes{Workers: 4, AtStart: 4, Tasks: 1000, Pids: 1, Other: &OnDemand{"ProcessPoolExecutor", 4, 0, 1}}, Partly, "It holds for ProcessPoolExecutor that processes are made when work arrives, and it does not hold that processes end and are replaced. Of a pool of 4, 4 worker processes were alive before it had any task. 1,000 tasks ran in 1 process. ProcessPoolExecutor, of 4 workers: 0 before any task, 1 after the first"},

		{"C5", false, wastes(5000, 20000), Refuted, "a search 4 times as long submitted 3.999 [3.999, 3.999] times as many from the match on: it grows with the search. During the first of the long searches the process grew by 1.00 MiB."},
		{"C5", false, Search{Workers: 2, Near: hunts(100, 5000), Far: hunts(400, 20000), Limit: 64, Queued: hunts(400, 65)}, Refuted, "With a queue of 64 between the threads it was 66 [65, 68] calls, and 125 ms"},
		{"C5", true, Search{Workers: 2, Threads: "goroutines", Near: hunts(100, 1023), Far: hunts(400, 1023), Limit: 64, Queued: hunts(400, 64), Pool: "MaxInFlight", Default: 1024, Cap: 64, Capped: hunts(400, 63)},
			Partly, "it does not grow with the search. The pool had its default bound of unfinished calls, MaxInFlight(1024). During the first of the long searches the process grew by 1.00 MiB. With a queue of 64 between the goroutines it was"},
		{"C5", true, Search{Workers: 2, Near: hunts(100, 1023), Far: hunts(400, 1023), Pool: "MaxInFlight", Cap: 64, Capped: hunts(400, 63)}, Partly, "With MaxInFlight(64) instead, and again nothing that bounds the queue, it was 64 [63, 66] calls"},
		{"C5", false, wastes(2, 2), Confirmed, "2 [2, 2] further calls had been submitted in vain (median of 6 searches on 2 workers), no more than the workers had in hand"},
		{"C5", false, wastes(0, 0), Confirmed, "0 [0, 0] further calls"},
		{"C5", false, Search{Workers: 2, Near: hunts(100, 1000)[:5], Far: hunts(400, 4000)[:5]}, Undecided, "does not tell whether it grows"},
		{"C5", false, Search{Workers: 2, Near: hunts(400, 1000), Far: hunts(400, 1000)}, Undecided, "was not later"},

		{"C6", false, Joining{[]Outcome{fails("Pool"), fails("dummy.Pool")}, []Outcome{good("Pool"), good("dummy.Pool")}}, Confirmed, "join() of an open Pool failed with ValueError: no; the pool worked on afterwards"},
		{"C6", false, Joining{[]Outcome{wrong("Pool")}, nil}, Refuted, "join() of an open Pool returned nothing"},
		{"C6", false, Joining{[]Outcome{fails("Pool"), waits("dummy.Pool")}, []Outcome{waits("Pool")}}, Partly, "still waiting after 3 s"},
		{"C6", true, Joining{[]Outcome{waits("ProcessPool")}, nil}, Partly, "join() of an open ProcessPool was still waiting after 3 s"},

		{"C7", false, Ordering{[]Order{order(false, up, down, .3, .2, .1), order(true, up, up, .1, .2, .3)}}, Confirmed, "the sample shows nothing"},
		{"C7", false, Ordering{[]Order{order(false, down, up, .3, .2, .1)}}, Refuted, ""},
		{"C7", false, Ordering{[]Order{order(false, up, up, .3, .2, .1)}}, Partly, ""},
		{"C7", false, Ordering{[]Order{order(false, up, []int{1, 0, 2}, .3, .305, .1), order(false, up, []int{2, 1, 0}, .3, .301, .1)}}, Partly, "in 1 of 2 runs"},
		{"C7", false, Ordering{[]Order{order(false, up, up, .1, .2, .3)}}, Undecided, "too busy"},

		{"C8", false, Managed{Reads: []Reads{{"Value", vary(1e-7, 9)}, {"dict", vary(3e-5, 9)}}, Server: 2, Self: 1, After: []Outcome{fails("dict"), good("Value")}}, Refuted, "30.0 µs"},
		{"C8", false, Managed{Reads: []Reads{{"Value", vary(1e-7, 9)}}, Server: 2, Self: 1, After: []Outcome{good("dict"), good("Value")}}, Confirmed, ""},
		{"C8", false, Managed{Reads: []Reads{{"Value", vary(1e-7, 9)}}, Server: 2, Self: 1, After: []Outcome{waits("dict"), good("Value")}}, Refuted, "was still waiting"},
		{"C8", false, Managed{Reads: []Reads{{"Value", vary(1e-7, 9)}}, Server: 1, Self: 1, After: []Outcome{good("dict"), good("Value")}}, Undecided, ""},
		{"C8", false, Managed{Reads: []Reads{{"Value", vary(1e-7, 9)}}, Server: 2, Self: 1, After: []Outcome{fails("dict"), fails("Value")}}, Undecided, ""},

		{"C9", false, sizes(1.5, 1.2), Confirmed, "Messages of 8 B: 10.00 µs"},
		{"C9", false, sizes(1.5, .7), Partly, "the queue is faster"},
		{"C9", false, sizes(.5, .7), Refuted, ""},
		{"C9", false, sizes(0, 0), Undecided, "not told apart"},
		{"C9", false, sizes(1.5, 0), Undecided, "not told apart"},
		{"C9", true, sizes(.85, 0, 0), Refuted, "the queue is faster"},
		{"C9", false, sizes(1.5, .85, 0), Partly, "not told apart"},
		{"C9", false, sizes(1.02, 1.02), Confirmed, "the pipe is faster"},
		{"C9", false, Speed{[]Size{{8, slices.Repeat([]float64{1, 1.01, 1, 1.01}, 3), slices.Repeat([]float64{1.01, 1}, 6)}}}, Refuted, "neither is faster by 5 %"},

		{"C10", false, ThirdProcess{polite, 200000, damaged}, Partly, "damaged them in 2 of 3 runs (UnpicklingError; the reader was still waiting after 2 s)"},
		{"C10", false, ThirdProcess{polite, 200000, []Shared{{Sent: 9, Intact: 9}}}, Refuted, "not in the one run"},
		{"C10", false, ThirdProcess{Shared{Sent: 100, Intact: 7, By: []int{7}}, 200000, damaged}, Confirmed, "7 of 100"},
		{"C10", false, ThirdProcess{Shared{Sent: 100, Intact: 100, By: []int{100}}, 200000, damaged}, Undecided, "one of them did all"},
		{"C10", true, MovedEnds{good("Receiver"), fails("Receiver")}, Confirmed, "there is Queue"},
		{"C10", true, MovedEnds{good("Receiver"), good("Receiver")}, Refuted, ""},
		{"C10", true, MovedEnds{fails("Receiver"), fails("Receiver")}, Undecided, ""},
		{"C10", true, MovedEnds{good("Receiver"), waits("Receiver")}, Undecided, "the second was still waiting after 3 s"},
		{"C10", false, ThirdProcess{Shared{Sent: 100, Intact: 7, By: []int{7}, Hung: 10}, 200000, damaged}, Confirmed, "of the others nothing had come for 10 s"},

		{"C11", false, Arguments{[]Outcome{fails("Queue"), fails("Array"), good("Pipe end")}, good("initializer")}, Partly, "these worked: Pipe end"},
		{"C11", false, Arguments{[]Outcome{fails("Queue"), fails("Array")}, waits("initializer")}, Confirmed, "it was still waiting"},
		{"C11", true, Arguments{[]Outcome{good("Queue"), good("Array")}, good("initialiser")}, Refuted, ""},

		{"C12", false, Starting{[]Start{{"Process()", 0, status(0), ""}, {"Process(target=f)", 7, status(7), ""}}}, Refuted, "ended it with status 7"},
		{"C12", false, Starting{[]Start{{"Process()", 0, nil, "TypeError"}, {"Process(target=f)", 7, status(1), ""}}}, Confirmed, "ended with status 1 instead of 7"},
		{"C12", false, Starting{[]Start{{"Process()", 0, nil, "TypeError"}, {"Process(target=f)", 7, status(7), ""}}}, Partly, "failed with TypeError"},
		{"C12", false, Starting{[]Start{{"Process()", 0, nil, ""}}}, Undecided, "had not ended"},
		{"C12", true, Starting{[]Start{{"A process without a function", 0, nil, "no function"}, {"A process of a function of no arguments", 0, status(0), ""}}}, Partly, "failed with no function"},

		{"C13", false, Terminating{Runs: []Ended{ends(false, false, true)}, Normal: Ended{Finally: true}}, Confirmed, "The atexit function did not run either, and the finally clause ran"},
		{"C13", false, Terminating{Runs: []Ended{ends(true, true, false)}}, Refuted, ""},
		{"C13", false, Terminating{Runs: []Ended{ends(false, true, true)}}, Partly, "finally clause ran in the one run"},
		{"C13", false, Terminating{Runs: []Ended{{Exit: -15}}, Normal: Ended{Finally: true}}, Undecided, "The program that the child had started was not seen alive before"},
		{"C13", false, Terminating{Runs: []Ended{ends(false, false, true)}}, Undecided, "and the finally clause did not run either"},
		{"C13", true, Terminating{Runs: []Ended{kin(ends(false, false, true), false)}, Normal: Ended{Finally: true}, Package: "multiproc"}, Partly, "The process that it had started with multiproc lived on not in the one run"},
		{"C13", false, Terminating{Runs: []Ended{kin(ends(false, false, true), true)}, Normal: Ended{Finally: true}, Package: "multiprocessing"}, Confirmed, "The process that it had started with multiprocessing lived on in the one run"},
		{"C13", false, Terminating{Runs: []Ended{ends(false, false, true)}, Normal: Ended{Finally: true}, Package: "multiprocessing"}, Undecided, "multiprocessing was not seen alive"},

		{"C14", false, Crashing{Pools: []Batch{{Others: 5, Finished: 5, Hung: 3}}, Executors: []Batch{{Others: 5, Finished: 1, Errors: 4, Victim: "Broken", Other: "Broken"}}, Plain: pair}, Partly, "was still waiting after 3 s in the one run"},
		{"C14", true, Crashing{Pools: fine, Plain: pair}, Confirmed, "the killed worker's task failed with CrashError"},
		{"C14", false, Crashing{Pools: []Batch{{Others: 5, Finished: 3, Victim: "x"}}, Plain: []Pair{{-9, 1}}}, Refuted, "and 2 gave none"},
		{"C14", false, Crashing{Pools: fine, Plain: []Pair{{0, 0}}}, Undecided, "No process was killed"},
		{"C14", false, Crashing{Pools: []Batch{{Others: 5, Finished: 6}}, Plain: pair}, Undecided, "Pool: no worker was killed"},

		{"C15", false, copies(.02, true), Partly, "pages are copied when they are written to"},
		{"C15", false, Copying{64 << 20, 1, copies(1, true).Runs}, Confirmed, ""},
		{"C15", false, copies(.02, false), Refuted, ""},
		{"C15", false, threaded(copies(.02, false), 0, 0, 0, 2, 2, 2), Partly, "the child one in 3 of 6 runs"},
		{"C15", false, Copying{64 << 20, 1, copies(.02, true).Runs[:5]}, Undecided, "1.27 MiB right after fork"},
		{"C15", true, FreshGlobals{1, 42, 1, 7, 7}, Inapplicable, "A claim about fork does not apply where there is none: Go starts the program anew"},
		{"C15", true, FreshGlobals{1, 42, 42, 7, 7}, Undecided, "which a program that starts anew would not show"},
		{"C15", true, FreshGlobals{1, 42, 3, 7, 7}, Undecided, ""},

		{"C16", false, ways(.2, .99, .1, 1.95), Confirmed, "kept 0.99 [0.99, 0.99] cores busy"},
		{"C16", true, ways(.1, 1.95, .1, 1.95), Refuted, "2.00 [2.00, 2.00] times as fast"},
		{"C16", false, ways(.25, 1.95, .1, 1.95), Partly, "gain nothing by it"},
		{"C16", false, Computing{2, 4, ways(.1, 1.95, .1, 1.95).Ways, ways(.25, 1.95, .1, 1.95).Ways}, Partly, "With a constant in the code"},
		{"C16", false, Computing{2, 4, ways(.2, .99, .1, 1.95).Ways, ways(.2, .99, .1, 1.95).Ways}, Confirmed, "each task makes itself"},
		{"C16", false, ways(.2, .99, .2, 1), Undecided, "did not reliably give processes a second core"},
		{"C16", false, ways(.2, 1.15, .1, 1.95), Undecided, "neither one core nor several"},
		{"C16", false, Computing{1, 2, ways(.2, 1, .2, 1).Ways, nil}, Undecided, "one usable CPU"},

		{"C17", false, Waiting{16, .03, "", []Kind{kind(.48, .031, .032)}}, Confirmed, "30.8 ms"},
		{"C17", false, Waiting{16, .03, "", []Kind{kind(.48, .45, .032)}}, Refuted, ""},
		{"C17", false, Waiting{16, .03, "", []Kind{kind(.48, .45, .45)}}, Undecided, "did not reliably let processes"},
		{"C17", false, Waiting{16, .03, "", []Kind{{"sleep", vary(.48, 6), vary(.05, 6), []float64{.025, .05, .025, .05, .025, .05}}}}, Undecided, "does not tell whether these are half as fast again"},
		{"C17", false, Waiting{16, .03, "", []Kind{kind(.48, .45, .032), {"socket", vary(.48, 6), []float64{.03, .09, .03, .09, .03, .09}, vary(.03, 6)}}}, Refuted, "Waiting for a server"},
		{"C17", false, Waiting{16, .03, "", []Kind{kind(.48, .07, .05)}}, Partly, "less than half of the 16"},
		{"C17", false, Waiting{16, .03, "", []Kind{{"sleep", vary(.48, 6), []float64{.03, .09, .03, .09, .03, .09}, vary(.03, 6)}}}, Undecided, "too much else"},
		{"C17", false, Waiting{16, .03, "", []Kind{kind(.48, .1, .09)}}, Undecided, "did not reliably let processes"},
		{"C17", false, Waiting{16, .03, "", []Kind{kind(.48, .04, .02)}}, Partly, "threads take 2.00 [2.00, 2.00] times as long as processes"},
		{"C17", true, Waiting{16, .03, "goroutines", []Kind{{"sleep", []float64{1, 1}, []float64{.1, .1}, []float64{.1, .1}}}}, Undecided, "16 goroutines"},

		{"C18", false, Printing{[]Output{{"a pipe", []int{2, 2}, ""}, {"a terminal", []int{1, 1}, ""}}}, Partly, "To a pipe it appeared twice in all 2 runs. To a terminal it appeared once in all 2 runs"},
		{"C18", false, Printing{[]Output{{"a pipe", []int{2, 2}, ""}}}, Confirmed, ""},
		{"C18", false, Printing{[]Output{{"a pipe", []int{1, 1}, ""}}}, Refuted, ""},
		{"C18", true, Printing{[]Output{{"a pipe", []int{1, 1}, ""}}}, Inapplicable, "A claim about fork does not apply where there is none"},
		{"C18", true, Printing{[]Output{{"a pipe", []int{2, 2}, ""}}}, Confirmed, "To a pipe it appeared twice"},
		{"C18", true, Printing{[]Output{{"a pipe", []int{1, 1}, ""}, {"a file", []int{2, 2}, ""}}}, Partly, "To a file it appeared twice"},
		{"C18", false, Printing{[]Output{{"a pipe", []int{1, 2}, ""}}}, Partly, ""},
		{"C18", false, Printing{[]Output{{"a pipe", []int{2}, ""}, {"a terminal", nil, "no pty"}}}, Undecided, "no pty"},
		{"C18", false, Printing{[]Output{{"a pipe", []int{0}, ""}}}, Undecided, ""},

		{"C19", false, Stopping{5, []int{9, 12, 9, 20, 6, 31}, 5000}, Confirmed, "from 0 to 25 more"},
		{"C19", false, Stopping{5, slices.Repeat([]int{9}, 20), 0}, Refuted, "in fewer than 18 % of runs"},
		{"C19", false, Stopping{5, []int{9, 9}, 5000}, Undecided, "1 different number"},
		{"C19", false, Stopping{5, slices.Repeat([]int{5000}, 20), 5000}, Undecided, "had not seen the flag after 5,000 tasks in all 20 runs"},
		{"C19", false, Stopping{5, append(slices.Repeat([]int{9}, 8), 5000), 5000}, Refuted, "it had not seen the flag after 5,000 tasks in 1 of 9 runs, which are not counted"},

		{"C20", false, Blocking{.1, gets(true, false)}, Confirmed, "it gave TimeoutError in all 7 runs"},
		{"C20", false, Blocking{.1, gets(false, false)}, Refuted, ""},
		{"C20", false, Blocking{.1, slices.Concat(gets(true, false), gets(false, false))}, Partly, "in 7 of 14 runs"},
		{"C20", false, Blocking{.1, gets(true, true)}, Undecided, "too busy"},
		{"C20", false, Blocking{.1, slices.Concat(gets(true, false), gets(false, true))}, Confirmed, "in all 7 runs"},
		{"C20", false, Blocking{.2, gets(true, false)}, Refuted, "in none of 7 runs"},
	} {
		t.Run(fmt.Sprintf("%s %v", c.id, c.want), func(t *testing.T) {
			text, err := json.Marshal(c.seen)
			if err != nil {
				t.Fatal(err)
			}
			f := byID(t, c.id).Judge(Subject{Label: "x", Go: c.goes}, text)
			if f.Verdict != c.want || f.Failed || !strings.Contains(f.Evidence, c.words) && !strings.Contains(f.Evidence, strings.ToLower(c.words[:1])+c.words[1:]) {
				t.Errorf("%s (failed: %v), want %s with %q\n%s", f.Verdict, f.Failed, c.want, c.words, f.Evidence)
			}
			readable(t, f.Evidence)
		})
	}
}

func byID(t *testing.T, id string) Claim {
	t.Helper()
	list, err := Select([]string{id})
	if err != nil || len(list) != 1 {
		t.Fatal(list, err)
	}
	return list[0]
}

// readable checks what every evidence has to be: sentences without what a format left.
func readable(t *testing.T, s string) {
	t.Helper()
	if s == "" || !strings.HasSuffix(s, ".") || strings.Contains(s, "%!") || strings.Contains(s, "  ") || strings.Contains(s, "..") || strings.Contains(s, "NaN") ||
		strings.ContainsFunc(s, unicode.IsControl) {
		t.Errorf("evidence %q", s)
	}
}

// Every verdict that a claim can get was tested above for the claim's own statements: at least confirmed and refuted.
func TestEveryClaimHasBothVerdicts(t *testing.T) {
	text, err := os.ReadFile("claim_test.go")
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range All() {
		for _, v := range []string{"Confirmed", "Refuted"} {
			if !regexp.MustCompile(`\{"` + c.ID + `", (true|false), .*, ` + v + `, `).Match(text) {
				t.Errorf("%s is never %s in TestVerdicts", c.ID, v)
			}
		}
	}
}

// Observations that say nothing, or nonsense, are a failure of the probe and no verdict.
func TestNonsense(t *testing.T) {
	for _, c := range All() {
		for _, goes := range []bool{false, true} {
			for _, text := range []string{``, `null`, `[]`, `3`, `{}`, `{"calls":[]}`, `{"calls":"x"}`, `{"runs":null}`, `{"sizes":[{"bytes":8,"pipe":[1],"queue":[1,2]}]}`,
				`{"sizes":[{"bytes":8,"pipe":[0],"queue":[1]}]}`, `{"runs":[{"ordered":[7],"ordered_ended":[1],"unordered":[0],"unordered_ended":[1]}]}`} {
				f := c.Judge(Subject{Go: goes}, json.RawMessage(text))
				if !f.Failed || f.Verdict != Undecided || f.Observed != nil {
					t.Errorf("%s on %s: %+v", c.ID, text, f)
				}
				readable(t, f.Evidence)
			}
		}
	}
}

// TestAnyDocument: no document makes a judge panic or write what nobody can read.
func TestAnyDocument(t *testing.T) {
	all := All()
	rapid.Check(t, func(r *rapid.T) {
		c := rapid.SampledFrom(all).Draw(r, "claim")
		n := rapid.IntRange(0, 9).Draw(r, "n")
		x := rapid.Float64Range(1e-9, 1e9).Draw(r, "x")
		many := rapid.SliceOfN(rapid.Float64Range(1e-9, 1e3), n, n).Draw(r, "many")
		counts := rapid.SliceOfN(rapid.IntRange(-3, 2000), n, n).Draw(r, "counts")
		o := Outcome{Call: "f", Got: counts, Want: counts, Hung: x}
		doc := map[string]any{
			"calls": []any{map[string]any{"call": "map", "walls": many, "at_once": counts, "got": counts, "want": counts, "exit": n}}, "tasks": n, "sleep": x, "workers": n, "at_start": n,
			"pids": n, "near": []Hunt{{n, n + 1, n, x, x}}, "far": []Hunt{{n, 2*n + 1, n, x, x}}, "match": n, "limit": n, "after": []Outcome{o, o}, "reads": []Reads{{"a", many}}, "server": n, "self": 1,
			"sizes": []Size{{n, many, many}}, "polite": Shared{Sent: n, By: counts}, "rude": []Shared{{Sent: n}}, "arguments": []Outcome{o, o}, "inherited": o,
			"normal": Ended{}, "pools": []Batch{{n, n, n, "", "", x}}, "plain": []Pair{{-9, n}}, "bytes": n, "threads": n, "submitted": counts,
			"outputs": []Output{{"x", counts, ""}}, "kinds": []Kind{{"sleep", many, many, many}}, "ways": []Way{{"a", []Use{{x, x}}}, {"b", []Use{{x, x}}}, {"c", []Use{{x, x}}}},
			"runs": []any{map[string]any{"ordered": counts, "ordered_ended": many, "unordered": counts, "unordered_ended": many, "private": x, "elapsed": x}},
		}
		text, err := json.Marshal(doc)
		if err != nil {
			r.Fatal(err)
		}
		f := c.Judge(Subject{Go: rapid.Bool().Draw(r, "go")}, text)
		if !slices.Contains(Verdicts(), f.Verdict) || f.Evidence == "" || strings.Contains(f.Evidence, "%!") {
			r.Fatalf("%+v", f)
		}
	})
}

func TestConclude(t *testing.T) {
	for _, c := range []struct {
		parts []Verdict
		want  Verdict
	}{
		{nil, Undecided}, {[]Verdict{""}, Undecided}, {[]Verdict{Confirmed, ""}, Confirmed}, {[]Verdict{Refuted, Refuted}, Refuted},
		{[]Verdict{Confirmed, Refuted}, Partly}, {[]Verdict{Confirmed, Undecided}, Undecided}, {[]Verdict{Refuted, Undecided}, Refuted}, {[]Verdict{Inapplicable}, Inapplicable},
		{[]Verdict{Confirmed, Undecided, Refuted}, Partly}, {[]Verdict{Partly, Undecided}, Partly},
	} {
		var parts []part
		for _, v := range c.parts {
			parts = append(parts, part{verdict: v, evidence: "x"})
		}
		if f := conclude(parts); f.Verdict != c.want {
			t.Errorf("%q gives %s, want %s", c.parts, f.Verdict, c.want)
		}
	}
}

// TestPartlySaysWhich: a reader learns from the first sentence which part of a claim holds, which does not, and what does
// on a condition; a verdict on the whole needs no such sentence.
func TestPartlySaysWhich(t *testing.T) {
	limited := Processes{Workers: 4, AtStart: 4, Tasks: 1000, Pids: 4, Other: &OnDemand{"ProcessPoolExecutor", 4, 0, 4}}
	limited.Limited.Option, limited.Limited.Tasks, limited.Limited.Pids = "maxtasksperchild=2", 6, 3
	lasting := limited
	lasting.Limited.Pids, lasting.Other = 1, &OnDemand{"ProcessPoolExecutor", 4, 4, 4}
	calls := func(apply, mapped int) Running {
		return Running{Tasks: 3, Sleep: .05, Calls: []Timed{times("apply", apply), times("map", mapped), times("apply_async", 3)}}
	}
	for _, c := range []struct {
		parts []part
		want  Verdict
		begin string
		not   string
	}{
		{running(calls(1, 3)), Partly, "It holds that apply() runs one task after another, and it does not hold that map() runs one task after another. 3 tasks", "apply_async() runs"},
		{running(calls(3, 3)), Refuted, "3 tasks", "hold"},
		{running(calls(1, 1)), Confirmed, "3 tasks", "hold"},
		{processes(limited), Partly, "It holds for ProcessPoolExecutor that processes are made when work arrives and with maxtasksperchild=2 that processes end and are replaced. Of a pool", "does not hold"},
		{processes(lasting), Refuted, "Of a pool", "hold"},
		{processes(Processes{Workers: 4, AtStart: 2, Tasks: 1000, Pids: 4}), Partly, "Of a pool", "hold"},
		{[]part{{verdict: Confirmed, says: "a"}, {verdict: Refuted, says: "b"}, {verdict: Refuted, says: "c"}, {verdict: Undecided, says: "d"}}, Partly,
			"It holds that a, and it does not hold that b and that c, and it is not decided that d.", ""},
		{[]part{{verdict: Confirmed, says: "A x"}, {verdict: Refuted, says: "b"}}, Partly, "It holds that a x, and", ""},
		{[]part{{verdict: Confirmed, evidence: "x"}, {verdict: Refuted, evidence: "y", says: "b"}}, Partly, "X. Y.", "hold"},
	} {
		f := conclude(c.parts)
		if f.Verdict != c.want || !strings.HasPrefix(f.Evidence, c.begin) || c.not != "" && strings.Contains(f.Evidence, c.not) {
			t.Errorf("%s, want %s that begins %q without %q:\n%s", f.Verdict, c.want, c.begin, c.not, f.Evidence)
		}
	}
}

func TestSelect(t *testing.T) {
	list, err := Select([]string{"c7", "C3", "C3"})
	if err != nil || len(list) != 2 || list[0].ID != "C3" || list[1].ID != "C7" {
		t.Error(list, err)
	}
	if list, err := Select(nil); err != nil || len(list) != 20 {
		t.Error(len(list), err)
	}
	if _, err := Select([]string{"C21"}); err == nil || !strings.Contains(err.Error(), "C1 to C20") {
		t.Error(err)
	}
}

// Each claim names an article that there is and a row of the page that has the article's statements.
func TestSources(t *testing.T) {
	page, err := os.ReadFile("../../../docs/multiproc.md")
	if err != nil {
		t.Fatal(err)
	}
	for i, c := range All() {
		if c.ID != fmt.Sprintf("C%d", i+1) || c.Short == "" || c.Text == "" || c.Check == "" || len(c.Sources) == 0 {
			t.Errorf("claim %d: %+v", i+1, c)
		}
		for _, s := range c.Sources {
			if !slices.ContainsFunc(Articles(), func(a Article) bool { return a.Number == s.Article }) {
				t.Errorf("%s: no article %s", c.ID, s.Article)
			}
			if !strings.Contains(string(page), "| "+s.Row+" |") {
				t.Errorf("%s: docs/multiproc.md has no row %s", c.ID, s.Row)
			}
		}
	}
}

func TestDiffers(t *testing.T) {
	subjects := []Subject{{Label: "a"}, {Label: "b"}, {Label: "Go", Go: true}}
	for _, c := range []struct {
		a, b, golang Verdict
		want         bool
	}{{Confirmed, Confirmed, Refuted, false}, {Confirmed, Refuted, Refuted, true}, {Confirmed, Undecided, Confirmed, false}, {Partly, Refuted, Partly, true}, {Confirmed, Inapplicable, Refuted, false}} {
		r := Row{Findings: []Finding{{Verdict: c.a}, {Verdict: c.b}, {Verdict: c.golang}}}
		if r.Differs(subjects) != c.want {
			t.Errorf("%+v", c)
		}
	}
}

func TestFailedText(t *testing.T) {
	for n, want := range []string{"", "1 probe did not do its work", "2 probes did not do their work"} {
		rep := Report{Rows: []Row{{Findings: slices.Repeat([]Finding{Failure("it died")}, n)}}}
		if got := rep.FailedText(); got != want {
			t.Errorf("%q, want %q", got, want)
		}
	}
}

func TestWords(t *testing.T) {
	for _, c := range []struct{ got, want string }{
		{sentence("map() did"), "map() did."}, {sentence("apply_async did"), "apply_async did."}, {sentence("the end"), "The end."}, {sentence(""), ""}, {sentence("What?"), "What?"},
		{shortest(.05), "50 ms"}, {shortest(3), "3 s"}, {shortest(.0015), "1.5 ms"}, {shortSize(8), "8 B"}, {shortSize(1 << 20), "1 MiB"}, {shortSize(64 << 20), "64 MiB"},
		{of(3, 3, "run"), "in all 3 runs"}, {of(0, 3, "run"), "in none of 3 runs"}, {of(1, 3, "run"), "in 1 of 3 runs"}, {of(1, 1, "run"), "in the one run"},
		{duration(median([]float64{.01, .02})), "15.0 ms"}, {duration(median(vary(.02, 7))), "20.0 ms [19.4, 20.6]"}, {calls(median(vary(20000, 7))), "20,000 [19,400, 20,600]"},
		{ending(-9), "by signal 9"}, {ending(3), "with status 3"}, {listed([]string{"a", "b", "c"}), "a, b and c"}, {counted(1000, "task"), "1,000 tasks"},
	} {
		if c.got != c.want {
			t.Errorf("got %q, want %q", c.got, c.want)
		}
	}
	if iv := median(nil); iv.Level != 0 || !math.IsNaN(iv.Point) && iv.Point != 0 {
		t.Error(iv)
	}
}
