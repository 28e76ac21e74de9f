package builtin

import (
	"math"

	"github.com/parbench/parbench/workloads"
)

// record is one entry of the documents that json and fetch-parse work on: a string that needs escapes, whole numbers,
// numbers with few and with many digits, a list and an object inside.
type record struct {
	ID       uint64   `json:"id"`
	Name     string   `json:"name"`
	Price    float64  `json:"price"`
	Quantity uint64   `json:"quantity"`
	Active   bool     `json:"active"`
	Tags     []string `json:"tags"`
	Position position `json:"position"`
}

type position struct {
	X float64 `json:"x"`
	Y float64 `json:"y"`
}

type document struct {
	Records []record `json:"records"`
}

// letters are what names are made of; the last ones are those that encoders escape or that take several bytes.
var letters = []rune("abcdefghijklmnopqrstuvwxyz\"\\<\né€")

// tags is the vocabulary of record.Tags; fetch-parse counts by it.
var tags = [...]string{"red", "green", "blue", "small", "large", "new", "used", "rare"}

// makeDocument returns the document of key. The order of the draws is part of its specification.
func makeDocument(key uint64, records int) document {
	s := workloads.Stream(key)
	d := document{Records: make([]record, records)}
	for k := range d.Records {
		d.Records[k] = makeRecord(&s)
	}
	return d
}

func makeRecord(s *workloads.Stream) record {
	var r record
	r.ID = s.Next() >> 11 // 53 bits: exact where numbers are doubles
	name := make([]rune, 4+s.Next()%12)
	for j := range name {
		name[j] = letters[s.Next()%uint64(len(letters))]
	}
	r.Name = string(name)
	r.Price = float64(s.Next()%1_000_000) / 64
	r.Quantity = s.Next() % 1000
	r.Active = s.Next()%2 == 1
	r.Tags = make([]string, s.Next()%4) // never nil, which would be written as null
	for j := range r.Tags {
		r.Tags[j] = tags[s.Next()%uint64(len(tags))]
	}
	r.Position.X = s.Float()
	r.Position.Y = s.Float()
	return r
}

// fold takes every value of the document into h. Values, not text: encoders differ in spaces, escapes and exponents.
func (d document) fold(h uint64) uint64 {
	for _, r := range d.Records {
		h = workloads.Fold(h, r.ID)
		h = workloads.FoldBytes(h, []byte(r.Name))
		h = workloads.Fold(h, math.Float64bits(r.Price))
		h = workloads.Fold(h, r.Quantity)
		h = workloads.Fold(h, bit(r.Active))
		for _, tag := range r.Tags {
			h = workloads.FoldBytes(h, []byte(tag))
		}
		h = workloads.Fold(h, uint64(len(r.Tags)))
		h = workloads.Fold(h, math.Float64bits(r.Position.X))
		h = workloads.Fold(h, math.Float64bits(r.Position.Y))
	}
	return workloads.Fold(h, uint64(len(d.Records)))
}

func bit(b bool) uint64 {
	if b {
		return 1
	}
	return 0
}
