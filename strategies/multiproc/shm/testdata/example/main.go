// Four processes count into one array, and the parent waits for them at a barrier.
package main

import (
	"context"
	"fmt"
	"log"
	"os"
	"os/exec"
	"strconv"

	"github.com/parbench/parbench/strategies/multiproc/shm"
)

const children = 4

func main() {
	run := parent
	if len(os.Args) > 1 {
		run = child
	}
	if err := run(context.Background()); err != nil {
		log.Fatal(err)
	}
}

func parent(ctx context.Context) error {
	arena, err := shm.NewArena(1 << 20)
	if err != nil {
		return err
	}
	defer arena.Close()
	counts, err := shm.NewArray[int64](arena, children+1)
	if err != nil {
		return err
	}
	lock, err := arena.NewMutex()
	if err != nil {
		return err
	}
	done, err := arena.NewBarrier(children+1, nil)
	if err != nil {
		return err
	}
	for i := range children {
		cmd := exec.CommandContext(ctx, "/proc/self/exe", strconv.Itoa(i),
			ref(counts), ref(lock), ref(done))
		cmd.ExtraFiles = []*os.File{arena.File()} // descriptor 3 of the child
		cmd.Stderr = os.Stderr
		if err := cmd.Start(); err != nil {
			return err
		}
		defer cmd.Wait()
	}
	if _, err := done.Wait(ctx); err != nil {
		return err
	}
	counts.View(func(c []int64) { fmt.Println(c) })
	return nil
}

func child(ctx context.Context) error {
	arena, err := shm.Open(os.NewFile(3, "arena"))
	if err != nil {
		return err
	}
	i, _ := strconv.Atoi(os.Args[1])
	counts, err := shm.AttachArray[int64](arena, refOf(os.Args[2]))
	if err != nil {
		return err
	}
	lock, err := arena.Mutex(refOf(os.Args[3]))
	if err != nil {
		return err
	}
	done, err := arena.Barrier(refOf(os.Args[4]), nil)
	if err != nil {
		return err
	}
	own := counts.Unsafe()[i : i+1] // nobody else writes it: no lock
	for range 1000 {
		own[0]++
		state, err := lock.Lock(ctx)
		if err != nil {
			return err
		}
		if state == shm.OwnerDied {
			log.Print("a process died while it counted; the total may lack one")
		}
		counts.Unsafe()[children]++
		if err := lock.Unlock(); err != nil {
			return err
		}
	}
	_, err = done.Wait(ctx)
	return err
}

func ref(o interface{ Ref() shm.Ref }) string { return strconv.FormatUint(uint64(o.Ref()), 10) }

func refOf(s string) shm.Ref {
	n, _ := strconv.ParseUint(s, 10, 64)
	return shm.Ref(n)
}
