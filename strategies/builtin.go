package strategies

// Builtin returns the strategies that parbench brings along, in the order in which reports show them.
func Builtin() *Registry {
	return NewRegistry(Sequential{}, Goroutines{}, Pool{}, Threads{}, GIL{}, ProcessPool{}, ProcessPerTask{}, DummyPool{})
}
