package report

import (
	"regexp"
	"slices"
	"strings"
)

// piece is a part of a failed trial's output that is shown whole or not at all: a frame of a stack, or a line.
type piece struct {
	lines []string
	rank  rank
}

// rank says how much a piece helps who looks for a mistake of their own. The first ones are shown first.
type rank int

const (
	message   rank = iota // why it failed
	own                   // a frame of the user's code
	around                // other lines
	library               // a frame of a standard library, or of a built-in workload
	machinery             // a frame of what runs tasks: Go's runtime, parbench, Python's pools
)

// mostMessage is how many lines of a message are preferred to frames.
const mostMessage = 2

// excerpt chooses at most n lines of what a failed trial wrote, in their order. Without a stack the end says most. Of a
// stack that is the message and the frames of the user's code, those nearest to the mistake first, and never a part of one.
// What is machinery is left out where there is anything else.
func excerpt(lines []string, n int) []string {
	if len(lines) <= n {
		return lines
	}
	list, newestFirst := goTrace(lines), true
	if list == nil {
		list, newestFirst = pythonTrace(lines), false
	}
	if list == nil {
		return lines[len(lines)-n:]
	}
	order := make([]int, 0, len(list))
	for i := range list {
		order = append(order, i)
	}
	last := machinery
	if slices.ContainsFunc(list, func(p piece) bool { return p.rank == own || p.rank == library }) {
		last = library
	}
	slices.SortStableFunc(order, func(a, b int) int {
		if d := int(list[a].rank - list[b].rank); d != 0 {
			return d
		}
		if newestFirst && list[a].rank != around { // lines near the stack say most
			return a - b
		}
		return b - a
	})
	keep := make([]bool, len(list))
	left := n
	for _, i := range order {
		if p := &list[i]; p.rank <= last && len(p.lines) <= left {
			keep[i] = true
			left -= len(p.lines)
		}
	}
	var out []string
	for i, p := range list {
		if keep[i] {
			out = append(out, p.lines...)
		}
	}
	return out
}

var (
	goCall  = regexp.MustCompile(`^(?:created by )?([\w./%~-]+[.][^ ]*?|panic)(?:\(.*\)| in goroutine \d+)$`)
	goPlace = regexp.MustCompile(`^\t(.+\.(?:go|s)):\d+(?: \+0x[0-9a-f]+)?$`)
	goHead  = regexp.MustCompile(`^goroutine \d+ .*\[.*\]:$`)
	goWhy   = regexp.MustCompile(`^\s*(?:panic: |fatal error: |runtime error: )`)
)

// goTrace takes apart what holds a stack of Go's runtime, which begins with the newest frame; nil: there is none.
func goTrace(lines []string) (list []piece) {
	first := -1 // where the first stack begins
	for i := 0; i < len(lines); i++ {
		l := lines[i]
		switch {
		case i+1 < len(lines) && goCall.MatchString(l) && goPlace.MatchString(lines[i+1]):
			if first < 0 {
				first = len(list)
			}
			m, at := goCall.FindStringSubmatch(l), goPlace.FindStringSubmatch(lines[i+1])
			list = append(list, piece{lines[i : i+2], goRank(m[1], at[1], strings.HasPrefix(l, "created by "))})
			i++
		case goPlace.MatchString(l), goHead.MatchString(l), strings.TrimSpace(l) == "":
			// what is left of a frame that was cut, and what says nothing
		case i+1 < len(lines) && goPlace.MatchString(lines[i+1]) && strings.HasPrefix(l, "…"):
			i++
		default:
			list = append(list, piece{lines[i : i+1], around})
		}
	}
	if first < 0 {
		return nil
	}
	why := max(0, first-mostMessage)
	for k := range first {
		if goWhy.MatchString(list[k].lines[0]) {
			why = k
			break
		}
	}
	for k := why; k < min(first, why+mostMessage); k++ {
		if goWhy.MatchString(list[why].lines[0]) { // else it is what the program printed before
			list[k].rank = message
		}
	}
	return list
}

// module is parbench's own.
const module = "github.com/parbench/parbench/"

func goRank(function, file string, creator bool) rank {
	rest, ours := strings.CutPrefix(function, module)
	slash := strings.LastIndexByte(function, '/') + 1
	dot := strings.IndexByte(function[slash:], '.')
	pkg := function
	if dot >= 0 {
		pkg = function[:slash+dot]
	}
	root, _, _ := strings.Cut(pkg, "/")
	switch {
	case creator, function == "panic", root == "runtime", root == "testing", pkg == "reflect", pkg == "internal/runtime":
		return machinery
	case ours && strings.HasPrefix(rest, "workloads") && !strings.HasPrefix(rest, "workloads.function"):
		return library
	case ours && !strings.HasPrefix(rest, "docs/"):
		return machinery
	case function == "main.main" && len(file) > 0:
		return library // it calls trial.Main, unless it is a program of another kind
	case !strings.Contains(root, ".") && (strings.Contains(file, "/src/"+pkg+"/") || strings.HasPrefix(file, pkg+"/")):
		return library
	}
	return own
}

var (
	pythonFrame = regexp.MustCompile(`^\s*(?:[|+] )*\s*File "(.*)", line \d+`)
	pythonMark  = regexp.MustCompile(`^[\s|]*[~^]+[\s~^]*$`)
	// pythonOurs is where parbench keeps its Python program (strategies/python).
	pythonOurs = regexp.MustCompile(`[/\\](?:parbench[/\\]python-[0-9a-f]+|parbench-python-[^/\\]*)[/\\]`)
	pythonLib  = regexp.MustCompile(`[/\\]lib(?:64)?[/\\]python3[^/\\]*[/\\]`)
	pythonPool = regexp.MustCompile(`[/\\]lib(?:64)?[/\\]python3[^/\\]*[/\\](?:concurrent|multiprocessing|asyncio|threading\.py|runpy\.py|importlib)`)
)

const pythonHead = "Traceback (most recent call last):"

// pythonTrace takes apart what holds a traceback of Python, which ends with the newest frame and the message; nil: there
// is none. The lines that underline a part of the one before are left out.
func pythonTrace(lines []string) (list []piece) {
	found := false
	after := false // the last frame has been seen, and no message yet
	said := 0
	for i := 0; i < len(lines); i++ {
		l := lines[i]
		m := pythonFrame.FindStringSubmatch(l)
		switch {
		case m != nil:
			found, after, said = true, true, 0
			frame := lines[i : i+1 : i+1]
			for i+1 < len(lines) && deeper(lines[i+1], l) {
				if i++; !pythonMark.MatchString(lines[i]) {
					frame = append(frame, lines[i])
				}
			}
			list = append(list, piece{frame, pythonRank(m[1])})
		case strings.TrimSpace(l) == "" || pythonMark.MatchString(l) || strings.TrimSpace(l) == pythonHead:
			after = after && strings.TrimSpace(l) != pythonHead
		case after && said < mostMessage:
			said++
			list = append(list, piece{lines[i : i+1], message})
		case !found && strings.HasPrefix(l, "    "):
			// what is left of a frame that was cut
		default:
			list = append(list, piece{lines[i : i+1], around})
		}
	}
	if !found {
		return nil
	}
	return list
}

// deeper reports whether a line is indented more than another.
func deeper(line, than string) bool {
	indent := func(s string) int { return len(s) - len(strings.TrimLeft(s, " |")) }
	return indent(line) > indent(than) && strings.TrimSpace(line) != ""
}

func pythonRank(file string) rank {
	switch {
	case pythonOurs.MatchString(file), strings.HasPrefix(file, "<frozen "), pythonPool.MatchString(file):
		return machinery
	case pythonLib.MatchString(file): // the packages that are installed there are nobody's own either
		return library
	}
	return own
}
