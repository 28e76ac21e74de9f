package multiproc

import (
	"reflect"
	"runtime"
	"strconv"
	"strings"
)

// panicText renders a panic's value without fmt.
func panicText(v any) string {
	switch x := v.(type) {
	case error:
		return x.Error()
	case string:
		return x
	case interface{ String() string }:
		return x.String()
	}
	switch r := reflect.ValueOf(v); {
	case r.CanInt():
		return strconv.FormatInt(r.Int(), 10)
	case r.CanUint():
		return strconv.FormatUint(r.Uint(), 10)
	case r.CanFloat():
		return strconv.FormatFloat(r.Float(), 'g', -1, 64)
	case r.Kind() == reflect.String:
		return r.String()
	case r.Kind() == reflect.Bool:
		return strconv.FormatBool(r.Bool())
	}
	return "value of type " + reflect.TypeOf(v).String()
}

// panicError must be called from the deferred function that recovered v, while the panicking frames are on the stack.
func panicError(fn string, index int, v any) *TaskError {
	p := &PanicError{panicText(v), stack()}
	return &TaskError{Func: fn, Index: index, Type: "panic", Msg: p.Error(), Stack: p.Stack, Err: p}
}

// localError wraps what a function returned.
func localError(fn string, index int, err error) *TaskError {
	return &TaskError{Func: fn, Index: index, Type: typeName(err), Msg: err.Error(), Err: err}
}

// goName is the name of a Go function, such as "main.lengths", or "main.main.func1" of one that has none.
func goName(fn any) string {
	if f := runtime.FuncForPC(reflect.ValueOf(fn).Pointer()); f != nil {
		return f.Name()[strings.LastIndexByte(f.Name(), '/')+1:]
	}
	return ""
}

// stack is debug.Stack without its package, which imports fmt.
func stack() string {
	for n := 4 << 10; ; n *= 2 {
		b := make([]byte, n)
		if k := runtime.Stack(b, false); k < n || n > 1<<20 {
			return string(b[:k])
		}
	}
}

func typeName(err error) string { return reflect.TypeOf(err).String() }
