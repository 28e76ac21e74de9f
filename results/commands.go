package results

// Commands is what the tasks of a run start where they are commands: as the user wrote it, before any placeholder was
// replaced. It is a value that may be copied; the zero value has no command.
type Commands struct {
	List   []Command          `json:"list"`
	Params []CommandParameter `json:"parameters,omitempty"`
	// Shell runs every line, as SHELL -c LINE; empty: there is none, and lines are split into words.
	Shell string `json:"shell,omitempty"`
	// Setup runs once before a trial's first batch, Cleanup once after its last; neither is timed. Empty: nothing.
	Setup   string `json:"setup,omitempty"`
	Cleanup string `json:"cleanup,omitempty"`
	// Input is the file that every task reads as its standard input; empty: /dev/null.
	Input string `json:"input,omitempty"`
	// Output is where standard output goes: empty for a bounded capture, "null" for nowhere, or a file.
	Output string `json:"output,omitempty"`
	// Allow says which exit codes beside 0 are no failure: numbers by comma, or "all", which includes signals.
	Allow string `json:"ignore_failure,omitempty"`
	// CheckOutput makes what a task writes to standard output part of its result, so that it must always be the same.
	CheckOutput bool `json:"check_output,omitempty"`
	// ShowOutput shows what is written while it is measured, which takes time.
	ShowOutput bool `json:"show_output,omitempty"`
	// Reference is the name of the command that the others are compared with; empty: the fastest.
	Reference string `json:"reference,omitempty"`
}

// Command is one of them.
type Command struct {
	Name    string `json:"name"` // the workload's name: the line, unless the user chose another
	Line    string `json:"line"`
	Prepare string `json:"prepare,omitempty"` // runs before each batch, untimed
}

// CommandParameter is a {NAME} of the lines, with the values that it takes.
type CommandParameter struct {
	Name   string   `json:"name"`
	Values []string `json:"values"`
}
