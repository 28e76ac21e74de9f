package codec

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
)

// parseHyperfine reads the export of hyperfine --export-json: every run of a command is a fresh process. The file says
// nothing of the machine.
func parseHyperfine(text []byte) (*Suite, error) {
	var file struct {
		Results []struct {
			Command    string            `json:"command"`
			Times      numbers           `json:"times"`
			Memory     numbers           `json:"memory_usage_byte"`
			ExitCodes  numbers           `json:"exit_codes"` // null: ended by a signal
			Parameters map[string]scalar `json:"parameters"`
		} `json:"results"`
	}
	if err := json.Unmarshal(text, &file); err != nil {
		return nil, broken(Hyperfine, text, err)
	}
	b := newBuilder(Hyperfine)
	commands := make(map[string]int)
	for _, r := range file.Results {
		commands[r.Command]++
	}
	for i, r := range file.Results {
		if r.Command == "" {
			return nil, b.fail("results[%d] has no command; make the file with hyperfine --export-json", i)
		}
		params := make(map[string]string, len(r.Parameters))
		for k, v := range r.Parameters {
			params[k] = string(v)
		}
		name := r.Command
		if commands[name] > 1 {
			name += bracket(params) // named with -n: the name alone does not tell them apart
		}
		name = b.unused("", name, "time", "peak-memory")
		s, _ := b.at(Key{Name: name, Metric: "time"})
		s.Unit, s.Better, s.Params = "s", Lower, params
		for _, v := range r.Times {
			b.single(s, v)
		}
		if len(s.Samples) == 0 {
			b.warn("%q holds no single times, only a summary, and was left out", name)
		}
		for _, code := range r.ExitCodes {
			if code != 0 {
				s.Failed++
			}
		}
		if s.Failed > 0 {
			s.Reason = "ended with another exit code than 0"
			b.warn("%d of %d runs of %q ended with another exit code than 0; hyperfine was told to count them all the same",
				s.Failed, len(r.ExitCodes), name)
		}
		// Where the system does not tell, hyperfine writes zeros.
		if slices.ContainsFunc(r.Memory, func(v float64) bool { return v != 0 }) {
			m, _ := b.at(Key{Name: name, Metric: "peak-memory"})
			m.Unit, m.Better, m.Secondary, m.Params = "B", Lower, true, params
			for _, v := range r.Memory {
				b.single(m, v)
			}
		}
	}
	return b.finish("no benchmark in it has single times; make the file with hyperfine --export-json")
}

// bracket returns parameters as they stand in a name: "{chunk=16,mode=imap}", sorted, nothing for none.
func bracket(params map[string]string) string {
	if len(params) == 0 {
		return ""
	}
	var parts []string
	for _, k := range slices.Sorted(maps.Keys(params)) {
		parts = append(parts, fmt.Sprintf("%s=%s", k, params[k]))
	}
	return "{" + strings.Join(parts, ",") + "}"
}
