package main

import "testing"

// A workload is ordinary code, and tested like it. Both builds have to pass: go test, and go test -tags regexp.
func TestFields(t *testing.T) {
	status, size, err := fields("192.0.2.7 - - [21/Nov/2026:06:15:00 +0000] \"GET /a HTTP/1.1\" 404 5123\n")
	if status != 404 || size != 5123 || err != nil {
		t.Errorf("fields: %d, %d, %v", status, size, err)
	}
	for _, line := range []string{"", "\n", "no quotes 200 5\n", "a - - [] \"GET\" abc 5\n", "a - - [] \"GET\" 200 x\n"} {
		if _, _, err := fields(line); err == nil {
			t.Errorf("fields(%q) took it", line)
		}
	}
}
