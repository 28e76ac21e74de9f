package claim

// Articles are the texts that the claims are from. They are cited by number.
func Articles() []Article {
	return []Article{
		{"000", "python使用多程序 (2022)"},
		{"001", "Python 多进程, Scott's Blog"},
		{"002", "an article that begins with “Python在2.6引入了多进程的机制”"},
		{"003", "Python多进程编程:并发处理任务的利器 (2024)"},
		{"004", "python中multiprocessing、multiprocessing.dummy和threading用法笔记"},
	}
}

// at is a source.
func at(row string) Source { return Source{Article: row[1:4], Row: row} }

// All returns the claims.
func All() []Claim {
	return []Claim{
		{
			ID: "C1", Short: "only apply_async returns values",
			Text:    "Of the ways to give work to a pool only apply_async can return a value; apply, map and imap cannot.",
			Sources: []Source{at("S004-5")},
			Check:   "All ways of calling are made to square numbers, and what they return is compared with the squares.",
			python:  observing(returns),
		}, {
			ID: "C2", Short: "map and apply run one after another",
			Text:    "apply and map block, so that the tasks given to them run one after another.",
			Sources: []Source{at("S004-4")},
			Check:   "Three tasks that sleep go through a pool of three workers; each says when it slept, and the caller how long it took.",
			python:  observing(running),
		}, {
			ID: "C3", Short: "the same of multiprocessing.dummy",
			Text:    "For the pool of threads too, only apply_async returns values, and apply and map run one task after another.",
			Sources: []Source{at("S004-18")},
			Check:   "As C1 and C2, for the pool of threads; in Go for LocalPool.",
			python:  observing(func(o Dummy) []part { return append(returns(o.Returned), running(o.Running)...) }),
		}, {
			ID: "C4", Short: "a pool makes processes on demand and replaces them",
			Text:    "A pool makes a process when work arrives and there is room; when it is full, work waits until a process ends and a new one can be made.",
			Sources: []Source{at("S000-11"), at("S000-12")},
			Check:   "Worker processes are counted before any task, and again by the process ids that 1,000 tasks report.",
			python:  observing(processes),
		}, {
			ID: "C5", Short: "submitting from a second thread wastes nothing",
			Text:    "A search over very many candidates wastes no resources when one thread submits, another collects, and the pool is terminated at the first match.",
			Sources: []Source{at("S004-12"), at("S004-11")},
			Check:   "That program, with nothing that bounds the queue between its threads, searches for a match among tasks of 1 ms: once it is task 101, once task 401. What had been submitted in vain by then is counted. Then the same with a queue of 64.",
			python:  observing(search),
		}, {
			ID: "C6", Short: "join before close is an error",
			Text:    "A pool must be closed before it is joined.",
			Sources: []Source{at("S000-14"), at("S001-8"), at("S004-6")},
			Check:   "An open pool is joined, with a deadline; then it is asked to work again.",
			python:  observing(joining),
		}, {
			ID: "C7", Short: "imap keeps the order, imap_unordered that of completion",
			Text:    "imap yields results in the order of the inputs, imap_unordered in the order in which the tasks end.",
			Sources: []Source{at("S001-9"), at("S001-10")},
			Check:   "Three tasks with falling delays, so that the last one ends first, go through both; then the article's rising delays.",
			python:  observing(ordering),
		}, {
			ID: "C8", Short: "a Manager's structures are shared memory",
			Text:    "A Manager offers data structures that lie in shared memory.",
			Sources: []Source{at("S001-19")},
			Check:   "A number is read from a Manager's dict and from shared memory; then the Manager's process is killed, and both are read again.",
			python:  observing(managed),
		}, {
			ID: "C9", Short: "a Pipe is faster than a Queue",
			Text:    "A Pipe is more efficient than a Queue, because it has fewer locks.",
			Sources: []Source{at("S001-18")},
			Check:   "A child sends messages of 8 B, 1 KiB and 1 MiB through both, by turns; seconds per message are compared in pairs, each with a child, a pipe and a queue of its own.",
			python:  observing(speed),
		}, {
			ID: "C10", Short: "a Pipe is for two processes only",
			Text:    "A Pipe connects two processes and no more.",
			Sources: []Source{at("S001-17")},
			Check:   "Two children read from one end by turns, under a lock; then two children write into one end at once, without one.",
			python:  observing(thirdProcess), golang: observing(movedEnds),
		}, {
			ID: "C11", Short: "Queue and Array cannot be used in a Pool",
			Text:    "multiprocessing's Queue and Array work for Process only; in a Pool one needs those of a Manager.",
			Sources: []Source{at("S001-15"), at("S004-15")},
			Check:   "Each is given to a pool's task as an argument, and by way of the pool's initializer.",
			python:  observing(arguments),
		}, {
			ID: "C12", Short: "Process needs target and args",
			Text:    "A Process must be given target and args.",
			Sources: []Source{at("S002-2")},
			Check:   "Processes are started without one, and without both. In Go: without a function, with a function of no arguments, and of a value with a Run method.",
			python:  observing(starting),
		}, {
			ID: "C13", Short: "terminate skips exit handlers and leaves orphans",
			Text:    "terminate() ends a process without running its exit handlers and finally clauses, and its own children live on as orphans.",
			Sources: []Source{at("S002-6"), at("S002-7")},
			Check:   "A child with an exit handler, a finally clause and two children of its own, a program and a process of the same package, is terminated; marks and the grandchildren are looked for.",
			python:  observing(terminating),
		}, {
			ID: "C14", Short: "one crash leaves the others unaffected",
			Text:    "Processes are isolated: an error or a crash in one of them does not affect the others.",
			Sources: []Source{at("S003-1")},
			Check:   "One worker of a pool kills itself in the first of six tasks; who gets a result, an error, or nothing at all is counted.",
			python:  observing(crashing),
		}, {
			ID: "C15", Short: "fork copies everything",
			Text:    "fork copies all of the parent's data into the child.",
			Sources: []Source{at("S001-2")},
			Check:   "A child of a parent with 64 MiB of data says how much memory is its own: at first, after reading and after writing all of it. In Go, which does not fork: which value of a global variable a child sees.",
			python:  observing(copying), golang: observing(freshGlobals),
		}, {
			ID: "C16", Short: "threads cannot use several cores",
			Text:    "Threads suit work that waits; for work that computes they cannot use more than one core.",
			Sources: []Source{at("S000-1")},
			Check:   "The same arithmetic runs one task after another, on threads and in processes, by turns; CPU seconds per second say how many cores were used.",
			python:  observing(computing),
		}, {
			ID: "C17", Short: "for work that waits threads are enough",
			Text:    "For work that waits for input and output use threads; processes bring nothing.",
			Sources: []Source{at("S000-1"), at("S001-1")},
			Check:   "16 tasks that sleep, and 16 that wait for a server's answer, run one after another, on 16 threads and in 16 processes.",
			python:  observing(waiting),
		}, {
			ID: "C18", Short: "text printed before fork appears twice",
			Text:    "What a program prints before it forks appears twice.",
			Sources: []Source{at("S001-3")},
			Check:   "A program prints a line and forks, with its output to a pipe, to a pipe without buffering, and to a terminal; the lines are counted. In Go, which does not fork: with the line in a buffer.",
			python:  observing(printing), golang: observing(printedOnce),
		}, {
			ID: "C19", Short: "after an early stop the counter is indeterminate",
			Text:    "When a task sets a flag in a Manager's list and the submitting loop stops at it, how far the loop got differs from run to run.",
			Sources: []Source{at("S004-16")},
			Check:   "The loop runs 20 times; the sixth task sets the flag.",
			python:  observing(stopping),
		}, {
			ID: "C20", Short: "get() blocks",
			Text:    "get() of an asynchronous result waits until the task has ended.",
			Sources: []Source{at("S004-8")},
			Check:   "A task sleeps 100 ms; when get() returns is compared with when the task ended.",
			python:  observing(blocking),
		},
	}
}
