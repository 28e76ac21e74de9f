package cli

import (
	"math/big"
	"regexp"
	"slices"
	"strings"
)

// The parameters of commands are written as hyperfine has them, -P threads 1 8 and -L name a,b,c, or in this program's own
// way, -P threads=1..8 and -L name=a,b,c. The parser of flags knows one value for each: rewriteArgs makes the second of the
// first.

// joined are flags that may stand without a value and are also written with one after a blank.
var joined = map[string]string{"--shell": "--shell", "-S": "--shell", "--ignore-failure": "--ignore-failure", "-i": "--ignore-failure"}

// rewriteArgs brings the arguments of "run" into the form that the parser of flags understands.
func rewriteArgs(args []string) ([]string, error) {
	at := runAt(args)
	if at < 0 {
		return args, nil
	}
	out := slices.Clone(args[:at+1])
	lastScan := -1 // in out
	rest := args[at+1:]
	take := func() (string, bool) {
		if len(rest) == 0 {
			return "", false
		}
		v := rest[0]
		rest = rest[1:]
		return v, true
	}
	for len(rest) > 0 {
		arg, _ := take()
		switch arg {
		case "--":
			return append(append(out, arg), rest...), nil
		case "-N":
			out = append(out, "--shell=none")
		case "-P", "--parameter-scan":
			if len(rest) == 0 || strings.Contains(rest[0], "=") {
				out = append(out, arg)
				if v, ok := take(); ok {
					lastScan = len(out)
					out = append(out, v)
				}
				continue
			}
			if len(rest) < 3 || !decimal.MatchString(rest[1]) || !decimal.MatchString(rest[2]) {
				rest = rest[:min(3, len(rest))]
				return nil, usagef("--parameter-scan %s: write -P NAME MIN MAX, for example -P threads 1 8", strings.Join(rest, " "))
			}
			lastScan = len(out) + 1
			out = append(out, "--parameter-scan", rest[0]+"="+rest[1]+".."+rest[2])
			rest = rest[3:]
		case "-L", "--parameter-list":
			if len(rest) == 0 || strings.Contains(rest[0], "=") {
				out = append(out, arg)
				continue
			}
			if len(rest) < 2 {
				return nil, usagef("--parameter-list %s: write -L NAME VALUES, for example -L compiler gcc,clang", rest[0])
			}
			out = append(out, "--parameter-list", rest[0]+"="+rest[1])
			rest = rest[2:]
		case "-D", "--parameter-step-size":
			step, ok := take()
			if !ok || lastScan < 0 || strings.ContainsAny(out[lastScan][strings.IndexByte(out[lastScan], '=')+1:], "+*") {
				return nil, usagef("--parameter-step-size %s: it is the step of the -P before it: -P delay 0.5 2 -D 0.5", step)
			}
			out[lastScan] += "+" + step
		default:
			if name, ok := joined[arg]; ok && len(rest) > 0 && !strings.HasPrefix(rest[0], "-") {
				v, _ := take()
				arg = name + "=" + v
			}
			out = append(out, arg)
		}
	}
	return out, nil
}

// runAt is where "run" stands, behind whatever flags of all commands are before it; -1 where another command is meant.
func runAt(args []string) int {
	for i := 0; i < len(args); i++ {
		switch arg := args[i]; {
		case arg == "run":
			return i
		case arg == "--color":
			i++ // its value
		case !strings.HasPrefix(arg, "-"):
			return -1
		}
	}
	return -1
}

// ofCommands reports whether a value of -P or -L is about a parameter of commands: those of workloads and strategies have
// their owner and a dot before the name.
func ofCommands(text string) bool {
	name, _, ok := strings.Cut(text, "=")
	return ok && !strings.Contains(name, ".")
}

// splitList splits at commas; \, is a comma inside a value.
func splitList(text string) []string {
	var out []string
	cur := ""
	for i := 0; i < len(text); i++ {
		switch {
		case text[i] == '\\' && i+1 < len(text) && text[i+1] == ',':
			cur += ","
			i++
		case text[i] == ',':
			out = append(out, cur)
			cur = ""
		default:
			cur += text[i : i+1]
		}
	}
	return append(out, cur)
}

// joinList is the other way round.
func joinList(values []string) string {
	escaped := make([]string, len(values))
	for i, v := range values {
		escaped[i] = strings.ReplaceAll(v, ",", `\,`)
	}
	return strings.Join(escaped, ",")
}

// decimal is a number as a scan of commands takes it; an exponent would make a digit cost a gigabyte.
var decimal = regexp.MustCompile(`^-?[0-9]{1,15}(\.[0-9]{1,9})?$`)

// commandScan reads MIN..MAX, MIN..MAX+STEP and MIN..MAX*FACTOR over decimal numbers, exactly: 0.1..0.3+0.1 has three values.
func commandScan(whole, text string) ([]string, error) {
	bad := func(why string) error {
		return usagef("--parameter-scan %q: %s; write -P NAME MIN MAX, with -D STEP unless that is 1, for example -P delay 0.5 2 -D 0.5", whole, why)
	}
	from, rest, ok := strings.Cut(text, "..")
	to, step, op := rest, "1", byte('+')
	if at := strings.IndexAny(rest, "+*"); at >= 0 {
		to, step, op = rest[:at], rest[at+1:], rest[at]
	}
	if !ok {
		return nil, bad("it has no bounds")
	}
	places := 0
	var numbers [3]*big.Rat
	for k, s := range []string{from, to, step} {
		if !decimal.MatchString(s) {
			return nil, bad("\"" + s + "\" is not a number")
		}
		numbers[k], _ = new(big.Rat).SetString(s)
		if _, after, dot := strings.Cut(s, "."); dot && k != 1 {
			places = max(places, len(after))
		}
	}
	lo, hi, by := numbers[0], numbers[1], numbers[2]
	one := big.NewRat(1, 1)
	switch {
	case hi.Cmp(lo) < 0:
		return nil, bad("it ends before it begins")
	case op == '+' && by.Sign() <= 0:
		return nil, bad("the step is not greater than 0")
	case op == '*' && (by.Cmp(one) <= 0 || lo.Sign() <= 0):
		return nil, bad("a factor must be greater than 1, and what it begins from greater than 0")
	}
	var out []string
	for v := new(big.Rat).Set(lo); v.Cmp(hi) <= 0; {
		if len(out) == maxScan {
			return nil, usagef("--parameter-scan %q: more than %d values; take a larger step", whole, maxScan)
		}
		text := v.FloatString(places)
		if op == '*' {
			text = trimZeros(v.FloatString(9))
		}
		out = append(out, text)
		if op == '+' {
			v.Add(v, by)
		} else {
			v.Mul(v, by)
		}
	}
	return out, nil
}

func trimZeros(s string) string {
	if !strings.Contains(s, ".") {
		return s
	}
	return strings.TrimSuffix(strings.TrimRight(s, "0"), ".")
}

// ownWay says what this program has instead of a flag of hyperfine's that it does not know, given the parser's complaint;
// empty where the flag is none of those.
func ownWay(complaint string) string {
	flag := complaint[strings.LastIndexByte(complaint, ' ')+1:]
	switch flag {
	case "--runs", "--min-runs", "-m", "--max-runs", "-M":
		return "every command is measured once a round: write --rounds N"
	case "--export-json", "--export-csv", "--export-markdown", "--export-asciidoc", "--export-orgmode":
		return "the run is kept in run.jsonl and report.md under --output: for another format see parbench convert"
	case "--reference-name":
		return "give the reference its name with --cmd and --command-name, and write --reference NAME"
	case "--sort", "--style", "--conclude":
		return "it is hyperfine's, and not one of parbench's: leave it out"
	}
	return ""
}
