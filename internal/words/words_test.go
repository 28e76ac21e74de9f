package words

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"
)

func TestSplit(t *testing.T) {
	for line, want := range map[string][]string{
		`./new --job 1`:                {"./new", "--job", "1"},
		`  a	b  `:                      {"a", "b"},
		`a 'b c' "d e"f`:               {"a", "b c", "d ef"},
		`a "" ''`:                      {"a", "", ""},
		`a\ b \'`:                      {"a b", "'"},
		`"a\"b\\c\$d\e"`:               {`a"b\c$d\e`},
		`'$HOME|;*'`:                   {"$HOME|;*"},
		"a\\\nb":                       {"ab"},
		`sh -c 'echo "x" > /dev/null'`: {"sh", "-c", `echo "x" > /dev/null`},
		`--x=1,2 {a} ~ # !`:            {"--x=1,2", "{a}", "~", "#", "!"},
	} {
		got, err := Split(line)
		if err != nil {
			t.Errorf("%s: %v", line, err)
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%s: %s", line, diff)
		}
	}
	for line, want := range map[string]string{
		"": "empty", "  ": "empty", `a 'b`: "single quote", `a "b`: "double quote", `a\`: "backslash", `a | b`: "'|'", `a > b`: "'>'",
		`$A`: "'$'", `"$A"`: "'$' in double quotes", "\"`a`\"": "'`' in double quotes", `bash -c "kill -9 $$"`: "single quotes there", `*.go`: "'*'", `a; b`: "';'", `a && b`: "'&'", `(a)`: "'('",
	} {
		if got, err := Split(line); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %q, %v", line, got, err)
		}
	}
}

// Whatever the words are: quoted, they come back.
func TestQuotedWordsComeBack(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		words := rapid.SliceOfN(rapid.String(), 1, 5).Draw(t, "words")
		var quoted []string
		for _, w := range words {
			quoted = append(quoted, "'"+strings.ReplaceAll(w, "'", `'\''`)+"'")
		}
		got, err := Split(strings.Join(quoted, " "))
		if err != nil {
			t.Fatal(err)
		}
		if word, meaning := Literal(strings.Join(quoted, " ")); word+meaning != "" {
			t.Fatalf("%q would be changed (%s) although it is quoted", word, meaning)
		}
		if diff := cmp.Diff(words, got); diff != "" {
			t.Fatal(diff)
		}
	})
}

func TestLiteral(t *testing.T) {
	for line, want := range map[string]string{
		`ls ~`:                       "~",
		`ls ~/x '*'`:                 "~/x",
		`ls ~user/x`:                 "~user/x",
		`ls '~/x' \~ "~"`:            "",
		`ls a~ x=~`:                  "",
		`cat log[0-9].txt`:           "log[0-9].txt",
		`cat [!a]`:                   "[!a]",
		`[ -f x ]`:                   "", // the command of that name
		`cat 'log[0-9]' \[a] "[a]"`:  "",
		`cat l"["a]`:                 "",
		`cat [a"]" b`:                "",
		`touch {a,b}`:                "{a,b}",
		`touch x{1..3}y`:             "x{1..3}y",
		`touch {a} {{b}} '{a,b}' {,`: "",
		`touch '{'a,b}`:              "",
		`awk {print}`:                "",
		`true # x`:                   "#",
		`true a#b '#'`:               "",
		`true | ~`:                   "", // refused
	} {
		if got, meaning := Literal(line); got != want || (meaning != "") != (want != "") {
			t.Errorf("%s: %q (%s), want %q", line, got, meaning, want)
		}
	}
}
