package analysis

import "fmt"

// All is how many commands a batch of the table has, where that is the same number in every row and more than one. Who has so
// many commands asks for the time of them all: with several running at once, that time over their number is not how long one
// takes. 0: reports give the time per task.
func (t *Table) All() int {
	if !t.Commands() {
		return 0
	}
	rows := make([]*Row, len(t.Rows))
	for i := range t.Rows {
		rows[i] = &t.Rows[i]
	}
	return together(rows)
}

// All is how many commands each row's batch has, as Table.All. 0: reports give the time per command.
func (c *CommandTable) All() int {
	rows := make([]*Row, len(c.Rows))
	for i := range c.Rows {
		rows[i] = &c.Rows[i].Row
	}
	return together(rows)
}

func together(rows []*Row) int {
	if len(rows) == 0 || rows[0].Cell.Tasks < 2 {
		return 0
	}
	for _, r := range rows {
		if r.Cell.Tasks != rows[0].Cell.Tasks {
			return 0
		}
	}
	return rows[0].Cell.Tasks
}

// Time is the time of all so many tasks of the row's batch, what Table.All returns, or of one where all is 0.
func (r *Row) Time(all int) Interval { return r.PerTask.Times(float64(max(all, 1))) }

// Times is the interval of f times the quantity; f is above 0.
func (i Interval) Times(f float64) Interval {
	i.Point, i.Lo, i.Hi = i.Point*f, i.Lo*f, i.Hi*f
	return i
}

// Per says of what Row.Time is the time: "for all 8", or "per " and what there is one of, "task" or "command".
func Per(all int, one string) string {
	if all > 0 {
		return fmt.Sprintf("for all %d", all)
	}
	return "per " + one
}
