package command

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"
)

func values(m map[string]string) func(string) (string, bool) {
	return func(name string) (string, bool) {
		v, ok := m[name]
		return v, ok
	}
}

func TestPlaceholders(t *testing.T) {
	for text, want := range map[string][]string{
		"make -j {threads} {i} {threads}":  {"threads", "i"},
		"awk '{print $1}' {{name}} {} {1}": nil,
		"{a}{b-c_2}":                       {"a", "b-c_2"},
		"{{a} {a}} {":                      {"a"},
		"":                                 nil,
	} {
		if diff := cmp.Diff(want, Placeholders(text)); diff != "" {
			t.Errorf("%s: %s", text, diff)
		}
	}
}

func TestExpand(t *testing.T) {
	for text, want := range map[string]string{
		"{a} {b} {{a}}": "1 {b} {a}",
		"{{a}":          "{1",
		"{a}}":          "1}",
		"{ a }{":        "{ a }{",
	} {
		if got := Expand(text, values(map[string]string{"a": "1"})); got != want {
			t.Errorf("%s: %q, want %q", text, got, want)
		}
	}
}

// A text without anything that looks like a placeholder stays as it is.
func TestExpandKeepsOtherText(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		text := rapid.StringMatching(`([^{]|\{[^a-zA-Z{])*`).Draw(t, "text")
		if got := Expand(text, values(nil)); got != text || Placeholders(text) != nil {
			t.Fatalf("%q became %q", text, got)
		}
	})
}

func TestParse(t *testing.T) {
	v := values(map[string]string{"f": "two words", "n": "3"})
	for _, tc := range []struct {
		shell, text string
		want        []string
	}{
		{"", "cp {f} 'out {i}.{n}'", []string{"cp", "two words", "out 7.3"}},
		{"", "x {{i}} {other}", []string{"x", "{i}", "{other}"}},
		{"sh", "cp {f} > out{i}", []string{"sh", "-c", "cp two words > out7"}},
		{"sh", "", []string{"sh", "-c", ""}},
	} {
		l, err := parse(tc.shell, tc.text, v)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(tc.want, l.args("7")); diff != "" {
			t.Errorf("%s: %s", tc.text, diff)
		}
	}
	// What is said of a line keeps the quotes that the user wrote.
	l, err := parse("", `sh -c "echo {f} {i} {{i}} >&2"`, v)
	if err != nil {
		t.Fatal(err)
	}
	if got := quoted(l.whole.at("7")); got != "`sh -c \"echo two words 7 {i} >&2\"`" {
		t.Errorf("said of a line: %s", got)
	}
	if got := quoted("true\x1b"); got != `"true\x1b"` {
		t.Errorf("said of a line: %s", got)
	}
	if _, err := parse("", "a | b", v); err == nil || !strings.Contains(err.Error(), "--shell") {
		t.Errorf("a pipe without a shell: %v", err)
	}
}
