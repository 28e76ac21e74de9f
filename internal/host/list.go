package host

import (
	"errors"
	"strconv"
	"strings"
)

// maxCPU bounds CPU numbers, so that a malformed list such as "0-4294967295" costs little. It is the most that a Linux
// kernel can be built for (CONFIG_NR_CPUS of x86 and powerpc).
const maxCPU = 1 << 13

var errList = errors.New("not a list of CPU numbers such as 0-3,8")

// ParseList reads the kernel's list format, "0-3,8,10-11", which may carry a stride ("0-31:2/4": of each 4, the first 2;
// see bitmap_parselist in the kernel). The result ascends and has no duplicates; an empty text is an empty list.
func ParseList(s string) ([]int, error) {
	s = strings.TrimSpace(s)
	if s == "" {
		return nil, nil
	}
	var set [maxCPU / 64]uint64
	top := -1
	for field := range strings.SplitSeq(s, ",") {
		span, stride, strided := strings.Cut(strings.TrimSpace(field), ":")
		used, group := 1, 1
		if strided {
			a, b, ok := strings.Cut(stride, "/")
			var err1, err2 error
			used, err1 = listNumber(a)
			group, err2 = listNumber(b)
			if !ok || err1 != nil || err2 != nil || used < 1 || group < used {
				return nil, errList
			}
		}
		a, b, ranged := strings.Cut(span, "-")
		lo, err := listNumber(a)
		if err != nil {
			return nil, err
		}
		hi := lo
		if ranged {
			if hi, err = listNumber(b); err != nil {
				return nil, err
			}
		} else if strided {
			return nil, errList
		}
		if hi < lo {
			return nil, errList
		}
		for i := lo; i <= hi; i++ {
			if (i-lo)%group < used {
				set[i/64] |= 1 << (i % 64)
				top = max(top, i)
			}
		}
	}
	var out []int
	for i := 0; i <= top; i++ {
		if set[i/64]&(1<<(i%64)) != 0 {
			out = append(out, i)
		}
	}
	return out, nil
}

// listNumber reads one CPU number: digits only, below maxCPU.
func listNumber(s string) (int, error) {
	n, err := strconv.ParseUint(s, 10, 32)
	if err != nil || n >= maxCPU {
		return 0, errList
	}
	return int(n), nil
}

// list reads a file in list format; nil when it is missing or malformed.
func (m *Machine) list(p string) []int {
	l, err := ParseList(m.Setting(p))
	if err != nil {
		return nil
	}
	return l
}

// FormatList writes CPU numbers in the kernel's list format. The order is kept: a list in hand-out order reads as such.
func FormatList(cpus []int) string {
	var b strings.Builder
	for i := 0; i < len(cpus); {
		j := i
		for j+1 < len(cpus) && cpus[j+1] == cpus[j]+1 {
			j++
		}
		if b.Len() > 0 {
			b.WriteByte(',')
		}
		b.WriteString(strconv.Itoa(cpus[i]))
		if j > i {
			b.WriteByte('-')
			b.WriteString(strconv.Itoa(cpus[j]))
		}
		i = j + 1
	}
	return b.String()
}
