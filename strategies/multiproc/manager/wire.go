package manager

import (
	"encoding/binary"
)

// A request is a call number (4 bytes, little endian), an operation (1 byte), the number of an object (uvarint) and what
// the operation needs. An answer is the call number, a status (1 byte) and the result. Values are in the wire form of
// package multiproc and are opaque to the server, which compares, copies and returns them: it need not know their types.

// Operations. The first group has no object.
const (
	opCancel     byte = iota // the caller of that number has given up
	opCreate                 // kind, type, parameters
	opFree                   // of an object
	opStats                  //
	opPublish                // name, value
	opLookup                 // name
	opUnpublish              // name
	opObjectBase byte = 16   // from here on each kind of object has its own
)

// Kinds of objects.
const (
	kindDict byte = 1 + iota
	kindList
	kindArray
	kindQueue
	kindMutex
	kindReentrant
	kindRWMutex
	kindSemaphore
	kindCond
	kindEvent
	kindBarrier
	kindService
	kindIterator
	kindValue     // a dict with one key
	kindNamespace // a dict with the fields as keys
	kinds
	kindManager = kinds // in handles only
)

var kindNames = [kinds]string{kindDict: "dict", kindList: "list", kindArray: "array", kindQueue: "queue", kindMutex: "mutex",
	kindReentrant: "reentrant", kindRWMutex: "rwmutex", kindSemaphore: "semaphore", kindCond: "cond", kindEvent: "event",
	kindBarrier: "barrier", kindService: "service", kindIterator: "iterator", kindValue: "value", kindNamespace: "namespace"}

// Operations of dicts, values and namespaces.
const (
	dictGet        = opObjectBase + iota // key → value
	dictGetVersion                       // key → version, value; version 0 where there is none
	dictSet                              // key, value
	dictSetIf                            // key, version, value
	dictSetDefault                       // key, value → whether it was there, the value there now
	dictSwap                             // key, value → whether there was one, the one before
	dictDelete                           // key
	dictPop                              // key → value
	dictPopLast                          // → key, value
	dictLen                              //
	dictClear                            //
	dictKeys                             //
	dictItems                            //
	dictSetAll                           // count, then keys and values
	dictAdd                              // key, number kind, number → sum
	dictApply                            // key, name of the update, its argument → new value
)

// Operations of lists.
const (
	listAppend     = opObjectBase + iota // count, items
	listGet                              // index
	listGetVersion                       // index → version, item
	listSet                              // index, item
	listSetIf                            // index, version, item
	listReplace                          // from, to, count, items
	listPop                              // index, or -1 for the last
	listSlice                            // from, to; to -1 for the end
	listLen                              //
	listRepeat                           // times
	listReverse                          //
)

// Operations of arrays.
const (
	arrayRead  = opObjectBase + iota // from, to; to -1 for the end
	arrayWrite                       // from, elements
	arrayAdd                         // index, number → sum
	arrayCAS                         // index, old, new → whether
	arraySwap                        // index, element → the one before
	arrayLen                         //
)

// Operations of queues. A wait byte says whether to wait.
const (
	queuePut   = opObjectBase + iota // wait, item
	queueGet                         // wait
	queueUnget                       // item: back to the front, what a caller got who had gone
	queueLen                         // → items, capacity
	queueClose                       //
	queueDone                        //
	queueDrain                       // wait
)

// Operations of locks and the like.
const (
	syncLock    = opObjectBase + iota // wait, owner
	syncUnlock                        // owner
	syncRLock                         // wait
	syncRUnlock                       //
	syncDepth                         // owner
	syncAcquire                       // wait
	syncRelease                       // n
	syncValue                         //
	syncWait                          // wait
	syncNotify                        // n
	syncSet                           //
	syncClear                         //
	syncAbort                         //
	syncReset                         //
)

// Operations of services and iterators.
const (
	serviceCall  = opObjectBase + iota // method, input
	serviceIter                        // stream, input → iterator
	iteratorNext                       //
)

// Statuses of answers.
const (
	statusOK byte = iota
	statusFailure
	statusCancelled // the caller had given up, and nothing was done
	statusBusy      // it would have to wait
	statusGone      // made by the client: the manager is gone
	statusTimeout   // of a Cond: the context ended, the mutex is held
	statusBad
	statusFreed
	statusKind
	statusNoKey
	statusIndex
	statusChanged
	statusClosed
	statusNotOwner
	statusUnlocked
	statusOverRelease
	statusBroken
	statusTooManyDone
	statusTooLarge
	statusExists
	statusUnregistered
	statusTooMany
)

// Lock states as they travel.
const (
	stateLocked byte = 1 + iota
	stateOwnerDied
)

// cursor reads a message. What is not there reads as zero and sets bad.
type cursor struct {
	b   []byte
	bad bool
}

func (c *cursor) byte() byte {
	if len(c.b) < 1 {
		c.bad = true
		return 0
	}
	v := c.b[0]
	c.b = c.b[1:]
	return v
}

func (c *cursor) num() uint64 {
	v, n := binary.Uvarint(c.b)
	if n <= 0 {
		c.b, c.bad = nil, true
		return 0
	}
	c.b = c.b[n:]
	return v
}

// int reads a number that may be negative.
func (c *cursor) int() int {
	v, n := binary.Varint(c.b)
	if n <= 0 {
		c.b, c.bad = nil, true
		return 0
	}
	c.b = c.b[n:]
	return int(v)
}

// bytes reads a length and so many bytes, which are part of the message.
func (c *cursor) bytes() []byte {
	n := c.num()
	if n > uint64(len(c.b)) {
		c.b, c.bad = nil, true
		return nil
	}
	v := c.b[:n:n]
	c.b = c.b[n:]
	return v
}

func (c *cursor) string() string { return string(c.bytes()) }

// count reads a number of things that have a byte each at least.
func (c *cursor) count() int {
	n := c.num()
	if n > uint64(len(c.b)) {
		c.b, c.bad = nil, true
		return 0
	}
	return int(n)
}

func appendNum(b []byte, n uint64) []byte { return binary.AppendUvarint(b, n) }
func appendInt(b []byte, n int) []byte    { return binary.AppendVarint(b, int64(n)) }

func appendBytes[T string | []byte](b []byte, v T) []byte {
	return append(binary.AppendUvarint(b, uint64(len(v))), v...)
}

func appendBool(b []byte, v bool) []byte {
	if v {
		return append(b, 1)
	}
	return append(b, 0)
}
