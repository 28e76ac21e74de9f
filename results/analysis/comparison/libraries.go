package comparison

import (
	"fmt"
	"maps"
	"slices"

	"github.com/parbench/parbench/results/analysis"
	"github.com/parbench/parbench/results/codec"
)

// Libraries warns of the strategies that are made of another library, or of another version of it, on each side: a row
// of theirs compares these, too. The sides are what codec.Libraries says of them. ok is false where there is nothing to
// warn of. A side that does not say, as files of earlier versions do not, is warned of as such.
func Libraries(base, head map[string]string) (w analysis.Warning, ok bool) {
	var unlike, unsaid []string
	for _, s := range slices.Sorted(maps.Keys(base)) {
		x := base[s]
		switch y, shared := head[s]; {
		case !shared || x == y:
		case x == "" || y == "":
			unsaid = append(unsaid, s)
		default:
			unlike = append(unlike, fmt.Sprintf("%s (%s and %s)", s, x, y))
		}
	}
	switch {
	case len(unlike) > 0:
		return analysis.Warning{Severity: analysis.Warn, Code: CodeLibrary,
			Text:   "strategies are made of unlike libraries on the two sides: " + some(unlike),
			Remedy: "take differences of their rows for the libraries' as much as for the programs'; build both sides with one version to compare the rest"}, true
	case len(unsaid) > 0:
		return analysis.Warning{Severity: analysis.Note, Code: CodeLibrary,
			Text:   "one side does not say which version of its library it has: " + some(unsaid),
			Remedy: "make sure that it was the same one"}, true
	}
	return w, false
}

func (r *Report) libraries(base *codec.Suite, baseLabel string, head *codec.Suite, headLabel string) {
	if base.Run == nil || head.Run == nil {
		return
	}
	if w, ok := Libraries(codec.Libraries(base.Run, baseLabel), codec.Libraries(head.Run, headLabel)); ok {
		r.Warnings = append(r.Warnings, w)
	}
}
