module example.com/logbench

go 1.26.0

require github.com/parbench/parbench v0.0.0

// Only because this example lies inside parbench's own tree: leave it out in yours.
replace github.com/parbench/parbench => ../../..
